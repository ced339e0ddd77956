"""How late a record's handler begins after its production: alone, beside a stuck key and beside a bulk topic.

A loop bears neither: a stuck record would stop it for ever, and one fetch of bulk records for half a minute. So beside
them a consumer that has other work is compared with a loop that has none.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from benchmarks.delays.arrivals import Arrivals, fill
from benchmarks.delays.entrants import ENTRANTS, Entrant
from benchmarks.delays.life import Life, has_begun
from benchmarks.delays.programs.notes import BULK, STUCK, Start
from benchmarks.delays.programs.setup import Setup
from kafka_parallel.testing.broker import Broker

# Records a second, and for how many seconds they arrive.
RATES: Mapping[int, float] = {50: 5.0, 500: 3.0}
WARM_UP_S = 1.5
STUCK_RECORDS, BULK_RECORDS = 5_000, 150_000
WORKERS, BULK_WORKERS = 16, 64
# Partition 0 is that of the stuck key.
TIMED_PARTITIONS = (1, 2, 3)
SITUATIONS = ("alone", "beside a stuck key", "beside a bulk topic")


def entrants(situation: str) -> Sequence[Entrant]:
    """The consumers that bear *situation*."""
    return ENTRANTS if situation == "alone" else [entrant for entrant in ENTRANTS if entrant.is_ours]


@dataclass(frozen=True)
class Lateness:
    """The figures of one consumer at one rate, in seconds."""

    p50: float
    p99: float


def fill_bulk(broker: Broker) -> str:
    """Write the records of the bulk topic, which every measurement reads from the start; return its name."""
    topic = f"bulk-{time.time_ns()}"
    broker.create_topic(topic, 4)
    fill(broker.bootstrap_servers, topic, BULK_RECORDS, BULK, None, None)
    return topic


def measure(
    broker: Broker, entrant: Entrant, situation: str, bulk: str, folder: Path, rates: Mapping[int, float] = RATES
) -> dict[int, Lateness]:
    """The lateness of one life of *entrant*, by the rate.

    :param bulk: the bulk topic.
    :param rates: records a second, and for how many seconds they arrive.
    :raises NotMeasured: it failed or was too slow.
    """
    topic = f"latency-{time.time_ns()}"
    broker.create_topic(topic, 4)
    if situation == "beside a stuck key":
        fill(broker.bootstrap_servers, topic, STUCK_RECORDS, STUCK, STUCK, 0)
    topics, workers = ((topic, bulk), BULK_WORKERS) if situation == "beside a bulk topic" else ((topic,), WORKERS)
    arrivals = Arrivals(broker.bootstrap_servers, topic, TIMED_PARTITIONS)
    setup = Setup(broker.bootstrap_servers, topics, topic, str(folder / topic), workers=workers)
    with Life(entrant, setup) as life:
        for _ in TIMED_PARTITIONS:
            arrivals.send()
        life.wait_for(has_begun(TIMED_PARTITIONS), "its first records")
        arrivals.send_for(WARM_UP_S, min(RATES))
        found = {rate: _lateness(life, arrivals, rate, seconds) for rate, seconds in rates.items()}
    arrivals.close()
    return found


def _lateness(life: Life, arrivals: Arrivals, rate: int, seconds: float) -> Lateness:
    began = time.monotonic_ns()
    arrivals.send_for(seconds, rate)
    count = round(seconds * rate)
    starts = life.wait_for(lambda found: len(since(found, began)) >= count, f"{count} timed records")
    return lateness_of(since(starts, began))


def since(starts: Sequence[Start], began: int) -> list[Start]:
    """Those of records that were produced at *began* or later."""
    return [start for start in starts if start.produced >= began]


def lateness_of(starts: Sequence[Start]) -> Lateness:
    """The median and the 99th percentile."""
    late = [start.late for start in starts]
    return Lateness(median(late), quantiles(late, n=100)[98])
