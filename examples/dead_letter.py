"""Send failed records to a dead-letter topic and go on."""

from __future__ import annotations

import argparse

from kafka import KafkaConsumer

from kafka_parallel import ParallelConsumer


def handle(record):
    print(f"order of {int(record.value)} pieces")  # raises ValueError for anything that is not a number


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

    # The topic is <topic>-dlq unless topic= says otherwise. A record counts as finished once the broker has it.
    ParallelConsumer(consumer, plugins=["dlq"]).run(handle)


if __name__ == "__main__":
    main()
