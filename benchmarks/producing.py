"""The pace of handlers whose results are produced, beside a loop that sends: ``python -m benchmarks.producing``.

Each way reads the same records and writes one for each, in turns, so that what else the machine does hits all of them.
A loop that sends waits for no answer before the end; it commits at its end, and loses or repeats whatever a crash
leaves.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from itertools import islice
from statistics import median
from typing import Any

from kafka import KafkaConsumer, KafkaProducer

from kafka_parallel import Batch, ParallelConsumer, hookimpl, producing
from kafka_parallel.testing.broker import start_broker

RECORDS, ROUNDS, PARTITIONS = 20_000, 3, 4
SOURCE, TARGET = "source", "target"


class Stop:
    """Stops the run when all records have been handled and committed, and notes how long they took."""

    def __init__(self) -> None:
        self.began = self.ended = 0.0
        self.consumer: ParallelConsumer
        self._handled = 0

    @hookimpl
    def on_handled(self, handled: Any) -> None:
        """Count."""
        self.began = self.began or time.perf_counter()
        self._handled += len(handled)
        if self._handled >= RECORDS:
            self.consumer.stop()


def consumer(bootstrap: str, **config: Any) -> KafkaConsumer:
    """Make a consumer of all records."""
    group = f"g-{time.time_ns()}"
    config = {"auto_offset_reset": "earliest", "enable_auto_commit": False, **config}
    return KafkaConsumer(SOURCE, bootstrap_servers=bootstrap, group_id=group, **config)


def plain_loop(bootstrap: str) -> float:
    """Records per second of a loop that sends and waits at its end."""
    found, producer = consumer(bootstrap), KafkaProducer(bootstrap_servers=bootstrap, acks="all", linger_ms=5)
    began = 0.0
    for record in islice(found, RECORDS):
        began = began or time.perf_counter()
        producer.send(TARGET, record.value, record.key)
    producer.flush()
    found.commit()
    seconds = time.perf_counter() - began
    found.close()
    producer.close()
    return RECORDS / seconds


def ours(handler: Callable[[Any], Any], workers: int, *plugins: object, batch: Batch | None = None) -> Any:
    """Make a function that measures *handler*."""

    def measure(bootstrap: str) -> float:
        stop = Stop()
        config = {"isolation_level": "read_committed"} if plugins else {}
        parallel = ParallelConsumer(consumer(bootstrap, **config), workers=workers, plugins=[stop, *plugins])
        stop.consumer = parallel
        parallel.run(producing(handler, TARGET), batch)
        return RECORDS / (time.perf_counter() - stop.began)

    return measure


def copy(record: Any) -> bytes:
    return record.value  # type: ignore[no-any-return]


async def copy_async(record: Any) -> bytes:
    return record.value  # type: ignore[no-any-return]


def copy_all(records: list[Any]) -> list[bytes]:
    return [record.value for record in records]


WAYS: dict[str, Callable[[str], float]] = {
    "loop that sends": plain_loop,
    "producing, 64 threads": ours(copy, 64),
    "producing, async def, 256 at once": ours(copy_async, 256),
    "producing, 8 threads, batches of 200": ours(copy_all, 8, batch=Batch(max_records=200, max_wait_ms=5)),
    "exactly-once, 16 threads": ours(copy, 16, "exactly-once"),
}


def main() -> None:
    """Measure each way several times, in turns, and print the medians."""
    with start_broker() as broker:
        for topic in (SOURCE, TARGET):
            broker.create_topic(topic, PARTITIONS)
        producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers, linger_ms=20)
        for number in range(RECORDS):
            producer.send(SOURCE, b"v" * 100, b"k%d" % (number % 1000))
        producer.close()
        rates: dict[str, list[float]] = {name: [] for name in WAYS}
        for _ in range(ROUNDS):
            for name, measure in WAYS.items():
                rates[name].append(measure(broker.bootstrap_servers))
    base = median(rates["loop that sends"])
    for name, found in rates.items():
        sys.stdout.write(f"{name:40} {median(found):8,.0f} records/s  {median(found) / base:5.2f} x\n")


if __name__ == "__main__":
    main()
