"""Compiles the decoder: the source is that of kafka-parallel, copied to this folder, and thereby into the sdist."""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path
from shutil import copyfile

from mypyc.build import mypycify
from setuptools import setup

HERE = Path(__file__).parent
REPOSITORY = HERE.parent
ORIGINAL = REPOSITORY / "plugins/kafka_parallel_plugins/fast_decoder/batch_decoder.py"
MODULE = "kafka_parallel_compiled.py"
# It tells another version of kafka-parallel that this module is not of its source.
FINGERPRINT = '\nSOURCE = "%s"\n'
# mypy finds neither kafka-parallel nor kafka-python where an sdist is built, so it must not use them here either.
MYPY = ["--config-file=", "--follow-imports=skip", "--ignore-missing-imports"]
# setuptools runs this file for the metadata and for the sdist too, which need no C.
WITHOUT_C = {"egg_info", "dist_info", "sdist"}


def copy_source() -> None:
    """Copy the source, its fingerprint and the licence; an sdist holds the copies, and no original."""
    if ORIGINAL.exists():
        source = ORIGINAL.read_bytes()
        (HERE / MODULE).write_bytes(source + (FINGERPRINT % sha256(source).hexdigest()).encode())
        copyfile(REPOSITORY / "LICENSE", HERE / "LICENSE")


copy_source()
modules = mypycify([*MYPY, MODULE], opt_level="3", debug_level="0") if WITHOUT_C.isdisjoint(sys.argv) else []
setup(ext_modules=modules)
