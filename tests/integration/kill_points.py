"""Plugins of the worker process that kill it at a named point."""

from __future__ import annotations

import itertools
import os
import signal
from typing import Any

from kafka import KafkaProducer

from kafka_parallel import hookimpl
from kafka_parallel.testing.history import History
from kafka_parallel_plugins.dlq import DeadLetterQueue

POINTS = ["before-commit", "after-commit", "before-dead-letter", "after-dead-letter"]


def kill_after(times: int) -> Any:
    """A function that kills this process when it is called for the how-manieth time."""
    calls = itertools.count(1)

    def reach() -> None:
        if next(calls) == times:
            os.kill(os.getpid(), signal.SIGKILL)

    return reach


class KillAroundCommit:
    """Kills before the n-th commit is sent, or after its answer and before the app knows of it."""

    def __init__(self, point: str, times: int) -> None:
        self._point = point
        self._reach = kill_after(times)

    @hookimpl(wrapper=True)
    def on_commit(self):
        if self._point == "before-commit":
            self._reach()
        result = yield
        if self._point == "after-commit":
            self._reach()
        return result


class KillingProducer(KafkaProducer):
    """Kills before the n-th dead letter is sent, or after the broker has it and before the record is finished."""

    point: str
    reach: Any

    def send(self, *arguments, **options):
        if self.point == "before-dead-letter":
            self.reach()
        future = super().send(*arguments, **options)
        if self.point == "after-dead-letter":
            future.get(10)
            self.reach()
        return future


class NoteAssignments:
    """Writes into the history which partitions this process is given."""

    def __init__(self, history: History) -> None:
        self._history = history

    @hookimpl
    def on_assign(self, partitions):
        self._history.assigned(partitions)


def plugins(history: History, point: str | None, times: int, dead_letters: str | None) -> list[object]:
    """The plugins of a worker."""
    found: list[object] = [NoteAssignments(history)]
    if point in {"before-commit", "after-commit"}:
        found.append(KillAroundCommit(point, times))
    if dead_letters:
        KillingProducer.point, KillingProducer.reach = point or "never", staticmethod(kill_after(times))
        found.append(DeadLetterQueue(topic=dead_letters, make_producer=KillingProducer))
    return found
