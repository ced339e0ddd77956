"""The end of a run in a process that code of the application has forked out of it.

Such a child has a copy of the buffered records, of the connections and of the locks, and one thread: the one that
forked. Nothing of the run may go on there: records would be handled twice, the parent's connections would be read and
written, and a lock that another thread held is never released. A child that leaves the code which forked it (the
handler) ends; on a poll loop it would go on as a second consumer on the parent's connections.
"""

from __future__ import annotations

import os
import sys
import traceback
from contextlib import suppress
from typing import Any, NoReturn, Protocol
from weakref import WeakSet

from kafka_parallel._logs import area_logger

log = area_logger("run")


class Run(Protocol):
    """A run that a fork may copy."""

    def give_up_in_child(self) -> None:
        """Let nothing of it go on, in the child; this may take no lock."""


_runs: WeakSet[Any] = WeakSet()


# see docs/decisions/0075-forked-child-ends.md
def give_up_if_forked(run: Run) -> None:
    """Have *run* given up in each process that is forked from now on."""
    _runs.add(run)


def _give_up_all() -> None:
    for run in list(_runs):
        run.give_up_in_child()


if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_give_up_all)


def end_child(*_: Any, **__: Any) -> NoReturn:
    """End this process, in which a handler has returned that a worker called."""
    log.warning("a process that a handler forked came back from the handler: it ends, and its parent goes on")
    _end(0)


def end_child_by(_task: object, _record: object, error: BaseException, *_: Any) -> NoReturn:
    """End this process, in which a handler has raised *error*: with its exit code, or as by an uncaught error."""
    if isinstance(error, SystemExit):
        _end(_exit_code(error.code))
    with suppress(Exception):  # a daemon may have closed standard error
        traceback.print_exception(error)
    _end(1)


def _exit_code(code: object) -> int:
    if code is None or isinstance(code, int):
        return int(code or 0) & 0xFF
    with suppress(Exception):  # as above
        sys.stderr.write(f"{code}\n")
    return 1


def _end(code: int) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # as above
            stream.flush()
    os._exit(code)
