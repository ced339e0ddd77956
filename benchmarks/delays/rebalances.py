"""How long records wait because a member joins a group, and because it leaves again.

Records arrive at a steady rate in all partitions. The figure is the longest wait of a record from its production to its
handler, of the partitions that the staying member keeps, and of those that move.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.delays.arrivals import Arrivals
from benchmarks.delays.entrants import Entrant
from benchmarks.delays.life import Life, has_begun
from benchmarks.delays.programs.notes import Start
from benchmarks.delays.programs.setup import Setup
from kafka_parallel.testing.broker import Broker

PARTITIONS = (0, 1, 2, 3)
RATE = 100
QUIET_S = 1.5


@dataclass(frozen=True)
class Protocol:
    """How a group moves partitions.

    :ivar heartbeat_ms: the interval of heartbeats, by which members learn of a rebalance.
    """

    name: str
    is_cooperative: bool = False
    heartbeat_ms: int = 3000


PROTOCOLS = (
    Protocol("eager"),
    Protocol("cooperative", is_cooperative=True),
    Protocol("cooperative, heartbeats of 300 ms", is_cooperative=True, heartbeat_ms=300),
)


@dataclass(frozen=True)
class Waits:
    """The longest waits, in seconds: of kept and of moved partitions, when a member joins and when it leaves."""

    join_kept: float
    join_moved: float
    leave_kept: float
    leave_moved: float


def measure(broker: Broker, entrant: Entrant, protocol: Protocol, folder: Path) -> Waits:
    """The waits while a second *entrant* joins and leaves.

    :raises NotMeasured: it failed or was too slow.
    """
    topic = f"rebalance-{time.time_ns()}"
    broker.create_topic(topic, len(PARTITIONS))
    config = {"heartbeat_interval_ms": protocol.heartbeat_ms}
    staying, joining = (
        Setup(
            broker.bootstrap_servers, (topic,), topic, str(folder / f"{topic}-{name}"), config, protocol.is_cooperative
        )
        for name in ("staying", "joining")
    )
    arrivals = Arrivals(broker.bootstrap_servers, topic, PARTITIONS)
    with arrivals.sending(RATE), Life(entrant, staying) as stays:
        stays.wait_for(has_begun(PARTITIONS), "its first records")
        time.sleep(QUIET_S)
        with Life(entrant, joining) as joins:
            joins.wait_for(lambda starts: len({start.partition for start in starts}) >= 2, "its share")
            time.sleep(QUIET_S)
            left = time.monotonic_ns()
            joins.leave()
        stays.wait_for(has_begun(PARTITIONS, time.monotonic_ns()), "records of all partitions again")
        time.sleep(QUIET_S)
        found = waits_of(stays.starts(), joins.starts(), joins.began, left, time.monotonic_ns() - round(5e8))
    arrivals.close()
    return found


def waits_of(stayed: Sequence[Start], joined: Sequence[Start], began: int, left: int, end: int) -> Waits:
    """The longest waits of records that were produced from *began* to *left*, and from then to *end*.

    The first handling of a record counts: a rebalance may repeat some.
    """
    moved = {start.partition for start in joined}
    first: dict[tuple[int, int], Start] = {}
    for start in sorted([*stayed, *joined]):
        first.setdefault((start.partition, start.produced), start)
    join = [start for start in first.values() if began <= start.produced < left]
    leave = [start for start in first.values() if left <= start.produced < end]
    return Waits(
        *(
            max((start.late for start in part if (start.partition in moved) is is_moved), default=0.0)
            for part in (join, leave)
            for is_moved in (False, True)
        )
    )
