"""The facts about this Python: versions, packages that clash, libraries that are missing."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass

from kafka_parallel._client_files import FORK, imported_version, version_of
from kafka_parallel._runtime.client.process_guards import Hazard, green_threads, mixed_files, patched_by, unstable_ends
from kafka_parallel._runtime.client.stable_ends import asks_as_broker, installed_fetcher
from kafka_parallel.cli.preflight.findings import Finding, failure, good, warning

__all__ = ()

# The modules that kafka-python needs to read each format; gzip comes with Python.
CODECS = {"snappy": "snappy", "lz4": "lz4", "zstd": "zstandard"}
# see docs/explanation/living-with-kafka-python.md
OLDEST, STUCK_FROM, STUCK_BELOW = (2, 2, 9), (3, 0, 0), (3, 0, 9)


@dataclass(frozen=True, kw_only=True)
class PythonFacts:
    """This Python.

    :ivar client: the version of kafka-python; ``None`` = it is not installed as a distribution.
    :ivar fork: the version of kafka-python-ng beside it.
    :ivar imported: the version that the files of the package ``kafka`` say.
    :ivar has_crc32c: whether checksums are computed in C.
    :ivar codecs: the formats of compression that can be read, beside gzip.
    :ivar patched_by: ``"gevent"`` or ``"eventlet"``, if it has replaced threads; else ``None``.
    :ivar as_broker: whether the client asks for the ends of logs as a broker does.
    """

    client: str | None = None
    fork: str | None = None
    imported: str | None = None
    has_crc32c: bool = True
    codecs: frozenset[str] = frozenset(CODECS)
    patched_by: str | None = None
    as_broker: bool = False


def look() -> PythonFacts:
    """Look at this Python. A handler that is imported before may have patched it."""
    return PythonFacts(
        client=version_of("kafka-python"),
        fork=version_of(FORK),
        imported=imported_version(),
        has_crc32c=importlib.util.find_spec("crc32c") is not None,
        codecs=frozenset(codec for codec, module in CODECS.items() if importlib.util.find_spec(module) is not None),
        patched_by=patched_by(),
        as_broker=asks_as_broker(installed_fetcher()),
    )


def installation_findings(found: PythonFacts) -> Iterator[Finding]:
    """Judge an installation."""
    yield from _client(found)
    yield from _hazards(mixed_files(found.client, found.fork, found.imported))
    if not found.has_crc32c:
        yield warning("crc32c", "is not installed: the checksum of each batch is computed in Python, and reading takes "
                   "twice as long; pip install crc32c")  # fmt: skip
    yield from _hazards(green_threads(found.patched_by))


def ends_findings(found: PythonFacts, isolation_level: str | None) -> Iterator[Finding]:
    """Judge whether a consumer of this *isolation_level* is told the right ends of logs."""
    yield from _hazards(unstable_ends(isolation_level, as_broker=found.as_broker))


def _hazards(hazard: Hazard | None) -> Iterator[Finding]:
    if hazard is not None:
        yield (failure if hazard.is_fatal else warning)(hazard.subject, hazard.text)


def _client(found: PythonFacts) -> Iterator[Finding]:
    if found.client is None:
        yield warning("kafka-python", "its version cannot be told: it is not installed as a distribution")
        return
    version = numbers(found.client)
    if STUCK_FROM <= version < STUCK_BELOW:
        yield failure("kafka-python", f"{found.client}: partitions that a member keeps in a rebalance deliver nothing "
                   "until the next one; pip install 'kafka-python>=3.0.9'")  # fmt: skip
    elif version < OLDEST:
        yield failure("kafka-python", f"{found.client} resets positions that it could not look up in time, and records "
                   "are lost or repeated; pip install 'kafka-python>=2.2.9'")  # fmt: skip
    else:
        yield good("kafka-python", found.client)


def numbers(version: str) -> tuple[int, ...]:
    """The numbers that *version* begins with."""
    parts: list[int] = []
    for part in version.split("."):
        if not part.isdecimal():
            break
        parts.append(int(part))
    return tuple(parts)
