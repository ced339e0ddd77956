"""How far a replay has come, so that one that was interrupted sends nothing twice.

The bookmark is a file of JSON lines that only grows. Its first line says which topic of which cluster it belongs to.
Before a batch is sent, a line names its letters and where the target partitions end; after all answers have come, a
line says so. Every line is on the disk before the next step.

A crash leaves at most one batch of which it is not known which letters arrived. Each record that is sent carries a
header with the identity of its replay and of its letter, so the next run looks for those headers from the noted ends
on. A last line that is not complete belongs to a batch that was not begun.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Any, TypeAlias

import click

__all__ = ()

Place: TypeAlias = "tuple[int, int]"
"""Partition and offset of a letter in its dead-letter topic."""
Ends: TypeAlias = "Mapping[str, Mapping[str, int]]"
"""The ends of the target partitions before a batch was sent: topic -> partition, as text -> offset."""
BEGIN = '{"bookmark_of": '


# see docs/decisions/0026-replay-notes-first.md
class Bookmark:
    """The bookmark of one replay.

    :param path: the file; created if it is not there.
    :param topic: the dead-letter topic.
    :param cluster: the id of its cluster: a topic of that name elsewhere is another one.
    :ivar identity: the header value of the records of this replay.
    :ivar sent: the letters that are known to have been sent.
    :ivar open_batch: letters of which that is not known, and where the targets ended before; or ``None``.
    :raises click.UsageError: the file belongs to another topic, is no bookmark, is in use, or cannot be opened.
    """

    def __init__(self, path: Path, topic: str, cluster: str) -> None:
        try:
            self._file: IO[str] = path.open("a+", encoding="utf-8")
        except OSError as error:
            raise click.UsageError(f"--bookmark {path} cannot be opened: {error.strerror}") from error
        try:
            self._read(path, topic, cluster)
        except BaseException:
            self._file.close()
            raise

    def _read(self, path: Path, topic: str, cluster: str) -> None:
        self._lock(path)
        lines, complete, text = self._lines(path)
        head = lines[0] if lines else {"bookmark_of": topic, "cluster": cluster, "identity": secrets.token_hex(8)}
        if not all(isinstance(head.get(name), str) for name in ("bookmark_of", "cluster", "identity")):
            raise _no_bookmark(path)
        of = (head["bookmark_of"], head["cluster"])
        if of != (topic, cluster):
            raise click.UsageError(
                f"--bookmark {path} belongs to topic {of[0]!r} of cluster {of[1]!r}, not to {topic!r} of {cluster!r}: "
                "name another file"
            )
        self.identity: str = head["identity"]
        self.sent: set[Place] = set()
        self.open_batch: tuple[list[Place], Ends] | None = None
        try:
            for line in lines[1:]:
                self._take_in(line)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise _no_bookmark(path) from error
        if complete != text:  # only now: a file that is no bookmark stays as it is
            self._file.truncate(len(complete.encode()))
        if not lines:
            self._write(head)

    def _lock(self, path: Path) -> None:
        try:
            import fcntl
        except ImportError:  # Windows: two replays with one bookmark are not prevented
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise click.UsageError(f"--bookmark {path} is in use: another replay runs with it") from None

    def _lines(self, path: Path) -> tuple[list[dict[str, Any]], str, str]:
        """Read the lines that are complete; return them, their text, and all the text there is.

        :raises click.UsageError: this is no bookmark.
        """
        self._file.seek(0)
        try:
            text = self._file.read()
            complete = text[: text.rfind("\n") + 1]
            lines = [json.loads(line) for line in complete.splitlines()]
        except ValueError as error:
            raise _no_bookmark(path) from error
        is_cut_head = text.startswith(BEGIN) or BEGIN.startswith(text)
        if not all(isinstance(line, dict) for line in lines) or not (lines or is_cut_head):
            raise _no_bookmark(path)
        return lines, complete, text

    def _take_in(self, line: Mapping[str, Any]) -> None:
        if "sending" in line:
            self.open_batch = _places(line["sending"]), _ends(line["ends"])
        elif "sent" in line:
            self.sent.update(_places(line["sent"]))
            self.open_batch = None

    def begin(self, places: Collection[Place], ends: Ends) -> None:
        """Note that *places* are about to be sent."""
        self._write({"sending": sorted(places), "ends": ends})
        self.open_batch = sorted(places), ends

    def end(self, places: Collection[Place]) -> None:
        """Note that *places* were sent, and that nothing else of the batch was."""
        self._write({"sent": sorted(places)})
        self.sent.update(places)
        self.open_batch = None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _no_bookmark(path: Path) -> click.UsageError:
    return click.UsageError(f"--bookmark {path} is no bookmark of a replay: name another file")


def _places(found: Any) -> list[Place]:
    return [(_number(partition), _number(offset)) for partition, offset in found]


def _ends(found: Any) -> Ends:
    return {topic: {number: _number(end) for number, end in ends.items()} for topic, ends in found.items()}


def _number(found: Any) -> int:
    if not isinstance(found, int) or found < 0:
        raise ValueError(found)
    return found
