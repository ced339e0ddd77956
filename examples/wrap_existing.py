"""Wrap the consumer you already have: three lines change."""

from __future__ import annotations

import argparse

from kafka import KafkaConsumer

from kafka_parallel import ParallelConsumer


def handle(record):
    print(f"{record.topic}[{record.partition}]@{record.offset} {record.key!r}: {record.value!r}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bootstrap-servers", default="localhost:9092")
    parser.add_argument("--topic", default="orders")
    parser.add_argument("--idle-ms", type=float, default=float("inf"), help="end after this long without a record")
    options = parser.parse_args()
    consumer = KafkaConsumer(
        options.topic,
        group_id="billing",
        bootstrap_servers=options.bootstrap_servers,
        auto_offset_reset="earliest",
        consumer_timeout_ms=options.idle_ms,
    )

    ParallelConsumer(consumer, workers=32, ordering="key").run(handle)


if __name__ == "__main__":
    main()
