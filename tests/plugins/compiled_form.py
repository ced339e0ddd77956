"""The compiled form of the decoder: the installed module if it is of these sources, and else one that is built once."""

from __future__ import annotations

import fcntl
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from hashlib import sha256
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from kafka_parallel_plugins.fast_decoder import batch_decoder, compiled

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "compiled"
NEEDED = ("mypyc", "setuptools")
# The one that PROJECT asks for: venv of Python 3.11 puts an older one into each environment.
OLDEST_SETUPTOOLS = 77


def is_installed():
    """Tell whether this environment has it, as that of a wheel that is tried has."""
    return importlib.util.find_spec(compiled.MODULE) is not None


def module():
    """Import the compiled form."""
    if is_installed():
        assert compiled.compiled_decoder() is not None
        return sys.modules[compiled.MODULE]
    return loaded(built())


def loaded(path):
    """Import the module at *path*, which `compiled.MODULE` does not find afterwards."""
    spec = importlib.util.spec_from_file_location(compiled.MODULE, path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def built():
    """The path of the compiled module; processes that test at the same time wait for the one that builds."""
    _require_compiler()
    folder = ROOT / "build/compiled" / _key()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        path = folder / f"{compiled.MODULE}{EXTENSION_SUFFIXES[0]}"
        if not path.exists():
            _build(folder, path)
    return path


def _key():
    sources = Path(batch_decoder.__file__), PROJECT / "setup.py", PROJECT / "pyproject.toml"
    return f"{sys.implementation.cache_tag}-{sha256(b''.join(map(Path.read_bytes, sources))).hexdigest()[:12]}"


def _build(folder, path):
    """Build as pip does, in a copy of the repository's part that this needs, and put the module at *path*."""
    copy = folder / "copy"
    source = Path(batch_decoder.__file__).relative_to(ROOT)
    shutil.rmtree(copy, ignore_errors=True)
    (copy / source).parent.mkdir(parents=True)
    shutil.copy(ROOT / source, copy / source)
    shutil.copy(ROOT / "LICENSE", copy)
    shutil.copytree(PROJECT, copy / PROJECT.name, ignore=shutil.ignore_patterns("build", "dist", "*.egg-info", ".*"))
    command = [sys.executable, "setup.py", "-q", "build_ext", "--inplace"]
    done = subprocess.run(command, cwd=copy / PROJECT.name, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (copy / PROJECT.name / path.name).rename(path)


def _has_old_setuptools():
    return int(importlib.metadata.version("setuptools").partition(".")[0]) < OLDEST_SETUPTOOLS


def _require_compiler():
    """Skip the test where nothing can be compiled; in CI that is an error."""
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    header = Path(sysconfig.get_path("include"), "Python.h")
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    missing += [f"setuptools {OLDEST_SETUPTOOLS} or later"] * ("setuptools" not in missing and _has_old_setuptools())
    missing += [str(header)] if not header.exists() else []
    missing += [compiler] if shutil.which(compiler) is None else []
    if missing:
        said = f"the decoder cannot be compiled without {' and '.join(missing)}"
        pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
