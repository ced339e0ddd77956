"""The numbers of timing-metrics are those of the run, for sync handlers and failures alike."""

from __future__ import annotations

import asyncio
import time

import pytest

from kafka_parallel import Batch, Skip, hookimpl
from kafka_parallel_plugins.timing_metrics import TimingMetrics
from tests.integration.kafka_app import consume, produce
from tests.integration.until_committed import UntilCommitted

pytestmark = pytest.mark.broker


class SkipEverything:
    @hookimpl
    def on_error(self):
        return Skip("not needed")


def test_every_record_is_in_the_numbers_once(kafka_broker, topic):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(3)
    produce(bootstrap, name, 300, keys=[None, b"a", b"b"])
    metrics = TimingMetrics()

    def refuse_every_tenth(record):
        if record.offset % 10 == 0:
            raise ValueError("no amount")

    consumer = UntilCommitted(consume(bootstrap, name, "g-" + name), plugins=[SkipEverything(), metrics])
    consumer.run(refuse_every_tenth)

    snapshot, statistics = metrics.snapshot(), consumer.statistics()
    timings = snapshot.topics[name]
    assert timings.handled + timings.failed == 300
    assert (timings.handled, timings.failed) == (statistics.processed, statistics.failed)
    assert timings.skipped == statistics.skipped == timings.failed > 0
    assert timings.queue_ms.count == timings.handler_ms.count == 300
    assert timings.end_to_end_ms.count == timings.handled
    assert 0 < timings.end_to_end_ms.p50 <= timings.end_to_end_ms.max
    assert (snapshot.commits.count, snapshot.commits.failures) == (statistics.commits, statistics.commit_failures)


def handle(record):
    time.sleep(0.05 if record.key == b"slow" else 0.001)


async def handle_async(record):
    await asyncio.sleep(0.05 if record.key == b"slow" else 0.001)


def handle_batch(records):
    time.sleep(sum(0.05 if record.key == b"slow" else 0.001 for record in records))


@pytest.mark.parametrize(
    ("handler", "batch"),
    [(handle, None), (handle_async, None), (handle_batch, Batch(max_records=10, of="key"))],
    ids=["threads", "async", "batch"],
)
def test_the_slow_key_is_found(kafka_broker, topic, handler, batch):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(3)
    produced = produce(bootstrap, name, 200, keys=[b"slow", b"a", b"b", None])
    metrics = TimingMetrics(keys=True)

    UntilCommitted(consume(bootstrap, name, "g-" + name), plugins=[metrics]).run(handler, batch)

    last_minute = metrics.snapshot().last_minute
    (partition,) = {where for where, offsets in produced.keys.items() if b"slow" in offsets.values()}
    slowest = last_minute.slowest_keys[0]
    assert (slowest.topic, slowest.partition, slowest.key) == (name, partition, b"slow")
    assert slowest.share == max(taker.share for taker in last_minute.slowest_keys)
    assert last_minute.slowest_partitions[0].partition == partition
    assert {taker.key for taker in last_minute.slowest_keys} == {b"slow", b"a", b"b"}
