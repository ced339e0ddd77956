"""Every interleaving that makes a difference of a few threads on the locked scheduler, by partial order reduction.

Run with ``make explore``: frontrun puts its own locks in the place of the real ones, so these tests skip themselves in
any other run. The attempts write their events down, outside of the queue. Waiting on a condition is beyond frontrun 0.7
(the smallest example times out); lost wake-ups are the simulation's to find.
"""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext
from types import SimpleNamespace

import frontrun
import pytest

from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.chunk import TaskChunk
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.task import Task, Unit
from kafka_parallel._runtime.handlers.handled_log import HandledLog
from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler
from kafka_parallel.executors import Report
from kafka_parallel.values import Retry

LIMITS = BufferLimits(1000, 100_000, 1000)


class ThreadClock:
    """The machine's clock; its locks are looked up late, so that they are the explorer's."""

    monotonic = staticmethod(time.monotonic)

    @staticmethod
    def lock():
        return threading.Lock()

    @staticmethod
    def condition(lock):
        return threading.Condition(lock)


class Attempts:
    """Runs each record by *run*, in whichever thread it is."""

    def __init__(self, run):
        self._run = run

    def __call__(self, task):
        return self._run(task)

    def sent(self, task):
        return task.record


class Case:
    """A queue with some records in it, and the acts of its workers."""

    def __init__(self, *records):
        self.log = []
        self.queue = LockedScheduler(LIMITS, commits=CommitRules(), attempt=Attempts(self.attempt), clock=ThreadClock())
        self.queue.assign(["p"], {}, {})
        self.queue.learn_positions({"p": 0})
        self.feed(*records)

    def feed(self, *records):
        tasks = [Task(offset, offset, key, 1, 0.0) for offset, key in records]
        self.queue.feed({"p": tasks}, {})

    def attempt(self, task):
        self.log.append(("begin", task.offset))
        self.log.append(("end", task.offset))

    def take(self, limit):
        """Take available tasks, from another worker's chunk too, however young that is; do not wait."""
        with self.queue._lock:
            return self.queue._scheduler.dispatch.next_chunk(limit, float("inf"))

    def work(self, limit=2):
        """Take available tasks once, run and finish them."""
        chunk = self.take(limit)
        if chunk is not None:
            for task in chunk:
                self.queue.run(chunk, task)
            self.queue.finish(chunk)

    def revoke(self):
        self.queue.drain(["p"], float("inf"))
        self.ended = self.queue.end_assignments(["p"])["p"].resume_at

    def committable(self):
        return self.queue.ask(lambda scheduler: scheduler._assignments.get("p").ledger.committable)

    @property
    def begun(self):
        return [offset for what, offset in self.log if what == "begin"]


def explore(case, workers, invariant):
    return frontrun.explore(
        setup=case,
        workers=workers,
        invariant=invariant,
        max_executions=400,
        total_timeout=20,
        detect_io=False,
        reproduce_on_failure=1,
        trace_packages=["kafka_parallel.*"],
    )


def one_at_a_time_in_order(case):
    pairs = list(zip(case.log[::2], case.log[1::2], strict=True))
    return case.begun == sorted(case.begun) and all(begin[1] == end[1] for begin, end in pairs)


def test_two_workers_run_a_key_one_at_a_time_in_order():
    explore(lambda: Case((0, "a"), (1, "a")), [lambda case: case.work(1)] * 2, one_at_a_time_in_order).assert_holds()


def test_a_stolen_record_runs_once():
    def setup():
        case = Case((0, None), (1, None))
        case.taken = case.queue.next_chunk_nowait(2)
        return case

    def owner(case):
        for task in case.taken:
            case.queue.run(case.taken, task)
        case.queue.finish(case.taken)

    found = explore(setup, [owner, lambda case: case.work(2)], lambda case: sorted(case.begun) == [0, 1])

    found.assert_holds()


def test_a_record_that_is_given_back_runs_once():
    def setup():
        case = Case((0, None), (1, None))
        case.taken = case.queue.next_chunk_nowait(2)
        return case

    def exchange_for(case):
        """Run the first unit that is sent, and give back the rest."""

        def exchange(records, wants):
            case.attempt(SimpleNamespace(offset=records[0][0]))
            yield [Report(0, 1), *(Report(place, is_unbegun=True) for place in range(1, len(records)))]

        return exchange

    found = explore(
        setup,
        [lambda case: case.queue.run_remote(case.taken, exchange_for(case)), lambda case: case.work(2)],
        lambda case: sorted(case.begun) == [0, 1],
    )

    found.assert_holds()


def test_what_a_revoke_hands_on_is_finished_below_and_nothing_above_is_lost():
    def holds(case):
        done = {offset for what, offset in case.log if what == "end"}
        return all(offset in done for offset in range(case.ended or 0))

    explore(
        lambda: Case((0, None), (1, None)), [lambda case: case.work(1), lambda case: case.revoke()], holds
    ).assert_holds()


def test_a_commit_is_never_ahead_of_the_work():
    def commit(case):
        snapshot = case.queue.snapshot()
        case.seen = (dict(snapshot.offsets), [offset for what, offset in case.log if what == "end"])
        case.queue.confirm_commit(snapshot)

    def holds(case):
        offsets, done = case.seen
        return all(offset in done for offset in range(offsets["p"][0] if offsets else 0))

    explore(lambda: Case((0, None), (1, None)), [lambda case: case.work(2), commit], holds).assert_holds()


class Failing(Case):
    """The first attempt at the first record fails, and two records of its key stand behind it."""

    def __init__(self):
        super().__init__((0, "a"), (1, "a"), (2, "a"))

    def attempt(self, task):
        if task.offset == 0 and task.attempt == 1:
            return Retry(0)
        self.log.append(("end", task.offset))
        return None

    def collect_and_work(self):
        self.queue.decide_pauses([])
        self.work(2)

    def in_order(self):
        """Run the rest and look at everything."""
        for _ in range(4):
            self.work(2)
        return [offset for _, offset in self.log] == [0, 1, 2] and self.committable() == 3


def test_what_is_settled_may_be_collected_meanwhile():
    explore(Failing, [lambda case: case.work(2), Failing.collect_and_work], Failing.in_order).assert_holds()


class Telling(Case):
    """Notes how its attempts ended, for the thread that tells the plugins of them."""

    def __init__(self):
        super().__init__((0, None), (1, None), (2, None))
        self.told = []
        self.handled_log = self.queue._handled_log = HandledLog(self.told.extend, ThreadClock())

    def attempt(self, task):
        self.handled_log.add(task.offset)

    def each_once(self):
        return sorted(self.told) == [0, 1, 2]


def test_what_two_workers_tell_at_once_is_told_once():
    explore(Telling, [lambda case: case.work(2), lambda case: case.work(2)], Telling.each_once).assert_holds()


# It can fail


class Torn(Case):
    """Looks for runnable records without the lock, and does not hold its key."""

    def take(self, limit):
        lane = self.queue._scheduler._backlog.ready._entries.peek()
        return None if lane is None else TaskChunk([Unit(None, list(lane.waiting)[:limit])])


class TellingTwice(Telling):
    """Lets two threads tell at once of the attempts they copied."""

    def __init__(self):
        super().__init__()
        self.handled_log._taking = nullcontext()


def test_what_is_told_twice_is_found_out():
    found = explore(TellingTwice, [lambda case: case.work(2), lambda case: case.work(2)], Telling.each_once)

    with pytest.raises(AssertionError):
        found.assert_holds()


def test_a_queue_without_a_lock_is_found_out():
    found = explore(
        lambda: Torn((0, "a"), (1, "a")),
        [lambda case: case.work(1)] * 2,
        lambda case: len(set(case.begun)) == len(case.begun),
    )

    with pytest.raises(AssertionError):
        found.assert_holds()
