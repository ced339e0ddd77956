"""The numbers of timing-metrics are those of the run, for sync handlers and failures alike."""

from __future__ import annotations

import pytest

from kafka_parallel import Skip, hookimpl
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
