"""Is memory flat while plugins observe: ``python -m benchmarks.plugin_memory [--records 2000000] [--shown 10]``.

A consumer with the plugins prometheus, opentelemetry (with an SDK that makes all spans and exports none), log-context
and health handles records of 4 partitions and a thousand keys, made just before: the client's memory is none of it. One
record in a thousand fails once and is tried again. Printed is the resident memory of the process at equal distances;
scrapes are made there too.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kafka import TopicPartition
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from benchmarks.costs.prepared import BATCH, TOPIC, PreparedConsumer, PreparedFetcher
from kafka_parallel import ParallelConsumer
from kafka_parallel_plugins.prometheus import Prometheus

PARTITIONS = 4
KEYS = 1000
ONE_FAILS_IN = 1000


class MadeWhenFetched(PreparedFetcher):
    """Makes each batch when it is fetched: two million records made before would be all there is to see."""

    def __init__(self, consumer: Any, cluster: Any, records: int, partitions: int) -> None:
        super().__init__(consumer, cluster, BATCH, partitions)
        self._template = cluster.append(TOPIC, b"value", b"key", partition=0)
        self._measured = -1  # no clock is started
        self._left = records // BATCH
        self._numbers = itertools.count()

    def fetched_records(self, max_records: int) -> tuple[dict[TopicPartition, list[Any]], bool]:
        """Put the next batch where the base class takes batches from."""
        if not self._batches and self._left:
            self._left -= 1
            self._batches.append(self._made(next(self._numbers)))
        return super().fetched_records(max_records)

    def _made(self, number: int) -> tuple[TopicPartition, list[Any]]:
        partition, first = TopicPartition(TOPIC, number % PARTITIONS), number // PARTITIONS * BATCH
        made = [
            self._template._replace(partition=partition.partition, offset=offset, key=b"key-%d" % (offset % KEYS))
            for offset in range(first, first + BATCH)
        ]
        return partition, made


class Consumer(PreparedConsumer):
    """Hands these records out."""

    def __init__(self, records: int) -> None:
        super().__init__(BATCH, PARTITIONS)
        cluster = self._fetcher._cluster  # noqa: SLF001
        self._fetcher = MadeWhenFetched(self, cluster, records, PARTITIONS)
        self._fetcher._batches.clear()  # noqa: SLF001


class Watched:
    """A handler that fails once for some records, and tells the memory now and then.

    :param every: so many records lie between two looks.
    """

    def __init__(self, records: int, every: int, prometheus: Prometheus) -> None:
        self._records, self._every, self._prometheus = records, every, prometheus
        self._numbers = itertools.count(1)
        self._failed: set[tuple[int, int]] = set()
        self.parallel: ParallelConsumer

    def __call__(self, record: Any) -> None:
        """Handle one record."""
        place = record.partition, record.offset
        if record.offset % ONE_FAILS_IN == 0 and place not in self._failed:
            self._failed.add(place)
            raise ValueError("once")
        self._failed.discard(place)
        number = next(self._numbers)
        if number % self._every == 0:
            self._look(number)
        if number == self._records:
            self.parallel.stop()

    def _look(self, number: int) -> None:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._prometheus.port}/metrics") as answer:
            answer.read()
        gc.collect()
        sys.stdout.write(f"{number:>10,} records: {resident_megabytes():7.2f} MB\n")
        sys.stdout.flush()


def resident_megabytes() -> float:
    """The memory of this process that is in use now; Linux alone tells it."""
    lines: Iterator[str] = iter(Path("/proc/self/status").read_text().splitlines())
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) / 1024


def main() -> int:
    """Run once."""
    parser = argparse.ArgumentParser(prog="benchmarks.plugin_memory", description=__doc__)
    parser.add_argument("--records", type=int, default=2_000_000)
    parser.add_argument("--shown", type=int, default=10, help="how many lines")
    options = parser.parse_args()
    records = options.records // (BATCH * PARTITIONS) * BATCH * PARTITIONS
    trace.set_tracer_provider(TracerProvider())
    prometheus = Prometheus(port=0)
    handler = Watched(records, records // options.shown, prometheus)
    plugins = [prometheus, "opentelemetry", "log-context", ("health", {"port": 0}), "retry"]
    consumer = Consumer(records)
    handler.parallel = ParallelConsumer(consumer, workers=4, plugins=plugins, install_signal_handlers=False)
    consumer.count_with(lambda: handler.parallel.statistics().processed)
    handler.parallel.run(handler)
    return 0


if __name__ == "__main__":
    sys.exit(main())
