"""How late a record is beside a partition that is paused: ``python -m benchmarks.latency``.

One partition is paused because all it holds has the key of a record that is stuck. Records arrive in another one at a
steady rate; the measurement is the time from their production to their handler, beside a poll loop that reads nothing
but these. Each measurement runs in a process of its own, both in turn, round after round.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any

from kafka import KafkaConsumer, KafkaProducer

from benchmarks.environments import ROOT
from kafka_parallel import ParallelConsumer
from kafka_parallel.testing.broker import Broker, start_broker

RATES = (50, 200)
SECONDS = 5.0
STUCK = 5_000


def main() -> int:
    """Measure, or be one of the processes that are measured."""
    parser = argparse.ArgumentParser(prog="benchmarks.latency", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--consumer", nargs=3, metavar=("WHO", "BROKER", "TOPIC"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.consumer:
        who, bootstrap, topic = options.consumer
        CONSUMERS[who](consume(bootstrap, topic))
        return 0
    with start_broker() as broker:
        for rate in RATES:
            found = [{who: measure(broker, who, rate) for who in CONSUMERS} for _ in range(options.rounds)]
            show(rate, found)
    return 0


def show(rate: int, found: list[dict[str, list[float]]]) -> None:
    """Print medians, the worst percentiles, and the ratio of the medians in each round."""
    for who in CONSUMERS:
        middle = median(median(figures[who]) for figures in found)
        late = max(quantiles(figures[who], n=100)[98] for figures in found)
        sys.stdout.write(f"{rate:4} records/s  {who:<15} p50 {middle * 1e3:6.2f} ms  p99 {late * 1e3:6.2f} ms\n")
    ratios = sorted(median(figures["kafka-parallel"]) / median(figures["poll loop"]) for figures in found)
    sys.stdout.write(f"{rate:4} records/s  p50 x poll loop: {median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})\n")


def measure(broker: Broker, who: str, rate: int) -> list[float]:
    """How late each record was, in seconds."""
    topic = f"latency-{time.time_ns()}"
    broker.create_topic(topic, 2)
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers, acks=1)
    for _ in range(STUCK if who == "kafka-parallel" else 1):
        producer.send(topic, b"stuck", b"stuck", partition=0)
    producer.flush()
    command = [sys.executable, "-m", "benchmarks.latency", "--consumer", who, broker.bootstrap_servers, topic]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it is ready
        for number in range(int(rate * SECONDS)):
            producer.send(topic, repr(time.time()).encode(), b"%d" % number, partition=1)
            time.sleep(1 / rate)
        producer.send(topic, b"end", b"end", partition=1)
        producer.flush()
        output, _ = process.communicate(timeout=60)
    producer.close()
    return [float(line) for line in output.split()]


def consume(bootstrap: str, topic: str) -> KafkaConsumer:
    """The same consumer for both."""
    return KafkaConsumer(topic, group_id=topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")


def poll_loop(consumer: KafkaConsumer) -> None:
    """kafka-python alone."""
    found = Latencies()
    while not found.has_ended.is_set():
        for records in consumer.poll(timeout_ms=1000).values():
            for record in records:
                if record.partition == 0:
                    sys.stdout.write("ready\n")
                    sys.stdout.flush()
                else:
                    found.note(record)
    found.show()
    consumer.close(autocommit=False)


def ours(consumer: KafkaConsumer) -> None:
    """kafka-parallel with one key that is stuck, and its partition paused."""
    found = Latencies()
    parallel = ParallelConsumer(consumer, install_signal_handlers=False)

    def handle(record: Any) -> None:
        if record.partition == 0:
            found.has_ended.wait()
        else:
            found.note(record)

    parallel.start(handle)
    while not parallel.statistics().paused:
        time.sleep(0.05)
    time.sleep(1.0)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    found.has_ended.wait()
    found.show()
    sys.stdout.flush()
    parallel.stop()
    parallel.join()


class Latencies:
    """How late each record was when its handler began."""

    def __init__(self) -> None:
        self._found: list[float] = []
        self.has_ended = threading.Event()

    def note(self, record: Any) -> None:
        """Note one; the last one says so."""
        if record.value == b"end":
            self.has_ended.set()
        else:
            self._found.append(time.time() - float(record.value))

    def show(self) -> None:
        """Print all."""
        sys.stdout.write("\n".join(f"{seconds!r}" for seconds in self._found) + "\n")


CONSUMERS: dict[str, Callable[[KafkaConsumer], None]] = {"poll loop": poll_loop, "kafka-parallel": ours}

if __name__ == "__main__":
    sys.exit(main())
