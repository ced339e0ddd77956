"""The ratios of a short run, and the most that each may be: about a third more than it was when the bound was set.

Most compare processor time, which a busy machine lengthens far less than the time on the wall.
Each ratio is taken within one round.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks.costs import queue
from benchmarks.delays import latency, starts
from benchmarks.delays.entrants import OURS, POLL_LOOP
from benchmarks.results import Result
from benchmarks.runners.table import BY_NAME, OWN
from benchmarks.session import NotMeasured, Session
from benchmarks.workloads import all_workloads
from kafka_parallel.testing.broker import Broker

Side = TypeVar("Side")
# The most that each ratio may be; less is better.
BOUNDS = {
    "no-op, CPU x poll loop": 1.5,
    "no-op by key, CPU x poll loop": 1.8,
    "no-op on asyncio, CPU x poll loop": 1.9,
    "no-op in batches of 1,000, CPU x single records": 1.5,
    "64 at once for 5 ms, time x ideal": 1.7,
    "latency at 500 records/s, p50 x poll loop": 2.0,
    "first record of a program, CPU x poll loop": 2.3,
    "import, CPU x kafka-python": 2.2,
    "10,000 keys, CPU x 10 keys": 1.5,
}
_NO_OP = {
    "no-op, CPU x poll loop": "kafka-parallel",
    "no-op by key, CPU x poll loop": "kafka-parallel, by key",
    "no-op on asyncio, CPU x poll loop": "kafka-parallel, asyncio",
    "no-op in batches of 1,000, CPU x single records": "kafka-parallel, batches of 1,000",
}
RECORDS = 50_000
GROWTH = 20_000


class Ratios:
    """Measures each ratio in so many rounds: the sides of a ratio in turn, so that a drift hits both."""

    def __init__(self, broker: Broker, folder: Path, rounds: int) -> None:
        self._broker, self._folder, self._rounds = broker, folder, rounds
        self._session = Session(broker, [OWN])
        # The shortest first: those at the end may find no time on a busy machine.
        self.parts: tuple[Callable[[], Mapping[str, Sequence[float]]], ...] = (
            self._of_growth, self._of_import, self._of_waiting, self._of_no_op, self._of_start, self._of_latency,
        )  # fmt: skip

    def _of_no_op(self) -> Mapping[str, Sequence[float]]:
        workload = all_workloads()["no-op"]
        runners = [BY_NAME[name] for name in ("poll loop", *_NO_OP.values())]
        scaled = workload.scaled(RECORDS / workload.records)
        costs = [_figures(found, "cpu") for found in self._session.measure(scaled, runners, self._rounds, _nothing)]
        base, single, by_key, on_asyncio, in_batches = costs
        compared = (single, base), (by_key, base), (on_asyncio, base), (in_batches, single)
        return {name: _divided(own, other) for name, (own, other) in zip(_NO_OP, compared, strict=True)}

    def _of_waiting(self) -> Mapping[str, Sequence[float]]:
        workload = all_workloads()["5 ms"].scaled(0.25)
        (found,) = self._session.measure(workload, [BY_NAME["kafka-parallel"]], self._rounds, _nothing)
        ideal = [workload.ideal("none")] * self._rounds
        return {"64 at once for 5 ms, time x ideal": _divided(_figures(found, "seconds"), ideal)}

    def _of_latency(self) -> Mapping[str, Sequence[float]]:
        measure = partial(latency.measure, self._broker, situation="alone", bulk="", folder=self._folder)
        return {
            "latency at 500 records/s, p50 x poll loop": self._in_turn(
                lambda entrant: measure(entrant=entrant, rates={500: 2.0})[500].p50, OURS, POLL_LOOP
            )
        }

    def _of_start(self) -> Mapping[str, Sequence[float]]:
        measure = partial(starts.measure_start, self._broker, folder=self._folder)
        return {
            "first record of a program, CPU x poll loop": self._in_turn(
                lambda entrant: measure(entrant=entrant).cpu, OURS, POLL_LOOP
            )
        }

    def _of_import(self) -> Mapping[str, Sequence[float]]:
        return {"import, CPU x kafka-python": self._in_turn(starts.measure_import, "kafka-parallel", "kafka-python")}

    def _of_growth(self) -> Mapping[str, Sequence[float]]:
        cost = partial(queue.cost_of, GROWTH, in_flight=1)
        return {"10,000 keys, CPU x 10 keys": self._in_turn(lambda keys: cost(keys=keys), 10_000, 10)}

    def _in_turn(self, measure: Callable[[Side], float], own: Side, base: Side) -> Sequence[float]:
        return [measure(own) / measure(base) for _ in range(self._rounds)]


def _nothing() -> None:
    """Show no progress: it is a short run."""


def _figures(found: Result, name: str) -> Sequence[float]:
    """The figure of that name of each round.

    :raises NotMeasured: the runner failed.
    """
    if found.reason:
        raise NotMeasured(f"{found.runner.name}: {found.reason}")
    return [figures[name] for figures in found.rounds]


def _divided(own: Sequence[float], base: Sequence[float]) -> Sequence[float]:
    return [mine / other for mine, other in zip(own, base, strict=True)]
