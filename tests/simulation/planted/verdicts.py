"""Bugs about attempts that are no verdict: they ended after their assignment, or were not made to their end."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "ask what a failure means although the partition has left",
        where="kafka_parallel._runtime.handlers.verdict:counts",
        old="task.is_wanted and not (isinstance(error, WorkerDied) and error.is_unwanted)",
        new="not (isinstance(error, WorkerDied) and error.is_unwanted)",
    ),
    Bug(
        "ask what it means that a cancelled coroutine raised something else",
        where="kafka_parallel._runtime.handlers.verdict:counts",
        old="task.is_wanted and not (isinstance(error, WorkerDied) and error.is_unwanted)",
        new="not (isinstance(error, WorkerDied) and error.is_unwanted)",
        executor="asyncio",
    ),
    Bug(
        "ask what the failure of a batch means although a partition of it has left",
        where="kafka_parallel._runtime.handlers.verdict:counts",
        old="task.is_wanted and not (isinstance(error, WorkerDied) and error.is_unwanted)",
        new="not (isinstance(error, WorkerDied) and error.is_unwanted)",
        executor="batch on thread-pool",
    ),
    Bug(
        "ask what a deadline means that passed after the partition left",
        where="kafka_parallel._runtime.handlers.verdict:counts",
        old="task.is_wanted and not (isinstance(error, WorkerDied) and error.is_unwanted)",
        new="not (isinstance(error, WorkerDied) and error.is_unwanted)",
        executor="thread-pool with deadline",
    ),
    Bug(
        "take a wanted record whose process was killed for handled",
        where="kafka_parallel._runtime.handlers.record_attempt:Attempts.failed",
        old="return NoVerdict",
        new="return None",
        executor="process-pool",
    ),
    Bug(
        "let a wanted record fail whose process was killed for another",
        where="kafka_parallel._runtime.handlers.verdict:counts",
        old="task.is_wanted and not (isinstance(error, WorkerDied) and error.is_unwanted)",
        new="task.is_wanted",
        executor="process-pool",
    ),
    Bug(
        "finish a record without a verdict",
        where="kafka_parallel._core.dispatch:Dispatch._apply_outcome",
        old="self._schedule(task, now)",
        new="assignment.finish_offset(task.offset)",
        executor="process-pool",
    ),
    Bug(
        "let a key go on before its record without a verdict has run again",
        where="kafka_parallel._core.outcome:is_unfinished",
        old="outcome is NoVerdict or outcome is NotRun or isinstance(outcome, (Retry, Failure))",
        new="outcome is NotRun or isinstance(outcome, (Retry, Failure))",
        executor="process-pool",
    ),
    Bug(
        "tell of an attempt that failed after its partition left",
        where="kafka_parallel._runtime.handlers.handled_log:HandledLog.note_end",
        old="counts(task, error)",
        new="True",
    ),
    Bug(
        "tell of an attempt that returned after its partition left",
        where="kafka_parallel._runtime.handlers.handled_log:HandledLog.around.timed",
        old="task.assignment.live",
        new="True",
    ),
    Bug(
        "say that an attempt counts although its partition has left",
        where="kafka_parallel.values:RecordContext.counts",
        old="self.assignment is None or self.assignment.keeps(self.raw.offset)",
        new="True",
    ),
    Bug(
        "let a success that came after the partition left end a row of dead letters",
        where="kafka_parallel_plugins.dlq.limit:LimitWatch.on_record",
        old="attempt in self._running and context.counts",
        new="attempt in self._running",
    ),
    Bug(
        "show a handler the retry topic instead of the topic that its record is from",
        where="kafka_parallel._runtime.handlers.originals:Originals.see",
        old="self._original(record) if self._original is not None and record.topic in self._topics else record",
        new="record",
    ),
    Bug(
        "send the record of the retry topic to a process",
        where="kafka_parallel._runtime.handlers.handler_calls:HandlerCalls._sent",
        old="self._originals.see(task.record)",
        new="task.record",
        executor="process-pool",
    ),
]
