"""Builds the sdist and, from it, a wheel for each CPython that is here; each is tried under the decoder's tests.

``make compiled`` runs it in the development environment. The files are in ``compiled/dist``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
DIST = HERE / "dist"
VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
# Needed by the tests of the decoder; the last three are the codecs that the standard library lacks.
TESTS = ("hypothesis", "pytest", "pytest-timeout", "tomli", "lz4", "python-snappy", "zstandard")
CONTRACT = ("-q", "-p", "no:cacheprovider", "-k", "compiled", "tests/plugins/test_fast_decoder.py")
# The linker that Python was built with may name folders of that machine, where the module would look for libraries.
LINKER = {"LDSHARED": "cc -shared"}


def main() -> int:
    """Build and try all of them; return 1 if there is no interpreter at all."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--no-isolation", "--sdist", HERE, "--outdir", DIST)
    (sdist,) = DIST.glob("*.tar.gz")
    wheels = [wheel for version in VERSIONS if (wheel := built(version, sdist)) is not None]
    run(sys.executable, "-m", "twine", "check", "--strict", sdist, *wheels)
    return 0 if wheels else 1


def built(version: str, sdist: Path) -> Path | None:
    """Return the wheel for CPython *version*, or say why there is none."""
    python = interpreter(version)
    if python is None:
        say(f"CPython {version}: skipped, for there is no python{version} with headers on the PATH or in pyenv")
        return None
    with tempfile.TemporaryDirectory() as folder:
        environment = Path(folder, "environment")
        run(python, "-m", "venv", environment)
        pip = [environment / "bin/python", "-m", "pip", "-q", "--disable-pip-version-check"]
        run(*pip, "wheel", "--no-deps", "--wheel-dir", folder, sdist, environment=LINKER)
        (plain,) = Path(folder).glob("*.whl")
        known = set(DIST.glob("*.whl"))
        run(sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", DIST, plain)
        (wheel,) = set(DIST.glob("*.whl")) - known
        run(*pip, "install", ROOT, wheel, *TESTS)
        run(environment / "bin/pytest", *CONTRACT)
    say(f"CPython {version}: {wheel.relative_to(ROOT)}")
    return wheel


def interpreter(version: str) -> Path | None:
    """The first interpreter that runs and is of *version*: a command that pyenv puts on the PATH need not run."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    on_path = shutil.which(f"python{version}")
    found = [*([Path(on_path)] if on_path else []), *sorted(root.glob(f"versions/{version}.*/bin/python{version}"))]
    return next((python for python in found if is_cpython(python)), None)


def is_cpython(python: Path) -> bool:
    """Tell whether *python* runs, is CPython, and has the headers that compiling takes."""
    program = (
        "import os, sys, sysconfig\n"
        "has_headers = os.path.exists(sysconfig.get_path('include') + '/Python.h')\n"
        "sys.exit(sys.implementation.name != 'cpython' or not has_headers)"
    )
    return subprocess.run([python, "-c", program], capture_output=True, check=False).returncode == 0


def run(*command: object, environment: dict[str, str] | None = None) -> None:
    """Run *command*; an error of it ends the build."""
    subprocess.run([str(part) for part in command], check=True, cwd=ROOT, env={**os.environ, **(environment or {})})


def say(text: str) -> None:
    """Print at once, between the lines of the commands."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
