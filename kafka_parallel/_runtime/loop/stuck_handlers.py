"""The treatment of handlers that take too long: reported after ``stuck_after_ms``, failed after ``handler_timeout_ms``.

Partitions whose commit point stands for ``stuck_after_ms`` are told of in the same look, whatever they wait for.

The loop looks several times a second, so neither is exact. Plugins that may block decide about a failure; that happens
on a thread of its own, as every decision does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from kafka_parallel._core.gaps import Gaps
from kafka_parallel._core.progress import at_work, handler_of
from kafka_parallel._core.unchanged import Unchanged
from kafka_parallel._logs import area_logger
from kafka_parallel._runtime.handlers.deadlines import described, timed_out
from kafka_parallel._runtime.handlers.log_fields import fields_of
from kafka_parallel._runtime.handlers.whereabouts import Whereabouts
from kafka_parallel._runtime.loop import reports
from kafka_parallel._runtime.loop.sentences import Where

if TYPE_CHECKING:
    from kafka import TopicPartition

    from kafka_parallel._core.scheduler import Scheduler
    from kafka_parallel._core.standstill import Standing
    from kafka_parallel._core.task import Task
    from kafka_parallel._core.task_batch import TaskBatch
    from kafka_parallel._runtime.clock import Clock
    from kafka_parallel._runtime.handlers.deadlines import Deadlines, Running
    from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler
    from kafka_parallel.executors import Executor

log = area_logger("handlers")

# Seconds between two reports of a partition that stands still.
AGAIN_AFTER = 60.0
# The consequence of a late handler whose outcome does not count any more.
LEFT = "its partition has left meanwhile, so that is no failure, and it is processed again"


class StuckHandlers:
    """Looks after the current tasks of the workers.

    :param executor: asked for stacks (``stack_of``) and for another worker (``replace_worker``), if it has these.
    :param deadlines: the handlers that run under a deadline; ``None`` if there is none, or the executor sees to it.
    :param stuck_after: seconds after which a record is reported to take long; ``None`` = never.
    :param group: the consumer group, for log lines.
    """

    def __init__(
        self,
        scheduler: LockedScheduler[Any],
        executor: Executor,
        clock: Clock,
        deadlines: Deadlines | None,
        stuck_after: float | None,
        group: str | None = None,
    ) -> None:
        self._group = group
        self._scheduler = scheduler
        self._executor = executor
        self._whereabouts = Whereabouts(executor)
        self._clock = clock
        self._deadlines = deadlines
        self._long_running: Unchanged[Task | TaskBatch, None] | None = None
        self._standstills: Unchanged[TopicPartition, int] | None = None
        if stuck_after is not None:
            self._long_running, self._standstills = Unchanged(stuck_after), Unchanged(stuck_after, AGAIN_AFTER)
        self._gaps = Gaps()

    def check(self) -> None:
        """Look once; returns at once."""
        now = self._clock.monotonic()
        self._gaps.note_round(now)
        self._look_at_handlers(now)
        if self._standstills is not None and self._standstills.is_due(now):
            self._look_at_partitions(self._standstills, now)

    def longest_gap(self, within: float) -> float:
        """The longest time that the loop did not come round in the last *within* seconds, in seconds."""
        now = self._clock.monotonic()
        return self._gaps.longest(now - within, now)

    def at_work(self) -> list[str]:
        """Name the records whose handlers run."""
        return [described(item) for item in self._scheduler.ask(lambda scheduler: scheduler.dispatch.at_work())]

    def standing_since(self) -> dict[TopicPartition, float]:
        """Since when each partition is known to stand, in seconds of the monotonic clock; any thread may ask."""
        return {} if self._standstills is None else self._standstills.since()

    def _look_at_partitions(self, standstills: Unchanged[TopicPartition, int], now: float) -> None:
        offsets = self._scheduler.ask(lambda scheduler: scheduler.unfinished())
        for partition, seconds in standstills.look(offsets, now).items():
            standing = self._scheduler.ask(partial(self._standing, partition, now))
            if standing is not None:
                where = self._where(partition, standing, now)
                reports.stands_still(partition, standing, seconds, now, where, self._group)

    def _where(self, partition: TopicPartition, standing: Standing, now: float) -> Where:
        """Find the handler of the record at which a partition stands; its key may be personal data."""
        if standing.reason != "handler":
            return Where()
        found = handler_of(
            partition, standing.offset, self._scheduler.ask(lambda scheduler: at_work(scheduler.dispatch))
        )
        return Where(None if found is None else self._whereabouts.running_record(*found, now))

    @staticmethod
    def _standing(partition: TopicPartition, now: float, scheduler: Scheduler[TopicPartition]) -> Standing | None:
        return scheduler.standing(partition, now)

    def _look_at_handlers(self, now: float) -> None:
        if self._deadlines is not None:
            for running in self._deadlines.overdue(now):
                self._give_up(self._deadlines, running)
        if self._long_running is not None and self._long_running.is_due(now):
            at_work = self._scheduler.ask(lambda scheduler: scheduler.dispatch.at_work())
            for item, seconds in self._long_running.look(dict.fromkeys(at_work), now).items():
                log.warning("%s has been running for %.1f s; nothing at or above it can be committed until it ends%s",
                            described(item), seconds, self._stack_of(item),
                            extra=fields_of(item, self._group))  # fmt: skip

    # see docs/decisions/0030-deadline-takes-the-chunk.md
    def _give_up(self, deadlines: Deadlines, running: Running) -> None:
        """Let the records of an overdue handler fail without it, and replace its worker."""
        stack = self._stack_of(running.item)
        chunk = self._scheduler.detach_stuck(running)
        if chunk is None:
            return
        error = timed_out(running.item, deadlines.timeout)
        worker = "was replaced" if self._replace_worker() else "was not replaced, so one worker less is left"
        means = "it failed" if any(task.is_wanted for task in running.item.tasks) else LEFT
        log.error("%s: %s; its thread cannot be stopped and %s, and records of its key wait until it returns%s",
                  error, means, worker, stack, extra=fields_of(running.item, self._group))  # fmt: skip
        self._clock.start_thread(
            lambda: self._scheduler.expire(running, chunk, running.decide(error)), "kafka-parallel-deadline"
        )

    def _replace_worker(self) -> bool:
        replace: Callable[[], bool] | None = getattr(self._executor, "replace_worker", None)
        return replace is not None and replace()

    def _stack_of(self, item: Task | TaskBatch) -> str:
        """The stack of *item*, as text to be put behind a sentence."""
        found = self._whereabouts.stack_of(item)
        return f"; it is at\n{found.rstrip()}" if found else ""
