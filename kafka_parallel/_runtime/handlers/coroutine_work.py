"""How a chunk is worked off whose handler is ``async def``: record by record, or as a batch.

It is apart from plain handlers because ``asyncio`` is: 1.7 MB of code that a thread pool has no use for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from kafka_parallel._core.outcome import NoVerdict
from kafka_parallel._core.task_batch import TaskBatch
from kafka_parallel._runtime.handlers.coroutine_attempt import let_out
from kafka_parallel._runtime.handlers.coroutines import HandlerExit, was_cancelled, within
from kafka_parallel._unfinished import require_finished

if TYPE_CHECKING:
    from kafka_parallel._core.outcome import BatchOutcomes, Outcome
    from kafka_parallel._core.task import Task
    from kafka_parallel._runtime.handlers.batch_attempt import BatchAttempts
    from kafka_parallel._runtime.handlers.coroutine_attempt import CoroutineAttempts

Wants = Callable[[Any], bool]


# see docs/decisions/0028-coroutines-share-a-task.md
class CoroutineWork:
    """Runs chunks on the event loop.

    :param attempts: runs one record.
    :param batches: runs a batch; ``None`` if records run one by one.
    """

    def __init__(self, attempts: CoroutineAttempts, batches: CoroutineBatches | None) -> None:
        self._attempts = attempts
        self._batches = batches

    def begin_task(self, chunk: Any, task: Any, wants: Wants) -> Awaitable[None] | None:
        """Begin *task*; return the rest of it, which settles it in *chunk*, or ``None`` if it has ended."""
        if task.__class__ is TaskBatch:
            return self._settle_batch(chunk, task, wants)
        if not (task.assignment.live or wants(task)):  # the usual case without a call
            chunk.settle(task, NoVerdict)
            return None
        rest = self._attempts.begin_attempt(task, wants)
        if rest is not None:
            return self._settle(chunk, task, rest, wants)
        chunk.settle(task, None)
        return None

    def decide_at_once(self) -> None:
        """Decide about failures on the event loop's thread from now on."""
        self._attempts.decides_at_once = True

    async def _settle(self, chunk: Any, task: Task, rest: Awaitable[Outcome], wants: Wants) -> None:
        """Wait for the end of a handler; one that was cancelled because it is not wanted does not count."""
        outcome: Outcome = NoVerdict
        try:
            outcome = await rest
        except asyncio.CancelledError as error:
            if wants(task):
                outcome = self._attempts.cancelled(error)
        chunk.settle(task, outcome)

    async def _settle_batch(self, chunk: Any, batch: TaskBatch, wants: Wants) -> None:
        chunk.settle_all(await self._run_batch(batch, wants))

    async def _run_batch(self, batch: TaskBatch, wants: Wants) -> BatchOutcomes:
        if self._batches is None:
            raise ValueError("records run one by one here: there are no batches")
        try:
            return await self._batches.run_batch(batch, wants)
        except asyncio.CancelledError as error:
            return {task: self._attempts.cancelled(error) if wants(task) else NoVerdict for task in batch.tasks}


class CoroutineBatches:
    """Runs batches.

    :param batches: lets records enter and leave their wrappers, calls the handler, and tells the outcome of each.
    :param attempts: decides beside the event loop.
    :param timeout: seconds that the handler may take; ``None`` = any time.
    """

    def __init__(
        self,
        batches: BatchAttempts,
        attempts: CoroutineAttempts,
        timeout: float | None,
    ) -> None:
        self._batches = batches
        self._attempts = attempts
        self._timeout = timeout

    async def run_batch(self, batch: TaskBatch, wants: Wants) -> BatchOutcomes:
        """Run *batch* without the tasks whose assignment has ended; tell how each ended.

        :param wants: tells whether the result of a task is still wanted.

        :raises asyncio.CancelledError: it was cancelled from outside, or none of its records is wanted any more.
        """
        run = self._batches.enter_wrappers(batch)
        if run.tasks:
            result: Any = None
            error: BaseException | None = None
            call = partial(self._batches.call, run)
            try:
                result = await within(self._timeout, batch, self._batches.variables.copy(), call)
                require_finished(result, may_skip=self._batches.may_skip)
            except asyncio.CancelledError as raised:
                if was_cancelled() or not any(map(wants, batch.tasks)):
                    run.leave_wrappers(None, raised)
                    raise
                error = let_out("something it awaited was cancelled", raised)
            except GeneratorExit as raised:  # our asyncio task was thrown away
                run.leave_wrappers(None, raised)  # in their own context: what Python closes later has none
                raise
            except HandlerExit as raised:
                error = raised.__cause__
            except BaseException as raised:  # noqa: BLE001 - turned into outcomes, raised again by run()
                error = raised
            run.leave_wrappers(result, error)
        self._batches.note_end(run)
        decide = partial(self._batches.decide, run)
        return await self._attempts.beside(decide) if run.failures else decide()
