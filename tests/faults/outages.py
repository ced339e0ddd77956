"""Measures how long consumers stand still when a broker goes away for a while, ours beside the bare poll loop."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from kafka import KafkaProducer

from kafka_parallel.testing.history import History, Kind, read
from tests.faults import outage_app
from tests.integration.kafka_app import KEYS, has_begun, wait_for

# Seconds between two records that are sent.
PACE = 0.01


class Traffic:
    """Sends a record every 10 ms until it is stopped, through every outage.

    :ivar sent: where the broker put them, as (partition, offset).
    """

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.sent: set[tuple[int, int]] = set()
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
            self._producer.send(self._topic, key=key, value=b"x").add_callback(
                lambda metadata: self.sent.add((metadata.partition, metadata.offset))
            )
            number += 1

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
    """One of the consumers, and what it did."""

    kind: str
    history: Path
    process: subprocess.Popen[bytes]

    def handled(self) -> list[tuple[float, tuple[int, int]]]:
        """When it began which record, in seconds of the machine's monotonic clock."""
        entries = [entry for entry in read(self.history, is_growing=True) if entry.kind == Kind.START]
        return [(entry.at / 1e9, (entry.partition, entry.offset)) for entry in entries]

    def has_handled_since(self, moment: float) -> Callable[[], bool]:
        """A condition: it has begun a record after *moment*."""
        return lambda: any(at > moment for at, _ in self.handled()[-1000:])

    def resumed_after(self, moment: float) -> float:
        """Seconds from *moment* until it began a record again."""
        return next(at for at, _ in self.handled() if at > moment) - moment

    def longest_gap(self, since: float) -> float:
        """The longest time, in seconds, in which it began nothing."""
        times = [at for at, _ in self.handled() if at > since]
        return max(after - before for before, after in itertools.pairwise(times))


@contextmanager
def apps(bootstrap: str, topic: str, folder: Path, python: str = sys.executable) -> Iterator[list[App]]:
    """Start one app of each kind, all at work, each in a group of its own."""
    with ExitStack() as stack:
        found = []
        for kind in outage_app.KINDS:
            history = History(folder / f"{kind}.history")
            arguments = [kind, bootstrap, topic, f"g-{topic}-{kind}", str(history.path), str(folder / f"{kind}.log")]
            process = subprocess.Popen([python, outage_app.__file__, *arguments])
            stack.callback(process.wait)
            stack.callback(process.kill)
            found.append(App(kind, history.path, process))
        for app in found:
            wait_for(has_begun(History(app.history)), f"{app.kind} to begin")
        yield found


def end(found: list[App], sent: set[tuple[int, int]]) -> None:
    """Wait until every app has handled all that was *sent*, and end it."""
    for app in found:
        wait_for(lambda app=app: {place for _, place in app.handled()} >= sent, f"{app.kind} to handle everything", 90)
        app.process.send_signal(signal.SIGTERM)
    for app in found:
        assert app.process.wait(60) == 0


def wait_until_all_resumed(found: list[App], moment: float) -> dict[str, float]:
    """Wait until every app has begun a record after *moment*; return how many seconds each took."""
    for app in found:
        wait_for(app.has_handled_since(moment), f"{app.kind} to resume", 120)
    time.sleep(0.1)
    return {app.kind: app.resumed_after(moment) for app in found}
