"""How far a replay has come, so that one that was interrupted sends nothing twice.

The bookmark is a file of JSON lines that only grows. Its first line says which topic it belongs to. Before a batch is
sent, a line names its letters and where the target partitions end; after all answers have come, a line says so. Every
line is on the disk before the next step.

A crash leaves at most one batch of which nobody knows what arrived. Each record that is sent carries a header with the
identity of its replay and of its letter, so the next run looks for those headers from the noted ends on. A last line
that is not complete belongs to a batch that was not begun.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO, Any, TypeAlias

import click

Place: TypeAlias = "tuple[int, int]"
"""Partition and offset of a letter in its dead letter topic."""
Ends: TypeAlias = "Mapping[str, Mapping[str, int]]"
"""Where target partitions ended before a batch was sent: topic -> partition, as text -> offset."""


class Bookmark:
    """The bookmark of one replay.

    :param path: the file; created if it is not there.
    :param topic: the dead letter topic.
    :ivar identity: what the records of this replay carry.
    :ivar sent: the letters that are known to have been sent.
    :ivar open_batch: letters of which that is not known, and where the targets ended before; or ``None``.
    :raises click.UsageError: the file belongs to another topic, is no bookmark, or is in use.
    """

    def __init__(self, path: Path, topic: str) -> None:
        self._file: IO[str] = path.open("a+", encoding="utf-8")
        try:
            self._read(path, topic)
        except BaseException:
            self._file.close()
            raise

    def _read(self, path: Path, topic: str) -> None:
        self._lock(path)
        lines = self._complete_lines()
        head = lines[0] if lines else {"bookmark_of": topic, "identity": secrets.token_hex(8)}
        if not isinstance(head.get("bookmark_of"), str) or not isinstance(head.get("identity"), str):
            raise click.UsageError(f"--bookmark {path} is no bookmark of a replay: name another file")
        if head["bookmark_of"] != topic:
            raise click.UsageError(
                f"--bookmark {path} belongs to topic {head['bookmark_of']!r}, not to {topic!r}: name another file"
            )
        self.identity: str = head["identity"]
        self.sent: set[Place] = set()
        self.open_batch: tuple[list[Place], Ends] | None = None
        for line in lines[1:]:
            self._take_in(line)
        if not lines:
            self._write(head)

    def _lock(self, path: Path) -> None:
        try:
            import fcntl
        except ImportError:  # Windows: there nobody stops two replays with one bookmark
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise click.UsageError(f"--bookmark {path} is in use: another replay runs with it") from None

    def _complete_lines(self) -> list[dict[str, Any]]:
        """Read the lines; cut off a last one that is not complete."""
        self._file.seek(0)
        text = self._file.read()
        complete = text[: text.rfind("\n") + 1]
        if complete != text:
            self._file.truncate(len(complete.encode()))
        try:
            lines = [json.loads(line) for line in complete.splitlines()]
        except ValueError:
            lines = [None]
        return [line if isinstance(line, dict) else {} for line in lines]

    def _take_in(self, line: Mapping[str, Any]) -> None:
        if "sending" in line:
            self.open_batch = [(partition, offset) for partition, offset in line["sending"]], line["ends"]
        elif "sent" in line:
            self.sent.update((partition, offset) for partition, offset in line["sent"])
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
