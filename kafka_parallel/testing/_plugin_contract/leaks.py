"""Things that a run leaves behind: threads, tasks, event loops, processes, open files."""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

__all__: list[str] = []

OPEN_FILES = Path("/proc/self/fd")
LOOK = 0.01


def left_behind(act: Callable[[], object], patience: float) -> list[str]:
    """Call *act*, and say what it leaves behind for good.

    :param patience: seconds in which threads that are about to end may do so.
    """
    before = _inventory()
    act()
    deadline = time.monotonic() + patience
    while (found := _new(before)) and time.monotonic() < deadline:
        threading.Event().wait(LOOK)
    return found


def _new(before: dict[object, str]) -> list[str]:
    return sorted(text for thing, text in _inventory().items() if before.get(thing) != text)


def _inventory() -> dict[object, str]:
    """All that may be left behind, each with its description."""
    found: dict[object, str] = {}
    for thread in threading.enumerate():
        found[id(thread)] = f"the thread {thread.name!r} still runs: end it in on_stop, and join it"
    for child in multiprocessing.active_children():
        found[child.pid] = f"the process {child.name!r} still runs: end it in on_stop"
    found.update(_asyncio_things())
    found.update(_open_files())
    return found


def _asyncio_things() -> dict[object, str]:
    gc.collect()
    found: dict[object, str] = {}
    for thing in gc.get_objects():
        kind = type(thing)
        if issubclass(kind, asyncio.BaseEventLoop) and not thing.is_closed():
            found[id(thing)] = f"the event loop {kind.__name__} is not closed: close it in on_stop"
        elif issubclass(kind, asyncio.Task) and not thing.done():
            found[id(thing)] = f"the task {thing.get_name()!r} is not done: cancel it in on_stop, and await it"
    return found


def _open_files() -> dict[object, str]:
    """The open file descriptors, sockets among them; nothing where the system does not tell."""
    found: dict[object, str] = {}
    for entry in OPEN_FILES.iterdir() if OPEN_FILES.exists() else ():
        try:
            target = os.readlink(entry)
        except OSError:  # the one that lists the folder is closed by now
            continue
        found["fd", entry.name] = f"file descriptor {entry.name} is open, on {target}: close it in on_stop"
    return found
