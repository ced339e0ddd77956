"""Handlers that take long are said, then given up; partitions that stand still are said too."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kafka import TopicPartition

from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.outcome import Failure
from kafka_parallel._core.task import Task
from kafka_parallel._runtime.clock import SystemClock
from kafka_parallel._runtime.handlers.deadlines import Deadlines
from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler
from kafka_parallel._runtime.loop.stuck_handlers import StuckHandlers

P = TopicPartition("t", 0)


class Clock(SystemClock):
    """A clock that the test moves, and threads that have ended when they were begun."""

    now = 0.0

    def monotonic(self):
        return self.now

    @staticmethod
    def start_thread(act, name):
        act()


class World:
    """A queue with records, a worker at the first of them, and who looks after it.

    :param executor: what the executor can do besides running records.
    """

    def __init__(self, stuck_after=None, timeout=None, **executor):
        self.clock = Clock()
        self.queue = LockedScheduler(
            BufferLimits(100, 1000, 100), commits=CommitRules(), attempt=print, clock=self.clock
        )
        self.queue.assign([P], {}, {})
        self.queue.learn_positions({P: 0})
        record = SimpleNamespace(topic="t", partition=0, key=None)
        self.queue.feed({P: [Task(record, offset, "a", 1, 0.0) for offset in range(2)]}, {})
        self.deadlines = None if timeout is None else Deadlines(timeout, self.clock)
        self.watch = StuckHandlers(self.queue, SimpleNamespace(**executor), self.clock, self.deadlines, stuck_after)
        self.chunk = self.queue.next_chunk(1)
        self.task = next(iter(self.chunk))
        self.decided = []

    def enter_handler(self):
        """Let the handler begin under its deadline."""
        self.deadlines.watched(self.task, [self.task], self._decide).__enter__()

    def _decide(self, error):
        self.decided.append(error)
        return {self.task: Failure(error, "no plugin")}

    def look(self, now):
        self.clock.now = now
        self.watch.check()


def test_a_record_that_takes_long_is_said_with_where_its_handler_is(caplog):
    world = World(stuck_after=10.0, stack_of=lambda item: "line 7\n")
    world.look(0.0)
    world.look(9.0)
    assert "has been running" not in caplog.text

    world.look(11.0)

    assert "record t[0]@0 has been running for 11.0 s" in caplog.text
    assert "it is at\nline 7" in caplog.text


def test_without_a_time_nothing_is_said(caplog):
    world = World()
    for now in range(0, 1000, 100):
        world.look(float(now))

    assert caplog.text == ""


def test_a_partition_that_stands_is_said_with_what_it_waits_for(caplog):
    world = World(stuck_after=10.0)
    for now in (0.0, 5.0, 11.0):
        world.look(now)

    assert "t[0] stands at offset 0 for" in caplog.text
    assert "its handler runs (attempt 1)" in caplog.text


def test_a_handler_within_its_time_goes_on():
    world = World(timeout=5.0)
    world.enter_handler()

    world.look(4.9)

    assert world.decided == []
    assert world.watch.at_work() == ["record t[0]@0"]


def test_at_its_deadline_a_record_fails_without_its_handler(caplog):
    world = World(timeout=5.0, replace_worker=lambda: True)
    world.enter_handler()

    world.look(5.0)

    assert "took longer than handler_timeout_ms=5000" in str(world.decided[0])
    assert world.queue.failure[0] is world.task
    assert "its thread cannot be stopped and was replaced" in caplog.text


@pytest.mark.parametrize("executor", [{}, {"replace_worker": lambda: False}])
def test_where_no_worker_can_be_had_in_its_place_that_is_said(executor, caplog):
    world = World(timeout=5.0, **executor)
    world.enter_handler()

    world.look(5.0)

    assert "was not replaced, so one worker less is left" in caplog.text


def test_it_is_decided_once():
    world = World(timeout=5.0)
    world.enter_handler()

    world.look(5.0)
    world.look(6.0)

    assert len(world.decided) == 1


def test_the_longest_time_without_a_look_is_known():
    world = World()
    for now in (0.0, 7.0, 7.1):
        world.look(now)

    assert world.watch.longest_gap(within=10.0) == 7.0
    assert world.watch.longest_gap(within=0.05) == 0.0
