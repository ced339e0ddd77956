"""How threads use the scheduler: under one lock, each from its side.

`LockedScheduler` owns the one lock of a consumer. **The lock guards the scheduler and the reasons to stop; nothing
else.** Decisions are made under it, acts happen outside: no user code, no plugin, no Kafka call and no log line runs
with it held, and no thread waits holding it.

Threads that wait for work or for progress are woken by `wakeups`, which shares the lock.

A signal handler runs between any two steps of the main thread, also while that holds the lock. So its holder may take
it again, to read; a change is put off until the loop's next round.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kafka_parallel._core.backpressure import Decision
from kafka_parallel._core.outcome import NoVerdict
from kafka_parallel._core.scheduler import CommitSnapshot, Ended, Repeated, Scheduler
from kafka_parallel._core.task_batch import TaskBatch
from kafka_parallel._runtime.handlers.deadlines import OverdueError
from kafka_parallel._runtime.handlers.odd_errors import tamed
from kafka_parallel._runtime.handlers.remote_run import RemoteRun
from kafka_parallel._runtime.loop.forked_child import end_child, end_child_by
from kafka_parallel._runtime.loop.run_failure import RunFailure
from kafka_parallel._runtime.loop.wakeups import Wakeups, is_held
from kafka_parallel.errors import StateError

if TYPE_CHECKING:
    from kafka_parallel._core.batch_queue import BatchLimits
    from kafka_parallel._core.buffer_limits import BufferLimits
    from kafka_parallel._core.chunk import TaskChunk
    from kafka_parallel._core.commit_schedule import CommitRules, Due
    from kafka_parallel._core.finished_before import FinishedBefore
    from kafka_parallel._core.in_flight_limits import Throttles
    from kafka_parallel._core.outcome import BatchOutcome, BatchOutcomes, Failure
    from kafka_parallel._core.task import Task, Unit
    from kafka_parallel._runtime.clock import Clock
    from kafka_parallel._runtime.handlers.attempt_protocols import Attempt, AttemptBatch, Coroutines
    from kafka_parallel._runtime.handlers.deadlines import Running
    from kafka_parallel._runtime.handlers.handled_log import HandledLog
    from kafka_parallel.executors import Exchange

P = TypeVar("P", bound=Hashable)
R = TypeVar("R")

FORKED = (
    "run() in a process that was forked in the middle of it: the run goes on in the parent; call os._exit() in the "
    "child, or have multiprocessing start it"
)


class LockedScheduler(Generic[P]):  # see docs/decisions/0001-one-lock-one-owner.md
    """The scheduler behind its lock; also the `Work` that executors pull from.

    :param limits: the limits of the buffer.
    :param commits: when commits are due; ``None`` for a consumer without a group.
    :param attempt: runs one task (handler and hooks) and tells how it ended; never raises.
    :param clock: the time.
    :param batches: when a batch is given out; ``None`` if records run one by one.
    :param attempt_batch: runs one batch; never raises.
    :param coroutines: runs either if the handler is ``async def``.
    :param handled_log: the log of ended attempts, told to plugins after each hand-over; ``None`` without `on_handled`.
    :ivar is_stopping: tells whether the run is about to end.
    """

    def __init__(
        self,
        limits: BufferLimits,
        *,
        commits: CommitRules | None,
        attempt: Attempt,
        clock: Clock,
        batches: BatchLimits | None = None,
        attempt_batch: AttemptBatch | None = None,
        coroutines: Coroutines | None = None,
        handled_log: HandledLog | None = None,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._scheduler: Scheduler[P] = Scheduler(limits, commits=commits, batches=batches)
        self._attempt = attempt
        self._attempt_one = attempt.__call__  # found once: through the object's class each call would take 60 ns more
        self._attempt_batch = attempt_batch
        self._coroutines = coroutines
        self._handled_log = handled_log
        self._clock, self.is_stopping = clock, is_stopping
        self._lock = clock.lock()  # see docs/decisions/0053-reentrant-lock.md
        self._wakeups = Wakeups(self._lock, clock, self._scheduler.dispatch, takes_batches=attempt_batch is not None)
        self._late_changes: deque[Callable[[Throttles, float], None]] = deque()
        self._closed = False
        self._run_failure = RunFailure()

    def end_workers_in_child(self) -> None:
        """Let no worker go on in a process that its handler has forked, and wait for no lock of the parent's."""
        self._lock = self._clock.lock()
        self._closed = True
        methods = dict.fromkeys(
            ("next_chunk", "next_chunk_nowait", "run", "run_remote", "run_async", "finish", "_returned"), end_child
        )
        vars(self).update(methods)
        vars(self._attempt)["failed"] = end_child_by
        if self._coroutines is not None:
            self._coroutines.decide_at_once()
        self._run_failure.note(None, StateError(FORKED), "it was forked")

    # The executor's side: see `kafka_parallel.executors.Work`

    def next_chunk(self, limit: int, done: TaskChunk | None = None) -> TaskChunk | None:
        """Hand over *done* as `finish` does, and take at most *limit* tasks in the same act; wait for them if need be.

        :returns: ``None`` once there will never be more.
        """
        chunk = None if done is None else self._exchange(limit, done, steals=True)
        return self._wait_for_chunk(limit) if chunk is None else chunk

    def next_chunk_nowait(self, limit: int, done: TaskChunk | None = None) -> TaskChunk | None:
        """Do the same, but do not wait and take nothing away from others; ``None`` if nothing may run now."""
        if done is not None:
            return self._exchange(limit, done, steals=False)
        with self._lock:
            now = self._clock.monotonic()
            chunk = None if self._closed else self._scheduler.dispatch.next_chunk(limit, now, steals=False)
            self._wakeups.wake_watch()
            return chunk

    def _exchange(self, limit: int, done: TaskChunk, *, steals: bool) -> TaskChunk | None:
        """Hand over *done* and take the tasks that may run now: a busy worker's act, cheaper than one by one."""
        with self._lock:
            now = self._clock.monotonic()
            self._take_in_outcomes(done, now)
            chunk = None if self._closed else self._scheduler.dispatch.next_chunk(limit, now, steals=steals)
            self._wakeups.wake_for_rest(limit)
            self._wakeups.wake_satisfied()
        self.deliver_handled()
        return chunk

    def _wait_for_chunk(self, limit: int) -> TaskChunk | None:
        with self._lock:
            while not self._closed:
                chunk = self._scheduler.dispatch.next_chunk(limit, self._clock.monotonic())
                if chunk is not None:
                    self._wakeups.wake_for_rest(limit)
                    return chunk
                self._wakeups.wake_satisfied()
                self._wakeups.wait_for_work()
            return None

    def run(self, chunk: Any, task: Any) -> bool:
        """Run *task* here and now; under an assignment that has ended it is not run at all.

        :returns: false if it took so long that the chunk was taken away from its worker.
        """
        try:
            if task.__class__ is TaskBatch:
                chunk.settle_all(self._run_batch(task))
            else:
                chunk.settle(task, self._attempt_one(task) if task.assignment.live or task.is_wanted else NoVerdict)
        except OverdueError as error:
            self._returned(error.running)
            return False
        return True

    def run_remote(self, chunk: TaskChunk, exchange: Exchange) -> None:
        """Have *exchange* run all tasks of *chunk*; see `kafka_parallel._runtime.handlers.remote_run`."""
        RemoteRun(self, chunk, self._attempt, self._handled_log).exchange_all(exchange)

    def unclaim(self, chunk: TaskChunk, units: Sequence[Unit]) -> None:
        """Let other workers take *units*, which were claimed and not begun."""
        with self._lock:
            chunk.unclaim(units)
            self._wakeups.wake_worker(1)

    def run_async(self, chunk: Any, task: Any) -> Awaitable[None] | None:
        """Do the same with an ``async def`` handler; return the rest of it, or ``None`` if it has ended."""
        if self._coroutines is None:
            raise ValueError("the handler is a plain function: nothing of it can be awaited")
        return self._coroutines.begin_task(chunk, task, self.wants)

    def _run_batch(self, batch: TaskBatch) -> BatchOutcomes:
        if self._attempt_batch is None:
            raise ValueError("records run one by one here: there are no batches")
        return self._attempt_batch(batch)

    def wants(self, task: Any) -> bool:
        """Tell whether the result of *task* is still wanted."""
        if isinstance(task, TaskBatch):
            return any(map(self.wants, task.tasks))
        return bool(task.is_wanted)

    def finish(self, chunk: TaskChunk) -> None:
        """Hand over the outcomes that *chunk* has so far."""
        with self._lock:
            self._take_in_outcomes(chunk, self._clock.monotonic())
            # A worker with nothing left takes the first task that may run now by itself.
            self._wakeups.wake_worker(1 if chunk.taken else 2)
            self._wakeups.wake_satisfied()
        self.deliver_handled()

    def _collect(self) -> None:  # see docs/decisions/0031-anyone-collects.md
        """Take in tasks that workers have settled and not handed over, before a decision that depends on them."""
        self._fail_all(self._scheduler.dispatch.collect_outcomes(self._clock.monotonic()))

    def _take_in_outcomes(self, chunk: TaskChunk, now: float) -> None:
        if failures := self._scheduler.dispatch.take_in_outcomes(chunk, now):
            self._fail_all(failures)

    def deliver_handled(self) -> None:  # see docs/decisions/0054-measured-per-chunk.md
        """Tell plugins of the attempts that have ended since they were told last.

        An error of a plugin that is not its own to raise stops the consumer, and not the worker that told it: this one
        may have taken its next chunk already.
        """
        if self._handled_log is None:
            return
        try:
            self._handled_log.deliver()
        except BaseException as error:  # noqa: BLE001 - raised by run()
            self.fail(error, "a plugin raised it in on_handled")

    def fail(self, error: BaseException, reason: str = "the executor broke") -> None:
        """Stop the consumer because the executor itself broke, or a plugin on its worker."""
        with self._lock:
            self._stop_by(None, tamed(error), reason)

    def _fail_all(self, failures: Iterable[tuple[Task, Failure]]) -> None:
        for task, failure in failures:
            self._stop_by(task, failure.error, failure.reason)

    def _stop_by(self, task: Task | None, error: BaseException, reason: str) -> None:
        self._run_failure.note(task, error, reason)
        self._wakeups.wake_all_waiting()

    # Handlers that take too long

    def detach_stuck(self, running: Running) -> TaskChunk | None:
        """Take everything away from the worker of an overdue handler; ``None`` if it has just ended.

        :returns: a chunk with the task it is at, for `expire`.
        """
        with self._lock:
            if not running.claim_verdict():
                return None
            chunk, failures = self._scheduler.dispatch.detach_stuck(running.item, self._clock.monotonic())
            self._fail_all(failures)
            self._wakeups.wake_worker(1)
            return chunk

    def expire(self, running: Running, chunk: Any, outcomes: Mapping[Task, BatchOutcome]) -> None:
        """Take in the verdicts about the records of an overdue handler.

        At once: a thread that collects settled tasks must not take this for a handler that has returned.
        """
        with self._lock:
            if isinstance(running.item, TaskBatch):
                chunk.settle_all(outcomes)
            else:
                chunk.settle(running.item, outcomes[running.item])
            now = self._clock.monotonic()
            self._fail_all(self._scheduler.dispatch.expire(chunk, running, running.lanes, now))
            self._wakeups.wake_changed()
        self.deliver_handled()

    def _returned(self, running: Running) -> None:
        """Note that an overdue handler has returned; waits until its chunk has been taken away."""
        with self._lock:
            self._scheduler.dispatch.returned(running, self._clock.monotonic())
            self._wakeups.wake_changed()

    # The loop's side

    def learn_positions(self, positions: Mapping[P, int], sought: Iterable[P] = ()) -> CommitSnapshot[P]:
        """Learn where the client is; return where assignments are that nothing is confirmed of."""
        with self._lock:
            return self._scheduler.learn_positions(positions, sought)

    def feed(self, fetched: Mapping[P, Sequence[Task]], leader_epochs: Mapping[P, Iterable[tuple[int, int]]],
             sought: Iterable[P] = (), log_ends: Mapping[P, int] | None = None) -> dict[P, int]:  # fmt: skip
        """Take in new tasks; return from which offset on some have to be fetched again."""
        with self._lock:
            kept_out = self._scheduler.feed(fetched, leader_epochs, sought, log_ends)
            self._wakeups.wake_worker(1)
            return kept_out

    def decide_pauses(self, fed: Collection[P]) -> Decision[P]:
        """Decide which partitions pause and resume; tasks settled and not handed over count as finished."""
        with self._lock:
            self._change_late()
            self._collect()
            return self._scheduler.backpressure.decide_pauses(fed, self._clock.monotonic())

    def defer(self, partition: P, until: float) -> None:
        """Fetch nothing more of *partition* before *until*."""
        with self._lock:
            self._scheduler.backpressure.defer(partition, until)

    def commit_due(self, *, is_asked: bool = False, begins: bool = False) -> Due | None:
        """Tell whether a commit is due now, and why; see `CommitSchedule.due`."""
        with self._lock:
            return self._scheduler.commits.due(self._clock.monotonic(), is_asked=is_asked, begins=begins)

    def commit_answered(self, *, failed: bool) -> None:
        """Note that the commit that was due has ended."""
        with self._lock:
            self._scheduler.commits.answered(self._clock.monotonic(), failed=failed)

    def snapshot(self, partitions: Iterable[P] | None = None, *, renews: bool = False) -> CommitSnapshot[P]:
        """Return the offsets to commit now; *renews* = also unchanged ones that were committed long ago."""
        with self._lock:
            self._collect()
            return self._scheduler.snapshot(partitions, self._clock.monotonic() if renews else None)

    def confirm_commit(self, snapshot: CommitSnapshot[P]) -> None:
        """Note that the broker confirmed *snapshot*."""
        with self._lock:
            self._scheduler.confirm_commit(snapshot, self._clock.monotonic())

    def wait_until(self, predicate: Callable[[Scheduler[P]], bool], timeout: float) -> bool:
        """Wait until *predicate* holds, *timeout* seconds at most; tell whether it holds.

        Workers evaluate it under the lock whenever they finish something, so that no thread is woken in vain.
        """
        deadline = self._clock.monotonic() + timeout
        with self._lock:
            self._collect()
            return self._wakeups.wait_for_progress(lambda: predicate(self._scheduler), deadline)

    # A rebalance's side

    def assign(self, partitions: Iterable[P], done: Mapping[P, FinishedBefore], starts: Mapping[P, int]) -> None:
        """Begin assignments of *partitions*."""
        with self._lock:
            self._scheduler.assign(partitions, done, starts)

    def drain(self, partitions: Iterable[P] | None, end: float) -> dict[P, Repeated]:
        """Take in nothing more for *partitions* (all without it), which leave at *end*; return the repeats of that."""
        with self._lock:
            self._collect()
            self._wakeups.wake_all_workers()
            return self._scheduler.drain(partitions, end, self._clock.monotonic())

    def end_assignments(self, partitions: Iterable[P]) -> dict[P, Ended]:
        """End the assignments of *partitions*."""
        with self._lock:
            self._collect()
            ended = self._scheduler.end_assignments(partitions)
            self._wakeups.wake_changed()
            return ended

    # A plugin's side

    def change_throttles(self, change: Callable[[Throttles, float], None]) -> None:
        """Make *change*; from any thread or signal handler: see docs/decisions/0053-reentrant-lock.md."""
        if is_held(self._lock):  # a signal handler or a finaliser runs between two steps of an act of this thread
            self._late_changes.append(change)
            return
        with self._lock:
            change(self._scheduler.throttles, self._clock.monotonic())
            self._wakeups.wake_all_workers()
            self._wakeups.wake_satisfied()

    def _change_late(self) -> None:
        """Make the changes that came in the middle of an act."""
        while self._late_changes:
            self._late_changes.popleft()(self._scheduler.throttles, self._clock.monotonic())
            self._wakeups.wake_all_workers()

    # Anyone's side

    def close(self) -> None:
        """Give out no more work, and end the open assignments: workers end after their current tasks."""
        with self._lock:
            self._closed = True
            self._collect()
            self._scheduler.end_assignments(self._scheduler.assigned)
            self._wakeups.wake_all_workers()
            self._wakeups.wake_all_waiting()

    @property
    def failure(self) -> tuple[Task | None, BaseException, str] | None:
        """The cause that stops the consumer: the record, the error and the reason; ``None`` while there is none."""
        return self._run_failure.cause

    @property
    def passed_over(self) -> list[tuple[Task | None, BaseException, str]]:
        """The errors that would have stopped the consumer as well, if it were not for `failure`."""
        return self._run_failure.passed_over

    def ask(self, question: Callable[[Scheduler[P]], R]) -> R:
        """Answer *question* from one consistent state; it only reads.

        In a signal handler that interrupts an act of this very thread, half of that act has been done.
        """
        with self._lock:
            return question(self._scheduler)
