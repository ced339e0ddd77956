"""The two programs that are compared: a plain poll loop, and the same with three lines changed."""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from typing import Any

from kafka import KafkaConsumer

from examples.demo.orders import SLOWEST_ANSWER
from kafka_parallel import ParallelConsumer
from kafka_parallel.testing.history import History

WORKERS = 32


def call_the_other_service(record: Any) -> None:
    """Wait like a network call does; the same record always takes the same time."""
    time.sleep(random.Random(record.offset).random() * SLOWEST_ANSWER)


def consumer_of(bootstrap: str, topic: str, group: str) -> KafkaConsumer:
    """A usual consumer."""
    return KafkaConsumer(
        topic,
        group_id=group,
        bootstrap_servers=bootstrap,
        auto_offset_reset="earliest",
        auto_commit_interval_ms=500,
        consumer_timeout_ms=10_000,  # longer than Kafka takes to give up a killed member
        session_timeout_ms=6_000,
    )


def poll_loop(consumer: KafkaConsumer, handle: Callable[[Any], Any], count: int) -> None:
    """Handle *count* records one by one, the way the kafka-python documentation does it."""
    left = count
    while left > 0:
        for records in consumer.poll(timeout_ms=1000, max_records=min(left, 500)).values():
            for record in records:
                handle(record)
                left -= 1
        consumer.commit()
    consumer.close(autocommit=False)


def main() -> None:
    """Run the parallel consumer as a program of its own, so that it can be killed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    for name in ("bootstrap", "topic", "group", "history"):
        parser.add_argument(name)
    options = parser.parse_args()
    handle = History(options.history).recording(call_the_other_service)

    consumer = consumer_of(options.bootstrap, options.topic, options.group)
    # The busiest customer falls behind the others, who may run this far ahead: a kill repeats at most that many.
    ParallelConsumer(consumer, workers=WORKERS, ordering="key", max_uncommitted=1_000).run(handle)


if __name__ == "__main__":
    main()
