"""Real threads on one locked scheduler keep order and lose nothing, switched as often as the interpreter can."""

from __future__ import annotations

import random
import sys
import threading

import pytest

from kafka_parallel._core.batch_queue import BatchLimits
from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.task import Task
from kafka_parallel._runtime.clock import SystemClock
from kafka_parallel._runtime.handlers.batch_attempt import BatchAttempts, of_list
from kafka_parallel._runtime.handlers.record_attempt import Attempts
from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler
from kafka_parallel.values import Retry

RECORDS, KEYS, WORKERS = 40_000, 17, 6


class Record:
    def __init__(self, offset, key):
        self.offset, self.key = offset, key


@pytest.fixture(autouse=True)
def _switch_often():
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Handler:
    """Notes its handled records; some fail at first, some give up their turn in the middle."""

    def __init__(self, seed):
        self._chance = random.Random(seed)
        self._failed: set[int] = set()
        self.handled: list[tuple[int, int | None]] = []
        self.busy: dict[int, int] = {}
        self.overlaps: list[tuple[int, int | None]] = []

    def __call__(self, record):
        if record.key is not None and self.busy.setdefault(record.key, record.offset) != record.offset:
            self.overlaps.append((record.offset, record.key))
        try:
            if record.offset % 50 == 7 and record.offset not in self._failed:
                self._failed.add(record.offset)
                raise ValueError
            if record.offset % 30 == 3:
                threading.Event().wait(0.0001)
            self.handled.append((record.offset, record.key))
        finally:
            self.busy.pop(record.key, None)

    def together(self, records):
        for record in records:
            self.handled.append((record.offset, record.key))


def records(seed):
    chance = random.Random(seed)
    keys = [chance.choice([None, *range(KEYS)]) for _ in range(RECORDS)]
    return [Record(offset, key) for offset, key in enumerate(keys)]


def run(queue, fed, chunk_of=64):
    """Feed, take, run, hand over late, and collect from outside, all at once."""
    errors = []

    def work(seed):
        chance = random.Random(seed)
        try:
            done = None
            while (chunk := queue.next_chunk(chance.randint(1, chunk_of), done)) is not None:
                for task in chunk:
                    queue.run(chunk, task)
                done = chunk
                if chance.random() < 0.5:
                    queue.finish(chunk)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(WORKERS)]
    for thread in threads:
        thread.start()
    queue.assign(["p"], {}, {})
    queue.learn_positions({"p": 0})
    for first in range(0, RECORDS, 200):
        batch = [Task(record, record.offset, record.key, 1, 0.0) for record in fed[first : first + 200]]
        queue.feed({"p": batch}, {})
        queue.decide_pauses(["p"])
    while not queue.wait_until(lambda scheduler: scheduler.backpressure.is_idle, 0.002) and not errors:
        queue.decide_pauses([])
    offsets = queue.snapshot().offsets
    queue.close()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert offsets["p"][0] == RECORDS
    assert queue.ask(lambda scheduler: scheduler.dispatch.in_flight) == 0


def queue_for(handler, batches=None):
    clock = SystemClock()
    attempt = Attempts(handler, None, lambda **_: Retry(0), None, clock)
    together = None if batches is None else BatchAttempts(of_list(handler.together), None, attempt)
    limits = BufferLimits(RECORDS * 2, 1 << 30, RECORDS * 2)
    return LockedScheduler(
        limits, commits=CommitRules(), attempt=attempt, clock=clock, batches=batches, attempt_batch=together
    )


def check(handler):
    assert sorted(offset for offset, _ in handler.handled) == list(range(RECORDS))
    for key in range(KEYS):
        of_key = [offset for offset, found in handler.handled if found == key]
        assert of_key == sorted(of_key)


@pytest.mark.parametrize("seed", range(3))
def test_records_one_by_one(seed):
    handler = Handler(seed)

    run(queue_for(handler), records(seed))

    check(handler)
    assert handler.overlaps == []


@pytest.mark.parametrize("scope", ["key", "partition", "mixed"])
def test_records_in_batches(scope):
    handler = Handler(0)

    run(queue_for(handler, BatchLimits(20, 1000, 0.001, scope)), records(0))

    check(handler)
