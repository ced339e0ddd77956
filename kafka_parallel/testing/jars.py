"""Kafka's jars: found or downloaded, and checked against the lock file.

``jars.lock`` beside this file names every jar of the broker with its size and SHA-256. A jar in the cache folder or in
Maven's own repository that has that SHA-256 is used as it is; the others are downloaded from Maven Central once. To
lock another version of Kafka, let Maven resolve it and write the list again::

    mvn dependency:copy-dependencies -DincludeScope=runtime -Dmdep.useRepositoryLayout=true -DoutputDirectory=DIRECTORY
    python -m kafka_parallel.testing.jars DIRECTORY > kafka_parallel/testing/jars.lock

Older versions, which many clusters still run, are locked in ``jars-VERSION.lock``.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kafka_parallel.errors import BrokerError
from kafka_parallel.testing.download import Progress, download, progress_bar
from kafka_parallel.testing.faults import needs_extra

__all__ = ()

LOCK_FILE = Path(__file__).with_name("jars.lock")
VERSION_VARIABLE = "KAFKA_PARALLEL_KAFKA_VERSION"
CENTRAL = "https://repo1.maven.org/maven2"
CENTRAL_VARIABLE = "KAFKA_PARALLEL_MAVEN_URL"
AT_ONCE = 4


@dataclass(frozen=True)
class Jar:
    """One line of the lock file.

    :ivar size: in bytes.
    :ivar sha256: in hexadecimal.
    """

    group: str
    artifact: str
    version: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """File name, as Maven has it."""
        return f"{self.artifact}-{self.version}.jar"

    @property
    def path(self) -> str:
        """Path in a Maven repository, local or remote."""
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self.name}"

    def is_at(self, path: Path) -> bool:
        """Tell whether *path* is a file with this jar's SHA-256."""
        return path.is_file() and path.stat().st_size == self.size and sha256_of(path) == self.sha256

    def __str__(self) -> str:
        return f"{self.group}:{self.artifact}:{self.version} {self.size} {self.sha256}"


def lock_file() -> Path:
    """The lock file of the version that the environment asks for, of the newest otherwise.

    :raises BrokerError: that version is not locked.
    """
    version = os.environ.get(VERSION_VARIABLE)
    path = LOCK_FILE.with_name(f"jars-{version}.lock") if version else LOCK_FILE
    if not path.exists():
        known = ", ".join(sorted(found.stem.removeprefix("jars-") for found in LOCK_FILE.parent.glob("jars-*.lock")))
        raise BrokerError(f"{VERSION_VARIABLE}={version}: that Kafka is not locked; choose one of {known}, or none")
    return path


def read_lock(path: Path = LOCK_FILE) -> list[Jar]:
    """Jars of the lock file at *path*."""
    lines = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return [_jar_of(line) for line in lines if line and not line[0].startswith("#")]


def _jar_of(words: list[str]) -> Jar:
    coordinates, size, sha256 = words
    group, artifact, version = coordinates.split(":")
    return Jar(group, artifact, version, int(size), sha256)


def kafka_version(jars: Iterable[Jar]) -> str:
    """The version of Kafka that the jars are of."""
    return next(jar.version for jar in jars if jar.artifact.startswith("kafka_"))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fetch_jars(jars: list[Jar], *, progress: bool = True) -> list[Path]:
    """Paths of all *jars*, in their order; missing ones are downloaded. May take minutes the first time.

    Several processes may call it at once: one downloads, the others wait for it and use its files.

    :param progress: show a bar on standard error while downloading.
    :raises NotAvailableError: a jar is not here and cannot be downloaded.
    :raises BrokerError: a downloaded jar is not the one of the lock file.
    """
    cache = cache_directory()
    with _one_process(cache):
        found = {jar: _find(jar, cache) for jar in jars}
        missing = [jar for jar, path in found.items() if path is None]
        if missing:
            _download_all(missing, cache, progress=progress)
    return [path or cache / jar.name for jar, path in found.items()]


def cache_directory() -> Path:
    """The user's cache folder for jars; made if need be."""
    with needs_extra("platformdirs"):
        from platformdirs import user_cache_path
    directory = user_cache_path("kafka-parallel") / "jars"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def _find(jar: Jar, cache: Path) -> Path | None:
    """A broken file in the cache is not an error: the download replaces it."""
    places = [cache / jar.name, Path.home() / ".m2" / "repository" / jar.path]
    return next((place for place in places if jar.is_at(place)), None)


def _download_all(jars: list[Jar], cache: Path, *, progress: bool) -> None:
    base = os.environ.get(CENTRAL_VARIABLE, CENTRAL).rstrip("/")
    with (
        progress_bar(sum(jar.size for jar in jars), f"Kafka {len(jars)} jars", shown=progress) as advance,
        ThreadPoolExecutor(AT_ONCE) as pool,
    ):
        for _ in pool.map(lambda jar: _download(jar, f"{base}/{jar.path}", cache, advance), jars):
            pass


def _download(jar: Jar, url: str, cache: Path, advance: Progress) -> None:
    """The file gets its name only once it is known to be the right one."""
    part = cache / f"{jar.name}.part"
    download(url, part, jar.size, advance)
    found = sha256_of(part)
    if found != jar.sha256:
        part.unlink()
        raise BrokerError(
            f"{jar.name} from {url} has the SHA-256 {found}, expected {jar.sha256}; the file was removed. "
            f"If {CENTRAL_VARIABLE} names a mirror, the mirror is wrong; else try again"
        )
    part.replace(cache / jar.name)


@contextmanager
def _one_process(cache: Path) -> Iterator[None]:
    import fcntl

    with (cache / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield  # the lock goes with the file


def _jars_in(repository: Path) -> Iterator[Jar]:
    for path in sorted(repository.rglob("*.jar")):
        *group, artifact, version, _ = path.relative_to(repository).parts
        yield Jar(".".join(group), artifact, version, path.stat().st_size, sha256_of(path))


if __name__ == "__main__":
    print("# group:artifact:version size sha256")
    print(*_jars_in(Path(sys.argv[1])), sep="\n")
