"""The environment of each peer: its own, made when it is first needed, with pinned versions."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from compileall import compile_dir
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.runners.table import COMPILED, OWN

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".bench"
OWN_FOLDERS = ("kafka_parallel", "plugins", "benchmarks")
JAVA_SOURCES = Path(__file__).with_name("java")
COMPILED_SOURCES = (ROOT / "compiled/setup.py", ROOT / "plugins/kafka_parallel_plugins/fast_decoder/batch_decoder.py")
PATIENCE = 300


@dataclass(frozen=True)
class Needs:
    """The contents of an environment.

    :ivar requirements: for pip.
    :ivar python: the oldest version of Python that can hold it.
    """

    requirements: tuple[str, ...]
    python: tuple[int, int] = (3, 10)


ENVIRONMENTS = {
    "aiokafka": Needs(("aiokafka==0.14.0",)),
    "arroyo": Needs(("sentry-arroyo==2.48.0", "confluent-kafka==2.16.1")),
    "faststream": Needs(
        ("faststream-concurrent-aiokafka==0.7.2", "faststream[kafka]==0.7.8", "aiokafka==0.14.0"), (3, 11)
    ),
    "pyrallel": Needs(("pyrallel-consumer==1.0.0", "confluent-kafka==2.16.1"), (3, 12)),
    "plot": Needs(("matplotlib==3.11.2",)),
}


class Missing(Exception):  # noqa: N818 - being without a peer is no error
    """Says why an environment is not to be had here."""


def prepare(name: str) -> list[str]:
    """Make the environment *name* unless it is there; return the command that runs a program in it.

    :raises Missing: it cannot be made, and why.
    """
    if name == OWN:
        for folder in OWN_FOLDERS:
            compile_dir(ROOT / folder, quiet=1)  # as pip does with the peers: compiling takes memory and time
        return [sys.executable]
    try:
        if name == COMPILED:
            return ["env", f"PYTHONPATH={_prepare_compiled()}", *prepare(OWN)]
        return [*prepare_java(), "Benchmark"] if name == "java" else [str(_prepare_python(name, ENVIRONMENTS[name]))]
    except subprocess.TimeoutExpired:
        raise Missing(f"it was not installed within {PATIENCE} s") from None


@contextmanager
def _one_process() -> Iterator[None]:
    """Tests that run beside each other need the same environment: the first makes it, the others wait for it."""
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield  # the lock goes with the file


@_one_process()
def _prepare_python(name: str, needs: Needs) -> Path:
    folder = FOLDER / name
    marker, python = folder / "installed", folder / "bin" / "python"
    wanted = "\n".join(needs.requirements)
    if marker.exists() and marker.read_text() == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    _run([_interpreter(needs.python), "-m", "venv", str(folder)])
    _run([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *needs.requirements])
    marker.write_text(wanted)
    return python


@_one_process()
def _prepare_compiled() -> Path:
    """Build the compiled form of the decoder of these sources, in a folder for this interpreter alone."""
    folder = FOLDER / COMPILED
    marker = folder / "installed"
    wanted = "".join((sys.version, *(path.read_text() for path in COMPILED_SOURCES)))
    if not (marker.exists() and marker.read_text() == wanted):
        shutil.rmtree(folder, ignore_errors=True)
        options = ["-q", "--disable-pip-version-check", "--no-deps", "--target", str(folder)]
        _run([sys.executable, "-m", "pip", "install", *options, str(ROOT / "compiled")])
        marker.write_text(wanted)
    return folder


def _interpreter(oldest: tuple[int, int]) -> str:
    for candidate in _interpreters():
        check = f"import sys; sys.exit(sys.version_info[:2] < {oldest})"
        if subprocess.run([candidate, "-c", check], capture_output=True, check=False, timeout=30).returncode == 0:
            return candidate
    raise Missing(f"it needs Python {oldest[0]}.{oldest[1]}, which was not found")


def _interpreters() -> Iterator[str]:
    """The one that runs this, those on the PATH, and those that pyenv has."""
    yield sys.executable
    versions = ["3.12", "3.13", "3.14"]
    yield from (found for version in versions if (found := shutil.which(f"python{version}")))
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    yield from (str(found) for version in versions for found in sorted(pyenv.glob(f"{version}.*/bin/python")))


def prepare_java() -> list[str]:
    """Make the environment of the Java programs; return the command that runs the class whose name is added.

    :raises Missing: it cannot be made, and why.
    """
    missing = [name for name in ("java", "javac", "mvn") if shutil.which(name) is None]
    if missing:
        raise Missing(f"no {' and no '.join(missing)} on the PATH")
    return _prepare_java()


@_one_process()
def _prepare_java() -> list[str]:
    folder, pom, sources = FOLDER / "java", JAVA_SOURCES / "pom.xml", sorted(JAVA_SOURCES.glob("*.java"))
    lib, classes, marker = folder / "lib", folder / "classes", folder / "installed"
    wanted = "".join(path.read_text() for path in (pom, *sources))
    if not (marker.exists() and marker.read_text() == wanted):
        shutil.rmtree(folder, ignore_errors=True)
        copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={lib}"]
        _run(["mvn", "-q", "-B", "-f", str(pom), *copy])
        _run(["javac", "-d", str(classes), "-cp", f"{lib}/*", *map(str, sources)])
        marker.write_text(wanted)
    return ["java", "-cp", f"{classes}{os.pathsep}{lib}/*"]


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode:
        raise Missing(last_words(done.stderr or done.stdout))


def last_words(output: str) -> str:
    """The line of a program's output that says best why it failed, fit to be published: no addresses, no paths."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", output)  # Maven colours even what no terminal shows
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"(\[?ERROR|error|[\w.]*(Error|Exception)\b)", line)]
    line = (named or lines or ["it said nothing"])[-1]
    return re.sub(r"\w+://\S+|(?<![\w.])(/[\w.+@-]+){2,}", "...", line)[:200]
