"""How soon records are handled again after a broker was killed and is back.

All consumers live through the same restart, each in a group of its own, so the broker's mood is the same for all. The
clock starts when the broker serves again and the first record is sent to it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmarks.delays.arrivals import Arrivals
from benchmarks.delays.entrants import Entrant
from benchmarks.delays.life import Life, has_begun
from benchmarks.delays.programs.setup import Setup
from benchmarks.session import NotMeasured
from kafka_parallel.testing.broker import Broker

PARTITIONS = (0, 1, 2, 3)
RATE = 100
BEFORE_S, DOWN_S = 2.0, 3.0
# How long a start of the broker may take, on a machine that does much else.
START_MS = 180_000


def measure(broker: Broker, entrants: Sequence[Entrant], folder: Path) -> Mapping[str, float | str]:
    """Seconds until each partition was handled again, or why there are none, by the consumer's name."""
    topic = f"restart-{time.time_ns()}"
    broker.create_topic(topic, len(PARTITIONS))
    with ExitStack() as lives:
        setups = [
            Setup(broker.bootstrap_servers, (topic,), f"{topic}-{number}", str(folder / f"{topic}-{number}"))
            for number in range(len(entrants))
        ]
        consumers = {
            entrant.name: lives.enter_context(Life(entrant, setup))
            for entrant, setup in zip(entrants, setups, strict=True)
        }
        arrivals = Arrivals(broker.bootstrap_servers, topic, PARTITIONS)
        with arrivals.sending(RATE):
            for life in consumers.values():
                life.wait_for(has_begun(PARTITIONS), "its first records")
            time.sleep(BEFORE_S)
        arrivals.close()
        broker.kill()
        time.sleep(DOWN_S)
        broker.restart()
        return _recovered(broker, topic, consumers)


def _recovered(broker: Broker, topic: str, consumers: Mapping[str, Life]) -> Mapping[str, float | str]:
    arrivals = Arrivals(broker.bootstrap_servers, topic, PARTITIONS)  # a new one: its connection is no part of it
    began = time.monotonic_ns()
    found: dict[str, float | str] = {}
    with arrivals.sending(RATE):
        for name, life in consumers.items():
            try:
                starts = life.wait_for(has_begun(PARTITIONS, began), "its first records after the restart")
                first = {start.partition: start.at for start in reversed(starts) if start.produced >= began}
                found[name] = (max(first.values()) - began) / 1e9
            except NotMeasured as reason:
                found[name] = str(reason)
    arrivals.close()
    return found
