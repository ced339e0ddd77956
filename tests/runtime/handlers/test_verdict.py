"""An attempt that ends after its assignment is no verdict, for every executor and every effect of a verdict.

The kind: a verdict about a record by an instance that does not own it any more. The record runs again elsewhere, so a
dead letter, a retry record, a count or a commit for it is wrong. And its opposite: an outcome that says "handled" of a
record whose handler did not return.
"""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import pytest

from kafka_parallel import Batch, ParallelConsumer, Retry, Skip, hookimpl
from kafka_parallel._core.batch_queue import BatchLimits
from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.outcome import NoVerdict
from kafka_parallel._core.task import Task
from kafka_parallel._runtime.handlers.batch_attempt import BatchAttempts, of_list
from kafka_parallel._runtime.handlers.deadlines import Deadlines, timed_out
from kafka_parallel._runtime.handlers.record_attempt import Attempts
from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler
from kafka_parallel.errors import WorkerDied
from kafka_parallel.executors import Report
from kafka_parallel.testing.fake import FakeProducer
from kafka_parallel.testing.fake.clock import ManualClock
from kafka_parallel_plugins.circuit_breaker import CircuitBreaker
from kafka_parallel_plugins.dlq import DeadLetterQueue
from kafka_parallel_plugins.retry_topics import RetryTopics
from tests.runtime.app import GROUP, PARTITION, TOPIC, App

PATIENCE = 180
LIMITS = BufferLimits(1000, 100_000, 1000)


class Leaving:
    """A plugin that notes the effects of a verdict, and lets a handler wait until its partition has left."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.has_left = threading.Event()
        self.asked = []
        self.handled = []

    @hookimpl
    def on_revoke(self, partitions):
        if PARTITION in partitions:
            self.has_left.set()

    @hookimpl
    def on_error(self, error):
        self.asked.append(error)

    @hookimpl
    def on_handled(self, handled):
        self.handled += [(raw.offset, error) for raw, *_, error in handled]

    def lose(self):
        self.cluster.group(GROUP).rebalance()


def outlive(leaving, ending):
    """A handler whose first call loses its partition, waits for that, and then ends as *ending* says."""
    calls = []

    def handle(record):
        calls.append(record)
        if len(calls) == 1:
            leaving.lose()
            assert leaving.has_left.wait(PATIENCE)
            ending()

    return handle, calls


def outlive_async(leaving, ending):
    """The same; it answers its cancellation as *ending* says, as clients of databases do."""
    calls = []

    async def handle(record):
        calls.append(record)
        if len(calls) == 1:
            leaving.lose()
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                ending()

    return handle, calls


def refuse():
    raise ConnectionError("the connection was closed")


KINDS = {
    "thread": (outlive, None, {}),
    "thread with a deadline": (outlive, None, {"handler_timeout_ms": 60_000}),
    "batch": (outlive, Batch(max_wait_ms=0), {}),
    "coroutine": (outlive_async, None, {}),
    "coroutine with a deadline": (outlive_async, None, {"handler_timeout_ms": 60_000}),
    "batch of coroutines": (outlive_async, Batch(max_wait_ms=0), {}),
}


@pytest.mark.parametrize("ending", [refuse, lambda: None], ids=["fails", "returns"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("habits", ["2.x", "3.x"])
def test_what_ends_after_its_partition_left_is_no_verdict(kind, ending, habits):
    app = App(1)
    app.cluster.create_topic("t-dlq")
    leaving = Leaving(app.cluster)
    breaker = CircuitBreaker(failure_ratio=0.0, window=1, probe_after_ms=3_600_000)
    dlq = DeadLetterQueue(make_producer=lambda **config: FakeProducer(cluster=app.cluster, **config))
    make, batch, options = KINDS[kind]
    handle, calls = make(leaving, ending)
    parallel = ParallelConsumer(
        app.consumer(habits=habits, consumer_timeout_ms=1500), plugins=[leaving, breaker, dlq], workers=2,
        revoke_timeout_ms=50, install_signal_handlers=False, **options,
    )  # fmt: skip

    parallel.run(handle, **({} if batch is None else {"batch": batch}))

    assert len(calls) == 2, "it ran again, under the next assignment"
    assert leaving.asked == []
    assert app.cluster.logs[type(PARTITION)("t-dlq", 0)].records == []
    assert leaving.handled == [(0, None)]
    assert parallel.statistics().failed == 0
    assert parallel.statistics().throttled.get("circuit-breaker") is None
    assert app.committed == 1


def test_nothing_is_written_to_a_retry_topic_after_the_partition_left():
    app = App(1)
    app.cluster.create_topic("t-g-retry-0")
    leaving = Leaving(app.cluster)
    handle, calls = outlive(leaving, refuse)
    retry = RetryTopics(delays_ms=[1], make_producer=lambda **config: FakeProducer(cluster=app.cluster, **config))

    app.parallel(
        consumer={"consumer_timeout_ms": 1500}, plugins=[leaving, retry], ordering="unordered", revoke_timeout_ms=50
    ).run(handle)

    assert len(calls) == 2
    assert all(log.records == [] for partition, log in app.cluster.logs.items() if "-retry-" in partition.topic)


@pytest.mark.parametrize("make", [outlive, outlive_async])
def test_what_ends_after_the_consumer_has_stopped_is_no_verdict(make):
    app = App(1)
    leaving, ends = Leaving(app.cluster), threading.Event()
    begun, left = threading.Event(), threading.Event()

    def stay():
        begun.set()
        assert left.wait(PATIENCE)
        ends.set()
        refuse()

    leaving.lose, leaving.has_left = begun.set, left
    handle, _ = make(leaving, stay)
    parallel = app.parallel(plugins=[leaving], stop_timeout_ms=50)
    parallel.start(handle)
    assert begun.wait(PATIENCE)
    parallel.stop()
    if make is outlive:
        assert parallel.join(PATIENCE * 1000)
    left.set()

    assert parallel.join(PATIENCE * 1000)
    assert ends.wait(PATIENCE)
    assert leaving.asked == []
    assert leaving.handled == []
    assert app.committed == 0


# The queue and its attempts, act by act


class Asked(list):
    """Stands for ``on_error``."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def __call__(self, record, error, context):
        self.append((record.offset, error, context.counts))
        return self.answer


def queue_of(handler, answer=Skip("no"), keys=("a",), deadlines=None, batches=None, clock=None):  # noqa: B008
    clock = clock or ManualClock()
    asked = Asked(answer)
    attempts = Attempts(handler, None, asked, None, clock, deadlines)
    together = None if batches is None else BatchAttempts(of_list(handler), None, attempts, deadlines)
    queue = LockedScheduler(
        LIMITS, commits=CommitRules(), attempt=attempts, clock=clock, batches=batches, attempt_batch=together
    )
    queue.assign(["p"], {}, {})
    queue.learn_positions({"p": 0})
    feed(queue, keys)
    return queue, asked


def feed(queue, keys):
    records = [SimpleNamespace(topic=TOPIC, partition=0, offset=offset) for offset in range(len(keys))]
    queue.feed({"p": [Task(record, record.offset, key, 1, 0.0) for record, key in zip(records, keys, strict=True)]}, {})


def committable(queue):
    return queue.ask(lambda scheduler: scheduler._assignments.get("p").ledger.committable)


def totals(queue):
    return queue.ask(lambda scheduler: scheduler.dispatch.totals)


def test_a_deadline_that_passes_after_the_partition_left_asks_nobody():
    clock = ManualClock()
    deadlines = Deadlines(1.0, clock)

    def handler(record):
        queue.end_assignments(["p"])
        clock.advance(2.0)
        [running] = deadlines.overdue(clock.monotonic())
        chunk = queue.detach_stuck(running)
        queue.expire(running, chunk, running.decide(timed_out(running.item, 1.0)))

    queue, asked = queue_of(handler, deadlines=deadlines, clock=clock)
    chunk = queue.next_chunk_nowait(1)

    assert not queue.run(chunk, next(iter(chunk))), "it came too late"
    assert asked == []


def run_one_and_get_it_again(queue):
    """Run a record whose partition leaves meanwhile; return its task of the next assignment."""
    chunk = queue.next_chunk_nowait(1)
    for task in chunk:
        queue.run(chunk, task)
    queue.finish(chunk)
    queue.assign(["p"], {}, {})
    queue.learn_positions({"p": 0})
    feed(queue, ["a"])
    [again] = [task for unit in queue.next_chunk_nowait(1)._units for task in unit.tasks]
    return again


def test_an_end_while_on_error_decides_lets_it_finish_and_changes_nothing():
    """A verdict of before the end goes on: its dead letter is written, and its attempt is remembered."""

    def decide(record, error, context):
        assert context.counts
        queue.end_assignments(["p"])
        assert not context.counts
        return Retry(0)

    queue, _ = queue_of(lambda record: refuse())
    queue._attempt._decide = decide
    again = run_one_and_get_it_again(queue)

    assert totals(queue).failed == 0
    assert again.attempt == 2


def test_a_handler_that_fails_after_the_end_was_no_attempt():
    def handler(record):
        queue.end_assignments(["p"])
        refuse()

    queue, asked = queue_of(handler, Retry(0))
    again = run_one_and_get_it_again(queue)

    assert asked == []
    assert again.attempt == 1


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), MemoryError()])
def test_what_ends_the_process_counts_although_the_partition_left(error):
    def handler(record):
        queue.end_assignments(["p"])
        raise error

    queue, asked = queue_of(handler)
    chunk = queue.next_chunk_nowait(1)
    for task in chunk:
        queue.run(chunk, task)
    queue.finish(chunk)

    assert asked == []
    assert queue.failure[1] is error


def test_a_batch_that_fails_counts_for_the_records_that_are_still_ours():
    def handler(records):
        queue.end_assignments(["q"])
        refuse()

    queue, asked = queue_of(handler, Skip("no"), keys=(), batches=BatchLimits(10, 1000, 0.0, "mixed"))
    queue.assign(["q"], {}, {})
    queue.learn_positions({"q": 0})
    record = SimpleNamespace(topic=TOPIC, partition=0, offset=0)
    other = SimpleNamespace(topic=TOPIC, partition=1, offset=7)
    queue.feed({"p": [Task(record, 0, None, 1, 0.0)], "q": [Task(other, 7, None, 1, 0.0)]}, {})
    chunk = queue.next_chunk_nowait(10)
    for batch in chunk:
        queue.run(chunk, batch)
    queue.finish(chunk)

    assert [offset for offset, *_ in asked] == [0]
    assert committable(queue) == 1


# Outcomes that finish nothing: a record of a live assignment without a verdict runs again


@pytest.mark.parametrize("keys", [("a", "a", "b"), (None, None, None)])
def test_a_record_whose_process_was_killed_although_it_is_wanted_runs_again_and_has_not_failed(keys):
    """The kind: a process is killed for one record when it has gone on to another."""
    queue, asked = queue_of(lambda record: None, keys=keys)
    ran = []

    def exchange(records, wants):
        ran.append([record.offset for unit in records for record in unit])
        if len(ran) == 1:
            yield [Report(0, 0, WorkerDied("killed", -9, is_unwanted=True))]
            yield [Report(place, is_unbegun=True) for place in range(1, len(records))]
            return
        for place, unit in enumerate(records):
            yield [Report(place, len(unit))]

    while (chunk := queue.next_chunk_nowait(10)) is not None:
        queue.run_remote(chunk, exchange)

    assert asked == []
    assert [offset for offset in ran[0] if offset not in {o for call in ran[1:] for o in call}] == []
    assert committable(queue) == 3
    assert totals(queue).processed == 3
    assert totals(queue).failed == totals(queue).retried == 0


def test_what_was_not_run_because_the_end_came_is_not_finished():
    """The kind: a worker that finds the consumer closed says of its record that it needs no more work."""
    queue, _ = queue_of(lambda record: None, keys=("a", "b"))
    seen = []
    chunk = queue.next_chunk_nowait(10)
    for task in chunk:
        queue.close()
        queue.run(chunk, task)
        seen.append(task.assignment.ledger.committable)
    queue.finish(chunk)

    assert seen == [0], "the other one had not begun, and was taken back"
    assert totals(queue).processed == 0
    assert queue.snapshot().offsets == {}


def test_no_verdict_keeps_the_order_of_a_key():
    queue, _ = queue_of(lambda record: None, keys=("a", "a", "a"))
    chunk = queue.next_chunk_nowait(10)
    first = next(iter(chunk))
    chunk.settle(first, NoVerdict)
    queue.finish(chunk)

    ran = []
    while (chunk := queue.next_chunk_nowait(10)) is not None:
        for task in chunk:
            ran.append((task.offset, task.attempt))
            queue.run(chunk, task)
        queue.finish(chunk)

    assert ran == [(0, 1), (1, 1), (2, 1)]
    assert committable(queue) == 3
