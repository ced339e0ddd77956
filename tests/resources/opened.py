"""Resources that count how often they are opened and closed, here and in child processes."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from kafka_parallel.resources import WorkerResource


class Ledger:
    """Makes connections, and notes on which threads they are opened, used and closed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.opened: list[Connection] = []
        self.closed: list[Connection] = []
        self.errors: list[Exception] = []
        self.close_errors: list[Exception] = []

    def open(self) -> Connection:
        with self._lock:
            if self.errors:
                raise self.errors.pop()
            self.opened.append(Connection(self))
            return self.opened[-1]

    async def open_async(self) -> Connection:
        return self.open()

    def note_closed(self, connection: Connection) -> None:
        with self._lock:
            self.closed.append(connection)
            if self.close_errors:
                raise self.close_errors.pop()


class Connection:
    """A connection that one thread may use."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.thread = threading.get_ident()
        self.users: set[int] = set()

    def use(self) -> None:
        assert self not in self._ledger.closed
        self.users.add(threading.get_ident())

    def close(self) -> None:
        assert threading.get_ident() == self.thread
        self._ledger.note_closed(self)


# What handlers in child processes use; each line of the file is an act of a process.


class Written:
    """A connection whose acts are lines of a file."""

    def __init__(self) -> None:
        self._note("open")

    def _note(self, act: str) -> None:
        with Path(os.environ["LINES_OF_RESOURCES"]).open("a") as lines:
            lines.write(f"{act} {os.getpid()}\n")

    def use(self) -> None:
        self._note("use")

    def close(self) -> None:
        self._note("close")


written: WorkerResource[Written] = WorkerResource("written", open=Written)


def use_written(record: object) -> None:
    written.get().use()


def use_written_for_all(records: list[object]) -> None:
    for _ in records:
        written.get().use()


def fail_at_third(record: object) -> None:
    written.get().use()
    if record.offset == 3:  # type: ignore[attr-defined]
        raise ValueError("on purpose")
