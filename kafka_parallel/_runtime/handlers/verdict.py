"""Tells whether an attempt's outcome counts.

Rule 1: an attempt counts if its assignment is live when that is decided. Else its record runs elsewhere, or again here
under a later assignment, and only the outcome there counts. So ``on_error`` is not asked, which writes no dead letter
and no retry, and ``on_handled`` is not told.
Rule 2: each act looks here right before it begins. An act that has begun goes on: a dead letter that is on its way when
the partition is lost will be written, and its record runs again. A revoke waits for it as for a handler.
Rule 3: an executor that interrupted an attempt says so, and that is no failure of its record. Should its assignment
be live all the same, the record runs again.
Rule 4: an error that ends the process (SystemExit and its like) is about the process, not about the record, and always
counts.

An assignment ends when its partition leaves, after a jump back for all records from its target on, and at the end of
run(); it never comes to life again, so the answer "no" stays right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafka_parallel.errors import WorkerDied

if TYPE_CHECKING:
    from kafka_parallel._core.task import Task


# see docs/decisions/0056-verdict-needs-a-live-assignment.md
def counts(task: Task, error: BaseException | None = None) -> bool:
    """Tell whether an attempt at *task* counts that raised *error*, or nothing."""
    return task.is_wanted and not (isinstance(error, WorkerDied) and error.is_unwanted)
