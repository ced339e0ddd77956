"""Records that arrive at a steady rate, each with its time of production as its value."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from kafka import KafkaProducer

from benchmarks.delays.programs.notes import timed_value

PATIENCE = 60


class Arrivals:
    """Sends to *partitions* of *topic* in turn, each record with a key of its own."""

    def __init__(self, bootstrap: str, topic: str, partitions: Sequence[int]) -> None:
        self._producer = KafkaProducer(bootstrap_servers=bootstrap, acks=1)
        self._topic, self._partitions = topic, partitions
        self._producer.partitions_for(topic)  # looked up here, so that it is no part of the first record's delay
        self._sent = itertools.count()

    def send(self) -> None:
        """Send one."""
        number = next(self._sent)
        partition = self._partitions[number % len(self._partitions)]
        self._producer.send(self._topic, timed_value(), b"%d" % number, partition=partition)

    def send_for(self, seconds: float, rate: int) -> None:
        """Send so many a second for so long, and wait until the broker has all."""
        pause, began = threading.Event(), time.monotonic()
        for number in range(round(seconds * rate)):
            pause.wait(max(0.0, began + number / rate - time.monotonic()))
            self.send()
        self._producer.flush(PATIENCE)

    @contextmanager
    def sending(self, rate: int) -> Iterator[None]:
        """Send so many a second from another thread during a ``with`` block."""
        ended = threading.Event()

        def run() -> None:
            began = time.monotonic()
            for number in itertools.count():
                if ended.wait(max(0.0, began + number / rate - time.monotonic())):
                    return
                self.send()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self._producer.flush(PATIENCE)

    def close(self) -> None:
        """Let the producer go."""
        self._producer.close(timeout=5)


def fill(bootstrap: str, topic: str, records: int, value: bytes, key: bytes | None, partition: int | None) -> None:
    """Write many alike; without a *key*, each gets one of a thousand."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, acks=1, linger_ms=20)
    for number in range(records):
        producer.send(topic, value, key or b"%d" % (number % 1000), partition=partition)
    producer.flush(PATIENCE)
    producer.close()
