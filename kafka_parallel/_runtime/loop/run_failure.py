"""The error that stops a run, and the errors that would have stopped it as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafka_parallel.errors import FATAL

if TYPE_CHECKING:
    from kafka_parallel._core.task import Task

    Cause = tuple[Task | None, BaseException, str]


class RunFailure:
    """The errors that stop one run.

    :ivar cause: the record, if it is about one, the error and the reason; ``None`` while there is none.
    :ivar passed_over: the errors that would have stopped the run as well, if it were not for `cause`.
    """

    def __init__(self) -> None:
        self.cause: Cause | None = None
        self.passed_over: list[Cause] = []

    def note(self, task: Task | None, error: BaseException, reason: str) -> None:
        """Note an error: the first stops the run, unless only a later one must not be caught."""
        new = (task, error, reason)
        if self.cause is None:
            self.cause = new
        elif isinstance(error, FATAL) and not isinstance(self.cause[1], FATAL):
            self.passed_over.append(self.cause)
            self.cause = new
        elif error is not self.cause[1]:
            self.passed_over.append(new)
