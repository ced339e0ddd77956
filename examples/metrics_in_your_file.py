"""A plugin is any object: this one counts records and the time they take, in the file that uses it."""

from __future__ import annotations

import argparse
import threading
import time
from collections import Counter

from kafka import KafkaConsumer

from kafka_parallel import ParallelConsumer, hookimpl


class SlowestByTopic:
    """Counts records and remembers the slowest, per topic. Hooks run on many workers at once, so it has a lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.records: Counter[str] = Counter()
        self.slowest: dict[str, float] = {}

    @hookimpl(wrapper=True)
    def on_record(self, record, context):
        started = time.monotonic()
        try:
            return (yield)
        finally:
            seconds = time.monotonic() - started
            with self._lock:
                self.records[record.topic] += 1
                self.slowest[record.topic] = max(seconds, self.slowest.get(record.topic, 0.0))

    @hookimpl
    def on_stop(self, settings, error):
        for topic, count in self.records.items():
            print(f"{topic}: {count} records, the slowest took {self.slowest[topic] * 1000:.1f} ms")


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

    ParallelConsumer(consumer, plugins=[SlowestByTopic()]).run(lambda record: time.sleep(0.001))


if __name__ == "__main__":
    main()
