"""The history of handler runs, written by the handlers themselves, and an independent judge of it.

A history is a file of fixed-size entries. Every handler run appends two (start, end) with one ``write`` each to a file
opened with ``O_APPEND``, so entries of many threads and processes never mix, and a SIGKILL loses nothing that was
written. The judge knows records, keys, offsets and times; of the consumer under test it knows nothing.

Entry, little-endian, 48 bytes: nanoseconds of the machine-wide monotonic clock (q), kind (i), CRC-32 of the rest (I),
run (q: which start of which process), topic hash and partition (I, I), offset (q), key hash (Q).

``python -m kafka_parallel.testing.history FILE`` tells the contents of one, and whether it can be believed.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from kafka_parallel.errors import KafkaParallelError

if TYPE_CHECKING:
    from kafka import TopicPartition

__all__ = ["Entry", "History", "HistoryError", "Kind", "Produced", "Verdict", "judge", "read"]

ENTRY = struct.Struct("<qiIqIIqQ")


class HistoryError(KafkaParallelError):
    """A history file that cannot be judged: missing, cut or corrupt."""


class Kind(IntEnum):
    """The event that an entry is about; ``START``, ``END`` and ``FAILED`` are those of a handler."""

    START = 1
    END = 2
    FAILED = 3
    COMMITTED = 4  # offset = the broker's committed offset at that moment
    KILLED = 5  # the process of this run is gone
    ASSIGNED = 6  # the partition was given to this run (again): it may begin at an earlier offset


class Entry(NamedTuple):
    """One entry of a history; the fields are those on disk, without the checksum.

    :ivar at: when it was written, in nanoseconds of the machine-wide monotonic clock.
    :ivar kind: the number of a `Kind`.
    :ivar run: which start of which process wrote it.
    :ivar topic: a hash of the topic's name.
    :ivar partition: the partition of the record.
    :ivar offset: the offset of the record; of a commit, the committed offset.
    :ivar key: a hash of the record's key; 0 = it has none.
    """

    at: int
    kind: int
    run: int
    topic: int
    partition: int
    offset: int
    key: int


class History:
    """A history file that this process appends to.

    :param path: the file; created if it is not there.
    :param run: a number for this start of the program; the process id serves.
    """

    def __init__(self, path: str | Path, run: int | None = None) -> None:
        self.path: Path = Path(path)
        self.run: int = os.getpid() if run is None else run
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def recording(self, handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return *handler*, plain or ``async def``, with its starts and ends written down."""
        if inspect.iscoroutinefunction(handler):

            async def recorded_async(record: Any) -> Any:
                with self.noting(record):
                    return await handler(record)

            return recorded_async

        def recorded(record: Any) -> Any:
            with self.noting(record):
                return handler(record)

        return recorded

    @contextmanager
    def noting(self, record: Any) -> Iterator[None]:
        """Write down a start of *record* now and its end at the end of the block; a raise is written and passed on."""
        place = (hash_of_topic(record.topic), record.partition, record.offset, hash_of_key(record.key))
        self.write(Kind.START, *place)
        try:
            yield
        except BaseException:
            self.write(Kind.FAILED, *place)
            raise
        self.write(Kind.END, *place)

    def write(self, kind: Kind, topic: int, partition: int, offset: int, key: int = 0) -> None:
        """Append one entry, from any thread: *kind*, *topic*, *partition*, *offset* and *key* as in `Entry`."""
        self._append(Entry(time.monotonic_ns(), kind, self.run, topic, partition, offset, key))

    def committed(self, topic: str, offsets: Mapping[int, int]) -> None:
        """Note the broker's committed *offsets* of now, per partition of *topic*."""
        for partition, offset in offsets.items():
            self.write(Kind.COMMITTED, hash_of_topic(topic), partition, offset)

    def assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """Note that this run was given *partitions*: records of them may come again. Call it in ``on_assign``."""
        for partition in partitions:
            self.write(Kind.ASSIGNED, hash_of_topic(partition.topic), partition.partition, -1)

    def killed(self, run: int) -> None:
        """Note that the process of *run* is gone; call it after waiting for its end."""
        self._append(Entry(time.monotonic_ns(), Kind.KILLED, run, 0, 0, 0, 0))

    def _append(self, entry: Entry) -> None:
        at, kind, *rest = entry
        os.write(self._file, ENTRY.pack(at, kind, _checksum(entry), *rest))

    def close(self) -> None:
        """Close the file; entries that are written after that raise ``OSError``."""
        os.close(self._file)


@dataclass(frozen=True, slots=True)
class Produced:
    """The records that there were to handle.

    :ivar topic: the topic.
    :ivar keys: the key of every record, by partition and offset.
    """

    topic: str
    keys: Mapping[int, Mapping[int, bytes | None]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judge's findings; each problem names partition and offset.

    :ivar records: how many records there were to handle.
    :ivar lost: never finished by anyone.
    :ivar repeated: finished runs beyond the first of a record.
    :ivar reordered: a record started after a later one of its lane, within one assignment of one process.
    :ivar overlapping: two records of a lane at the same time, in one run of one process.
    :ivar committed_too_far: a commit above a record that was not finished.
    :ivar unexplained: a record started again although no process that had finished it was killed. If kills are the only
        faults, it has to be empty, as `needless`: then exactly the records that a kill left uncommitted were repeated.
    :ivar needless: a record started although a commit above it was known: no fault explains such a repeat, but for a
        process that was stopped and goes on with its old state (SIGSTOP).
    """

    records: int
    lost: list[tuple[int, int]]
    repeated: int
    reordered: list[tuple[int, int]]
    overlapping: list[tuple[int, int]]
    committed_too_far: list[tuple[int, int]]
    needless: list[tuple[int, int]]
    unexplained: list[tuple[int, int]]

    @property
    def is_good(self) -> bool:
        """True if nothing was lost, reordered, overlapping or committed too far; repeats are the caller's to judge."""
        return not (self.lost or self.reordered or self.overlapping or self.committed_too_far)


def read(path: str | Path, *, is_growing: bool = False) -> Iterator[Entry]:
    """Read a history in order of time.

    :param path: the file.
    :param is_growing: another process may append to it now, so an incomplete last entry is left out.
    :raises HistoryError: if the file is missing or cut in the middle of an entry, or if an entry is corrupt or missing:
        its checksum is wrong, or a handler ends that never began.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise HistoryError(f"history {path} cannot be read: {error}") from error
    if is_growing:
        data = whole(data)
    if len(data) % ENTRY.size:
        raise HistoryError(f"history {path} is cut: {len(data)} bytes are no multiple of {ENTRY.size}")
    entries = sorted(unpack(data, f"history {path}"), key=lambda entry: entry.at)
    running: Counter[tuple[int, ...]] = Counter()
    for entry in entries:
        place = (entry.run, entry.topic, entry.partition, entry.offset)
        if entry.kind == Kind.START:
            running[place] += 1
        elif entry.kind in {Kind.END, Kind.FAILED}:
            running[place] -= 1
            if running[place] < 0:
                raise HistoryError(f"history {path} is cut: it has no beginning of the run that ends in {entry}")
    return iter(entries)


def whole(data: bytes) -> bytes:
    """Leave out an entry that is cut at the end: a write that crosses a page of the file first shows its first half."""
    return data[: len(data) - len(data) % ENTRY.size]


def unpack(data: bytes, what: str) -> list[Entry]:
    """Read whole entries, in the order in which they were written.

    :param what: names the history in errors.
    :raises HistoryError: an entry is corrupt.
    """
    entries = []
    for number, (at, kind, checksum, *rest) in enumerate(ENTRY.iter_unpack(data)):
        entry = Entry(at, kind, *rest)
        if kind not in Kind._value2member_map_ or checksum != _checksum(entry):
            raise HistoryError(f"{what} is corrupt: entry {number} is {entry}")
        entries.append(entry)
    return entries


def _checksum(entry: Entry) -> int:
    at, kind, *rest = entry
    return zlib.crc32(ENTRY.pack(at, kind, 0, *rest))


def judge(entries: Iterable[Entry], produced: Produced, *, lane: str = "key") -> Verdict:
    """Judge a history.

    :param entries: the history, in order of time.
    :param produced: the records that there were to handle.
    :param lane: the scope of the order: ``"key"`` (records without a key are free), ``"partition"`` or ``"none"``.
    """
    court = _Court(produced, lane)
    for entry in entries:
        court.hear(entry)
    return court.verdict()


class _Court:
    """Everything heard so far."""

    def __init__(self, produced: Produced, lane: str) -> None:
        self._topic = hash_of_topic(produced.topic)
        self._lane = lane
        self._unfinished = {p: dict.fromkeys(sorted(keys)) for p, keys in produced.keys.items()}
        self._produced = produced
        self._finished: dict[tuple[int, int], int] = {}
        self._highest: dict[tuple[int, Any], int] = {}
        self._assignments: dict[tuple[int, int], int] = {}
        self._running: dict[tuple[int, Any], int] = {}
        self._reordered: list[tuple[int, int]] = []
        self._overlapping: list[tuple[int, int]] = []
        self._too_far: list[tuple[int, int]] = []
        self._committed: dict[int, int] = {}
        self._needless: list[tuple[int, int]] = []
        self._finishers: dict[tuple[int, int], set[int]] = {}
        self._killed: set[int] = set()
        self._unexplained: list[tuple[int, int]] = []

    def hear(self, entry: Entry) -> None:
        """Take in the next entry."""
        if entry.kind == Kind.KILLED:
            self._killed.add(entry.run)
            self._running = {place: offset for place, offset in self._running.items() if place[0] != entry.run}
        elif entry.topic != self._topic:
            return
        elif entry.kind == Kind.ASSIGNED:
            place = entry.run, entry.partition
            self._assignments[place] = self._assignments.get(place, 0) + 1
        elif entry.kind == Kind.COMMITTED:
            self._hear_commit(entry)
        elif entry.kind == Kind.START:
            self._hear_start(entry)
        else:
            self._hear_end(entry)

    def _hear_start(self, entry: Entry) -> None:
        if entry.offset < self._committed.get(entry.partition, 0):
            self._needless.append((entry.partition, entry.offset))
        where = (entry.partition, entry.offset)
        if self._finishers.get(where, self._killed) - self._killed:
            self._unexplained.append(where)
        place = self._place(entry)
        if place is None:
            return
        if place in self._running:
            self._overlapping.append(where)
        period = (self._assignments.get((entry.run, entry.partition), 0), place)
        if entry.offset < self._highest.get(period, -1):
            self._reordered.append(where)
        self._highest[period] = max(entry.offset, self._highest.get(period, -1))
        self._running[place] = entry.offset

    def _hear_end(self, entry: Entry) -> None:
        place = self._place(entry)
        if place is not None and self._running.get(place) == entry.offset:
            del self._running[place]
        if entry.kind == Kind.END:
            where = (entry.partition, entry.offset)
            self._finished[where] = self._finished.get(where, 0) + 1
            self._finishers.setdefault(where, set()).add(entry.run)
            self._unfinished.get(entry.partition, {}).pop(entry.offset, None)

    def _hear_commit(self, entry: Entry) -> None:
        """Everything below a committed offset must have been finished by now. Offsets come in order in the dict."""
        self._committed[entry.partition] = max(entry.offset, self._committed.get(entry.partition, 0))
        lowest = next(iter(self._unfinished.get(entry.partition, {})), None)
        if lowest is not None and entry.offset > lowest:
            self._too_far.append((entry.partition, lowest))

    def _place(self, entry: Entry) -> tuple[int, Any] | None:
        """The lane that *entry* belongs to, in its run; ``None`` if it needs no order."""
        if self._lane == "partition":
            return entry.run, entry.partition
        if self._lane == "key" and entry.key:
            return entry.run, (entry.partition, entry.key)
        return None

    def verdict(self) -> Verdict:
        """The findings."""
        lost = [(partition, offset) for partition, left in self._unfinished.items() for offset in left]
        return Verdict(
            records=sum(len(keys) for keys in self._produced.keys.values()),
            lost=lost,
            repeated=sum(count - 1 for count in self._finished.values()),
            reordered=self._reordered,
            overlapping=self._overlapping,
            committed_too_far=self._too_far,
            needless=self._needless,
            unexplained=self._unexplained,
        )


def hash_of_topic(text: str) -> int:
    """The number of a topic in a history; programs in other languages get it from here."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=4).digest(), "little")


def hash_of_key(key: bytes | None) -> int:
    """The number of a key in a history, in the same way; 0 means that there is none."""
    if key is None:
        return 0
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little") or 1


def main(arguments: list[str]) -> int:
    """Tell the contents of the history that *arguments* name; return the exit code: 2 if it cannot be believed."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m kafka_parallel.testing.history FILE\n")
        return 2
    try:
        entries = list(read(arguments[0]))
    except HistoryError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    kinds = Counter(Kind(entry.kind).name.lower() for entry in entries)
    runs = len({entry.run for entry in entries})
    counts = ", ".join(f"{count} {name}" for name, count in sorted(kinds.items()))
    sys.stdout.write(f"history {arguments[0]}: {len(entries)} entries of {runs} runs: {counts or 'nothing happened'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
