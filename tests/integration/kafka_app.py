"""The parts that integration tests share: records in a topic, a worker process, and the broker's committed offsets."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from kafka_parallel.testing.history import ENTRY, History, Kind, Produced, read

WORKER = Path(__file__).with_name("worker.py")
KEYS = [b"key-%d" % number for number in range(100)]
# No test waits longer for anything, in seconds.
PATIENCE = 180.0
# How long a run hears nothing before it ends by itself; on a busy machine a new group needs seconds to begin.
IDLE_MS = 6000
# Settings with which the command waits for the first answer of a broker on a busy machine longer than a person would.
PATIENT_CLIENT = {
    name: 60_000
    for name in ("bootstrap_timeout_ms", "api_version_auto_timeout_ms")
    if name in KafkaConsumer.DEFAULT_CONFIG
}

# A worker that takes the place of a killed one at once: without that, the next has to wait for the end of a session,
# and sessions short enough for a test would throw a member out that a busy machine holds up.
TAKES_PLACE: dict[str, object] = {"session_ms": 10_000}
if "group_instance_id" in KafkaConsumer.DEFAULT_CONFIG:
    TAKES_PLACE["instance_id"] = "one"


def produce(
    bootstrap: str, topic: str, count: int, *, keys: Sequence[bytes | None] = (None,), value: bytes = b"x"
) -> Produced:
    """Send *count* records, the key of each taken from *keys* in turn; return where the broker put them."""
    producer = KafkaProducer(bootstrap_servers=bootstrap, linger_ms=20, acks="all")
    sent = [(keys[n % len(keys)], producer.send(topic, key=keys[n % len(keys)], value=value)) for n in range(count)]
    producer.flush()
    placed: dict[int, dict[int, bytes | None]] = {}
    for key, future in sent:
        metadata = future.get(timeout=PATIENCE)
        placed.setdefault(metadata.partition, {})[metadata.offset] = key
    producer.close()
    return Produced(topic, placed)


def consume(bootstrap: str, topic: str, group: str | None, **config: Any) -> KafkaConsumer:
    """A consumer of *topic* from the earliest record, that ends when it hears nothing for `IDLE_MS`.

    A client that joins before it knows of a new topic is assigned nothing, until it looks at the topics again.
    """
    config = {"auto_offset_reset": "earliest", "consumer_timeout_ms": IDLE_MS, "metadata_max_age_ms": 5_000, **config}
    return KafkaConsumer(topic, group_id=group, bootstrap_servers=bootstrap, **config)


@contextmanager
def observer(bootstrap: str, group: str) -> Iterator[KafkaConsumer]:
    """A consumer that only asks about the offsets of *group* and never joins it."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False)
    try:
        yield consumer
    finally:
        consumer.close()


def committed(bootstrap: str, group: str, produced: Produced) -> dict[int, int]:
    """The broker's committed offset of *group*, per partition that has records; 0 if there is none."""
    with observer(bootstrap, group) as consumer:
        return {p: consumer.committed(TopicPartition(produced.topic, p)) or 0 for p in produced.keys}


def ends(produced: Produced) -> dict[int, int]:
    """One past the last offset of each partition."""
    return {partition: max(keys) + 1 for partition, keys in produced.keys.items()}


class Program:
    """A process of its own that runs a program of the tests.

    :param path: the program.
    :param arguments: its arguments; *options* follow them.
    """

    def __init__(self, path: Path, *arguments: str, **options: object) -> None:
        named = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        self.process = subprocess.Popen(
            [sys.executable, str(path), *arguments, *named], env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for its end; let it show the stacks of all its threads, and fail, if that does not come."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            raise


class Worker(Program):
    """A process that runs worker.py."""

    def __init__(self, bootstrap: str, topic: str, group: str, history: Path, **options: object) -> None:
        super().__init__(WORKER, bootstrap, topic, group, str(history), **options)


def has_begun(history: History) -> Callable[[], bool]:
    """A condition: some handler has begun."""
    return lambda: any(entry.kind == Kind.START for entry in read(history.path, is_growing=True))


def has_grown(history: History, by: int = 1) -> Callable[[], bool]:
    """A condition: *by* entries were added since now."""
    size = history.path.stat().st_size + by * ENTRY.size
    return lambda: history.path.stat().st_size >= size


def wait_for(condition: Callable[[], bool], what: str, timeout: float = PATIENCE) -> None:
    """Wait until *condition* holds; fail, naming it, if it never does."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout} s for {what}"
        time.sleep(0.02)
