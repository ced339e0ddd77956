"""Finds a free-threaded Python or builds one, and prints its path: ``make free-threaded``.

It is looked for on the ``PATH``, in pyenv and uv, and in the folder of an earlier build. Otherwise CPython is built
with ``--disable-gil``: from the source tree or archive that ``CPYTHON_SOURCE`` names, or from Debian's source package.
If none of them can be had, it prints the reason and ends with the exit code `SKIPPED`. It runs on any Python, and
imports nothing beyond the standard library.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

SKIPPED = 77
NAMES = ("python3.15t", "python3.14t", "python3.13t")
DEBIAN_SUITE, DEBIAN_PACKAGE = "trixie", "python3.13"
LONGEST_S = 3600.0
REMEDY = "name a free-threaded Python with FREE_THREADED, or sources of 3.13 or newer with CPYTHON_SOURCE"
ASKED = "import sysconfig; print(sysconfig.get_config_var('Py_GIL_DISABLED'))"
APT = """\
Dir "{root}";
Dir::State::status "{root}/status";
Dir::Etc::parts "/etc/apt/apt.conf.d";
Dir::Etc::sourceparts "/nonexistent";
Dir::Etc::preferencesparts "/nonexistent";
APT::Sandbox::User "root";
"""


class NotToBeHadError(Exception):
    """There is no free-threaded Python here, and none can be built; says why."""


def main(folder: str, chosen: str = "") -> int:
    """Print the path of a free-threaded Python, which is built in *folder* if there is none."""
    try:
        print(interpreter(Path(folder).resolve(), chosen))
    except NotToBeHadError as error:
        print(f"skipped: {error}", file=sys.stderr)
        return SKIPPED
    return 0


def interpreter(folder: Path, chosen: str = "") -> str:
    """Return the path of a free-threaded Python.

    :param chosen: the path of the one to use; an empty one leaves the choice to this function.
    :raises NotToBeHadError: there is none, and it cannot be built.
    """
    if chosen:
        if is_free_threaded(chosen):
            return chosen
        raise NotToBeHadError(
            f"{chosen} cannot be run, or was not built with --disable-gil; leave FREE_THREADED out, and one is looked "
            "for or built"
        )
    found = next((path for path in candidates(folder) if is_free_threaded(path)), None)
    return found or build(source(folder), folder)


def is_free_threaded(path: str) -> bool:
    """Tell whether *path* is a Python that can run without the interpreter lock."""
    try:
        done = subprocess.run([path, "-c", ASKED], capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.stdout.strip() == "1"


def candidates(folder: Path) -> Iterator[str]:
    """The paths where a free-threaded Python may be, newest version first in each place."""
    yield from filter(None, map(shutil.which, NAMES))
    home = Path.home()
    for place in (".pyenv/versions/3.*t/bin/python3", ".local/share/uv/python/cpython-3.*freethreaded*/bin/python3"):
        yield from sorted(map(str, home.glob(place)), reverse=True)
    yield str(folder / "bin" / "python3")


def source(folder: Path) -> Path:
    """Return the folder of CPython's sources, unpacked.

    :raises NotToBeHadError: they are not here, and cannot be fetched.
    """
    given = os.environ.get("CPYTHON_SOURCE")
    archive = Path(given) if given else debian_archive(folder)
    if not archive.exists():
        raise NotToBeHadError(
            f"CPYTHON_SOURCE={given} does not exist: name an archive or a folder of CPython's sources, or leave it out"
        )
    if archive.is_dir():
        return archive
    unpacked = folder / "source"
    shutil.rmtree(unpacked, ignore_errors=True)
    with tarfile.open(archive) as found:
        found.extractall(unpacked, filter="data")
    return next(path.parent for path in unpacked.glob("*/configure"))


def debian_archive(folder: Path) -> Path:
    """Download the source package that Debian has of a Python that can be free-threaded, from the machine's mirror."""
    if shutil.which("apt-get") is None:
        raise NotToBeHadError(
            f"no python3.13t or newer is installed, and there is no apt-get for its sources: {REMEDY}"
        )
    root = folder / "apt"
    for name in ("etc/apt", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "status").touch()
    (root / "apt.conf").write_text(APT.format(root=root))
    (root / "etc/apt/sources.list").write_text(f"deb-src {mirror(apt_sources())} {DEBIAN_SUITE} main\n")
    for command in (["update"], ["source", "--download-only", DEBIAN_PACKAGE]):
        _run(["apt-get", "-q", *command], root, {"APT_CONFIG": str(root / "apt.conf")}, "Debian's sources")
    return next(iter(root.glob(f"{DEBIAN_PACKAGE}_*.orig.tar.*z")))


def apt_sources() -> list[Path]:
    """The files in which apt notes its sources."""
    return [*sorted(Path("/etc/apt/sources.list.d").glob("*.*")), Path("/etc/apt/sources.list")]


def mirror(files: list[Path]) -> str:
    """The mirror of Debian that apt's *files* name, with its key, as a line of ``sources.list`` has both.

    :raises NotToBeHadError: this is no Debian, or another distribution made of it.
    """
    for text in (path.read_text() for path in files if path.is_file()):
        if uri := re.search(r"^URIs: (\S+/debian/?)\s*$", text, re.M):
            key = re.search(r"^Signed-By: (/\S+)$", text, re.M)
            return f"[signed-by={key.group(1)}] {uri.group(1)}" if key else uri.group(1)
        if line := re.search(r"^deb (\[.*?\] )?(\S+/debian/?) ", text, re.M):
            return f"{line.group(1) or ''}{line.group(2)}"
    raise NotToBeHadError(f"no mirror of Debian is among apt's sources: {REMEDY}")


def build(tree: Path, folder: Path) -> str:
    """Build the CPython in *tree* and install it into *folder*; return the path of the interpreter."""
    jobs = str(os.cpu_count() or 1)
    for command in (
        ["./configure", "-q", "--disable-gil", f"--prefix={folder}", "--with-ensurepip=install"],
        ["make", "-s", "-j", jobs],
        ["make", "-s", "install"],
    ):
        _run(command, tree, {}, "CPython")
    return str(folder / "bin" / "python3")


def _run(command: list[str], folder: Path, environment: dict[str, str], subject: str) -> None:
    try:
        subprocess.run(
            command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=LONGEST_S,
            check=True,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise NotToBeHadError(f"{subject} cannot be had: {command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise NotToBeHadError(f"{subject} cannot be had: {command[0]} did not end within {LONGEST_S:g} s") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or [f"exit code {error.returncode}"])[-1]
        raise NotToBeHadError(f"{subject} cannot be had: {command[0]} says: {last}") from error


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.free_threaded.interpreter", description=__doc__)
    parser.add_argument("folder", help="of an earlier build, or of the one to come")
    parser.add_argument("chosen", nargs="?", default="", help="the path of the Python to use")
    options = parser.parse_args()
    sys.exit(main(options.folder, options.chosen))
