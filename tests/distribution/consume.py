"""A user's program: print the key and the value of each record. Run by an interpreter that has the wheel alone."""

from __future__ import annotations

import os
import sys

from kafka import KafkaConsumer

from kafka_parallel import ParallelConsumer


def handle(record):
    os.write(1, b"%b %b\n" % (record.key, record.value))


async def handle_async(record):
    handle(record)


def main(servers, topic, executor, count):
    consumer = KafkaConsumer(
        topic,
        group_id=topic,
        bootstrap_servers=servers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=5000,
    )
    parallel = ParallelConsumer(consumer, workers=3, executor=executor, plugins=["retry", "timing-metrics"])
    parallel.run(handle_async if executor == "asyncio" else handle)
    assert parallel.statistics().processed == int(count)


if __name__ == "__main__":
    main(*sys.argv[1:])
