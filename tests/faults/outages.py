"""Measures how long consumers stand still when brokers go away for a while, ours beside the bare poll loop."""

from __future__ import annotations

import itertools
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from kafka import KafkaProducer

from kafka_parallel.testing.history import History, Kind, Produced, unpack, whole
from tests.faults import outage_app
from tests.integration.kafka_app import KEYS, has_begun, wait_for

# Seconds between two records that are sent.
PACE = 0.01


class Traffic:
    """Sends a record every 10 ms until it is stopped, through every outage."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._placed: dict[int, dict[int, bytes | None]] = {}
        self._lock = threading.Lock()
        self._topic = topic
        self._producer = KafkaProducer(
            bootstrap_servers=bootstrap.split(","), acks="all", reconnect_backoff_max_ms=50, max_block_ms=120_000
        )
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def _send(self) -> None:
        number = 0
        while not self._is_over.wait(PACE):
            key = KEYS[number % len(KEYS)]
            self._producer.send(self._topic, key=key, value=b"x").add_callback(partial(self._note, key))
            number += 1

    def _note(self, key: bytes, metadata: Any) -> None:
        with self._lock:
            self._placed.setdefault(metadata.partition, {})[metadata.offset] = key

    @property
    def produced(self) -> Produced:
        """The places of all records that the broker has until now."""
        with self._lock:
            return Produced(self._topic, {partition: dict(keys) for partition, keys in self._placed.items()})

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Send no more, and wait until the broker has everything."""
        if self._is_over.is_set():
            return
        self._is_over.set()
        self._thread.join()
        self._producer.flush(timeout=600)
        self._producer.close()


@dataclass
class App:
    """One of the consumers, and its acts."""

    kind: str
    history: Path
    log: Path
    process: subprocess.Popen[bytes]
    _begun: list[tuple[float, tuple[int, int]]] = field(default_factory=list)
    _bytes_read: int = 0

    def handled(self) -> list[tuple[float, tuple[int, int]]]:
        """When it began which record, in seconds of the machine's monotonic clock."""
        with self.history.open("rb") as file:
            file.seek(self._bytes_read)
            data = whole(file.read())
        self._bytes_read += len(data)
        entries = [entry for entry in unpack(data, f"history {self.history}") if entry.kind == Kind.START]
        self._begun += [(entry.at / 1e9, (entry.partition, entry.offset)) for entry in entries]
        return self._begun

    def has_handled(self, produced: Produced) -> Callable[[], bool]:
        """A condition: it has begun all records of *produced*."""
        places = {(partition, offset) for partition, keys in produced.keys.items() for offset in keys}
        return lambda: {place for _, place in self.handled()} >= places

    def has_handled_since(self, moment: float) -> Callable[[], bool]:
        """A condition: it has begun a record after *moment*."""
        return lambda: any(at > moment for at, _ in self.handled()[-1000:])

    def resumed_after(self, moment: float) -> float:
        """Seconds from *moment* until it began a record again."""
        return min(at for at, _ in self.handled() if at > moment) - moment

    def longest_gap(self, since: float) -> float:
        """The longest time, in seconds, that ended after *since* and in which it began nothing of some partition."""
        times: dict[int, list[float]] = {}
        for at, (partition, _) in self.handled():
            times.setdefault(partition, []).append(at)
        pairs = (pair for each in times.values() for pair in itertools.pairwise(sorted(each)))
        return max(after - before for before, after in pairs if after > since)

    def was_forgotten(self) -> bool:
        """True if the coordinator let its session expire: all records uncommitted by then may be repeated."""
        return (
            re.search("not recognized|unknown member|UnknownMember", self.log.read_text(errors="replace")) is not None
        )


@contextmanager
def apps(bootstrap: str, topic: str, folder: Path, python: str = sys.executable) -> Iterator[list[App]]:
    """Start one app of each kind, all at work, each in a group of its own."""
    with ExitStack() as stack:
        found = []
        for kind in outage_app.KINDS:
            history = History(folder / f"{kind}.history")
            log = folder / f"{kind}.log"
            arguments = [kind, bootstrap, topic, f"g-{topic}-{kind}", str(history.path), str(log)]
            process = subprocess.Popen([python, outage_app.__file__, *arguments])
            stack.callback(process.wait)
            stack.callback(process.kill)
            found.append(App(kind, history.path, log, process))
        for app in found:
            wait_for(has_begun(History(app.history)), f"{app.kind} to begin")
        yield found


def wait_until_all_handled(found: list[App], produced: Produced) -> None:
    """Wait until every app has begun all records of *produced*."""
    for app in found:
        wait_for(app.has_handled(produced), f"{app.kind} to handle everything")


def end(found: list[App], produced: Produced) -> None:
    """Wait until every app has handled all that was *produced*, and end it."""
    wait_until_all_handled(found, produced)
    for app in found:
        app.process.send_signal(signal.SIGTERM)
    for app in found:
        assert app.process.wait(60) == 0


def wait_until_all_resumed(found: list[App], moment: float) -> dict[str, float]:
    """Wait until every app has begun a record after *moment*; return how many seconds each took."""
    for app in found:
        wait_for(app.has_handled_since(moment), f"{app.kind} to resume", 120)
    time.sleep(0.1)
    return {app.kind: app.resumed_after(moment) for app in found}
