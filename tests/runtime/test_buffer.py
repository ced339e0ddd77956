"""Records in memory stay within their limits, whatever comes."""

from __future__ import annotations

from kafka import TopicPartition

from kafka_parallel import ParallelConsumer
from tests.runtime.app import GROUP, TOPIC, App

LIMIT, LARGE = 3000, 1000


def test_records_larger_than_any_before_do_not_break_the_limit_of_bytes():
    app, held = App(records=50), []
    app.cluster.add_partitions(TOPIC, 2)
    for number in range(50):
        for partition in (0, 1):
            app.cluster.append(TOPIC, b"x" * LARGE, b"%d" % number, partition=partition)

    def handle(record):
        held.append(parallel.statistics().buffered_bytes)
        app.handled.append((record.partition, record.offset))

    parallel = ParallelConsumer(app.consumer(), workers=2, max_buffered_bytes=LIMIT, install_signal_handlers=False)
    parallel.run(handle)

    assert sorted(app.handled) == [(0, offset) for offset in range(100)] + [(1, offset) for offset in range(50)]
    assert LIMIT < max(held) <= LIMIT + LARGE + len("49")
    assert (app.committed, app.cluster.committed(GROUP, TopicPartition(TOPIC, 1)).offset) == (100, 50)
