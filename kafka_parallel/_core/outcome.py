"""The possible ends of an attempt at a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from kafka_parallel.values import Retry, Skip

if TYPE_CHECKING:
    from kafka_parallel._core.task import Task


class Failure:
    """A record that stops the consumer.

    :ivar error: the error that was raised.
    :ivar reason: who decided that it stops, and why.
    :ivar is_fatal: true for KeyboardInterrupt and its like, about which ``on_error`` is not asked.
    """

    __slots__ = ("error", "is_fatal", "reason")

    def __init__(self, error: BaseException, reason: str, *, is_fatal: bool = False) -> None:
        self.error = error
        self.reason = reason
        self.is_fatal = is_fatal


# The end of an attempt whose handler was not called, as a plugin had answered in its place: it has not failed.
LEFT_OUT = Skip("a plugin answered in the place of the handler")


class NoVerdict:
    """The word on an attempt that was not made, was interrupted, or ended after its assignment: it does not count.

    Its record is not finished by it. If its assignment is live all the same, the record runs again, and this was no
    attempt at it.
    """


Outcome: TypeAlias = "Skip | Retry | Failure | type[NoVerdict] | None"
"""The end of an attempt; ``None`` = the handler returned."""


class NotRun:
    """The outcome of a record that was kept out of a batch because one before it in its unit was."""


BatchOutcome: TypeAlias = "Outcome | type[NotRun]"

BatchOutcomes: TypeAlias = "Mapping[Task, BatchOutcome] | None"
"""How each record of a batch ended; ``None`` = the handler returned, and all of them were in it."""


def is_unfinished(outcome: BatchOutcome) -> bool:
    """Tell whether a record is not through with that: those behind it in its lane must not run before it."""
    return outcome is NoVerdict or outcome is NotRun or isinstance(outcome, (Retry, Failure))
