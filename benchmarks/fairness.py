"""How long does a quiet topic's record wait beside a topic with a backlog: ``python -m benchmarks.fairness``.

100,000 records of one topic are waiting, and each handler takes 20 ms on 16 workers. Now and then a record is written
to another topic. Measured are the time it waited in the queue and the time from its production to its handler, for
several sizes of the buffer. The second one holds the client's share: a fetch that was sent without the
partition, because one of its records was being handed out, may wait ``fetch_max_wait_ms`` at the broker.
"""

from __future__ import annotations

import itertools
import sys
import threading
import time
from statistics import median
from typing import Any, NamedTuple

from kafka import KafkaConsumer, KafkaProducer

from kafka_parallel import ParallelConsumer, hookimpl
from kafka_parallel.testing.broker import Broker, start_broker

WAITING = 100_000
STEADY = 1_000
HANDLER = 0.02
QUIET_RECORDS = 40
BETWEEN = 0.15
BUFFERS = (16, 200, None)


def main() -> int:
    """Print the median and the longest wait for each size of the buffer."""
    with start_broker() as broker:
        for buffer in BUFFERS:
            show(buffer, measure(broker, buffer))
    return 0


class Wait(NamedTuple):
    """How long one quiet record waited for its handler, in seconds: after ``poll()``, and after its production."""

    queued: float
    late: float


def show(buffer: int | None, waits: list[Wait]) -> None:
    """Print one line, in milliseconds."""
    name = "default" if buffer is None else str(buffer)
    sys.stdout.write(f"max_buffered_records={name:<8}")
    for what, found in (("in the queue", [w.queued for w in waits]), ("since production", [w.late for w in waits])):
        sys.stdout.write(f"  {what}: p50 {median(found) * 1e3:5.1f}, longest {max(found) * 1e3:5.1f} ms")
    sys.stdout.write(f"  (2 handlers + 100 ms: {2 * HANDLER * 1e3 + 100:.0f} ms)\n")
    sys.stdout.flush()


def measure(broker: Broker, buffer: int | None) -> list[Wait]:
    """How long each quiet record waited."""
    busy, quiet = (f"fairness-{name}-{time.time_ns()}" for name in ("busy", "quiet"))
    for topic in (busy, quiet):
        broker.create_topic(topic, 4)
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers, acks=1, linger_ms=5)
    for number in range(WAITING):
        producer.send(busy, b"busy", b"%d" % (number % 1000))
    producer.flush()
    consumer = KafkaConsumer(
        busy, quiet, group_id=busy, bootstrap_servers=broker.bootstrap_servers, auto_offset_reset="earliest"
    )
    waits = Waits(quiet)
    parallel = ParallelConsumer(consumer, max_buffered_records=buffer, plugins=[waits], install_signal_handlers=False)
    parallel.start(waits)
    waits.is_busy.wait(60)
    produce_quietly(broker, quiet)
    waits.have_ended.wait(60)
    parallel.stop()
    parallel.join()
    producer.close()
    return waits.found


def produce_quietly(broker: Broker, topic: str) -> None:
    """Write a record now and then."""
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers, acks=1)
    producer.partitions_for(topic)  # looked up here, so that the first record's wait is not the producer's
    for number in range(QUIET_RECORDS):
        producer.send(topic, repr(time.time()).encode(), b"%d" % number)
        producer.flush()
        time.sleep(BETWEEN)
    producer.close()


class Waits:
    """A handler that takes 20 ms, and a plugin that notes how long the records of *quiet* waited for it."""

    def __init__(self, quiet: str) -> None:
        self._quiet = quiet
        self._busy = itertools.count()
        self.found: list[Wait] = []
        self.is_busy = threading.Event()
        self.have_ended = threading.Event()

    def __call__(self, _: Any) -> None:
        """Handle one record."""
        if next(self._busy) > STEADY:
            self.is_busy.set()
        time.sleep(HANDLER)

    @hookimpl
    def on_handled(self, handled: Any) -> None:
        """Note the waits; these are times of a clock that does not jump, and the record holds one of the day."""
        to_day = time.time() - time.monotonic()
        for record, _, queued_at, started, *_ in handled:
            if record.topic == self._quiet:
                self.found.append(Wait(started - queued_at, started + to_day - float(record.value)))
                if len(self.found) == QUIET_RECORDS:
                    self.have_ended.set()


if __name__ == "__main__":
    sys.exit(main())
