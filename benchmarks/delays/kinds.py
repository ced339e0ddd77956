"""The kinds of rows: the measurements of a round of each, and how they are compared.

A consumer or a situation more is a row more of its kind: `entrants`, and the situations, protocols or names in the
module that measures it. A new kind also needs its table in ``benchmarks/sheets.py`` and its bars in
``benchmarks/panels.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

from benchmarks.delays import latency, rebalances, restarts, starts
from benchmarks.delays.entrants import AIOKAFKA, ENTRANTS, POLL_LOOP, Entrant
from benchmarks.delays.found import Compared, Figures, Found
from benchmarks.runners.table import entrants
from benchmarks.session import Session
from benchmarks.workloads import all_workloads
from kafka_parallel.errors import BrokerError
from kafka_parallel.testing.broker import Broker, start_broker

BASE = POLL_LOOP.name
BATCHES = all_workloads()["no-op, in batches"]


def _alone(workload: str, _: str) -> tuple[str, str]:
    return workload.partition(",")[0] + ", alone", BASE


def _same_workload(workload: str, _: str) -> tuple[str, str]:
    return workload, BASE


class Latencies:
    """Latency at several rates, alone and beside other work; the loop alone is the base of all."""

    name = "latency"
    compared = tuple(Compared(f"{figure} x poll loop", figure, _alone) for figure in ("p50", "p99"))

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.found = Found(self.name, self.compared)
        self._broker, self._folder = broker, folder
        self._bulk = latency.fill_bulk(broker)

    def do_round(self) -> None:
        """Measure each consumer once in each situation."""
        for situation in latency.SITUATIONS:
            workloads = {rate: f"{rate} records/s, {situation}" for rate in latency.RATES}
            for entrant in latency.entrants(situation):
                measure = partial(self._measure, entrant, situation, workloads)
                self.found.try_one(entrant.name, measure, list(workloads.values()))

    def _measure(self, entrant: Entrant, situation: str, workloads: Mapping[int, str]) -> Mapping[str, Figures]:
        found = latency.measure(self._broker, entrant, situation, self._bulk, self._folder)
        return {workloads[rate]: asdict(lateness) for rate, lateness in found.items()}


class Rebalances:
    """A member joins and leaves, by each protocol that a client has."""

    name = "rebalance"

    def __init__(self, broker: Broker, folder: Path) -> None:
        names = {"join, kept, x poll loop": "join kept", "leave, moved, x poll loop": "leave moved"}
        self.found = Found(self.name, [Compared(measure, name, _same_workload) for measure, name in names.items()])
        self._broker, self._folder = broker, folder

    def do_round(self) -> None:
        """Measure each consumer once with each protocol."""
        for protocol in rebalances.PROTOCOLS:
            for entrant in ENTRANTS:
                if entrant is not AIOKAFKA or not protocol.is_cooperative:  # aiokafka knows no cooperative protocol
                    self.found.try_one(entrant.name, partial(self._measure, entrant, protocol), [protocol.name])

    def _measure(self, entrant: Entrant, protocol: rebalances.Protocol) -> Mapping[str, Figures]:
        waits = asdict(rebalances.measure(self._broker, entrant, protocol, self._folder))
        return {protocol.name: {name.replace("_", " "): seconds for name, seconds in waits.items()}}


class Restarts:
    """A broker is killed and comes back: one of its own in each round, for recovering the logs of others takes long."""

    name = "restart"
    workload = "broker restart"

    def __init__(self, _: Broker, folder: Path) -> None:
        self.found = Found(self.name, [Compared("x poll loop", "seconds", _same_workload)])
        self._folder = folder

    def do_round(self) -> None:
        """Kill the broker once, beneath all consumers."""
        if (self.workload, BASE) in self.found.reasons:
            return
        try:
            with start_broker(kind="jvm", timeout_ms=restarts.START_MS) as broker:
                found = restarts.measure(broker, ENTRANTS, self._folder)
        except BrokerError as error:
            self.found.fail(self.workload, BASE, str(error).partition(";")[0])
            return
        for name, seconds in found.items():
            if isinstance(seconds, str):
                self.found.fail(self.workload, name, seconds)
            else:
                self.found.note(self.workload, name, {"seconds": seconds})


class Batches:
    """A handler that gets lists of records and does nothing."""

    name = "batches"

    def __init__(self, broker: Broker, _: Path) -> None:
        single = Compared("cost x single records", "us", lambda workload, _: (workload, "kafka-parallel"))
        self.found = Found(self.name, [Compared("x poll loop", "rate", _same_workload, is_higher_better=True), single])
        self._runners = entrants(BATCHES.name, with_peers=True)
        self._session = Session(broker, dict.fromkeys(runner.environment for runner in self._runners))

    def do_round(self) -> None:
        """Measure each consumer once."""
        for result in self._session.measure(BATCHES, self._runners, 1, lambda: None):
            for figures in result.rounds:
                rate, cost = result.records / figures["seconds"], figures["cpu"] / result.records * 1e6
                self.found.note(BATCHES.name, result.runner.name, {"rate": rate, "us": cost})
            if result.reason:
                self.found.fail(BATCHES.name, result.runner.name, result.reason)


class Starts:
    """A program begins and finds records waiting."""

    name = "start"
    workload = "cold start"

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.found = Found(self.name, [Compared("CPU x poll loop", "cpu", _same_workload)])
        self._broker, self._folder = broker, folder

    def do_round(self) -> None:
        """Measure each consumer once."""
        for entrant in ENTRANTS:
            self.found.try_one(entrant.name, partial(self._measure, entrant), [self.workload])

    def _measure(self, entrant: Entrant) -> Mapping[str, Figures]:
        return {self.workload: asdict(starts.measure_start(self._broker, entrant, self._folder))}


class Imports:
    """A library is imported."""

    name = "import"

    def __init__(self, _: Broker, __: Path) -> None:
        self.found = Found(
            self.name, [Compared("x kafka-python", "cpu", lambda workload, _: (workload, "kafka-python"))]
        )

    def do_round(self) -> None:
        """Measure each library once."""
        for name in starts.IMPORTS:
            self.found.try_one(name, lambda name=name: {"import": {"cpu": starts.measure_import(name)}}, ["import"])


KINDS = (Latencies, Batches, Rebalances, Restarts, Starts, Imports)
