"""Simulated runs with the plugin: instances start, stop, are killed and frozen; each seed is the same each time."""

from __future__ import annotations

import gc
import logging
import threading
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from dataclasses import replace
from typing import Any

from kafka_parallel import Halt, RecordContext, Skip, hookimpl
from kafka_parallel.testing._plugin_contract.plugin_under_test import PluginUnderTest
from kafka_parallel.testing.fake import FakeCluster
from kafka_parallel.testing.simulation.checker import Checker
from kafka_parallel.testing.simulation.current_record import has_current_record
from kafka_parallel.testing.simulation.drawing import draw
from kafka_parallel.testing.simulation.plan import Event, Plan
from kafka_parallel.testing.simulation.scenario import Simulation

__all__: list[str] = []

ROUGH: frozenset[Event] = frozenset({"kill", "freeze", "expire", "stop", "start"})


class AnswersSeen:
    """Tells the checker of records that a guest has answered for, in the handler's place."""

    def __init__(self, checker: Checker, name: str) -> None:
        self._checker = checker
        self._name = name

    @hookimpl(wrapper=True)
    def on_record(self, context: RecordContext) -> Generator[None, Any, Any]:
        """Tell the checker."""
        result = yield
        if isinstance(result, Skip):
            self._checker.answered(self._name, context.raw)
        return result


class SeededRuns:
    """The simulated runs of a contract.

    :param make: makes the plugin, as an item of ``plugins=[...]``.
    :param topics: further topics to create.
    :param decides: the classes of answers that the plugin gives in ``on_error``.
    :param ordering: of the consumer.
    :param has_child_wrapper: whether it has code for other processes.
    :param leaves_out_records: whether it answers for records.
    :param patience: seconds after which a run that stands still is given up.
    """

    def __init__(
        self,
        make: Callable[[FakeCluster], Any],
        topics: dict[str, int],
        decides: Collection[type],
        *,
        ordering: str,
        has_child_wrapper: bool,
        leaves_out_records: bool,
        patience: float,
    ) -> None:
        self._make = make
        self._topics = topics
        self._may_halt = Halt in decides
        self._ordering = ordering
        self._has_child_wrapper = has_child_wrapper
        self._leaves_out_records = leaves_out_records
        self._patience = patience

    def mistakes(self, count: int) -> Iterator[str]:
        """Run *count* seeds; say which promise is broken first."""
        for _, seed in zip(range(count), self._seeds(), strict=False):
            found = self._broken_by(seed)
            if found:
                yield f"seed {seed} of the simulation: {found}"
                return

    def _seeds(self) -> Iterator[int]:
        """Seeds in which instances come and go, and no shipped plugin does what the plugin under test may do."""
        for seed in range(100_000):
            plan = draw(seed)
            events = {event for _, event in plan.events}
            has_processes = "process-pool" in plan.executor
            if not events & ROUGH or plan.has_map or has_current_record(plan):
                continue
            if not (has_processes and self._has_child_wrapper):  # which the simulated processes do not know
                yield seed

    def _plan(self, seed: int) -> Plan:
        plan = draw(seed)
        alone: dict[str, Any] = {
            "hostile": 0.0, "dead_letters": False, "limit": None, "retry_topics": (), "backoff": None, "breaker": None,
            "pace": None, "adaptive": None, "kept_out": 0.0, "has_guests": True,
        }  # fmt: skip
        lanes = "unordered" if self._ordering == "unordered" else plan.lanes
        return replace(plan, **alone, lanes=lanes, is_halting=plan.is_halting or self._may_halt)

    def _guests(self, cluster: FakeCluster, checker: Checker, name: str) -> Sequence[object]:
        for topic, partitions in self._topics.items():
            if not cluster.partitions_of(topic):
                cluster.create_topic(topic, partitions)
        guest = PluginUnderTest(self._make(cluster)).item
        return [guest, AnswersSeen(checker, name)] if self._leaves_out_records else [guest]

    def _broken_by(self, seed: int) -> str:
        """Run one seed, on a thread that can be given up; say what is broken."""
        found = [f"the run stands still after {self._patience:g} s: a hook waits for something that never comes"]

        def run() -> None:
            try:
                Simulation(seed, self._plan(seed), self._guests).run()
            except BaseException as error:  # noqa: BLE001 - any failure is a finding
                found[0] = f"{type(error).__name__}: {error}"
            else:
                found[0] = ""

        thread = threading.Thread(target=run, name="contract-simulation", daemon=True)
        logging.disable(logging.CRITICAL)
        try:
            thread.start()
            thread.join(self._patience)
        finally:
            logging.disable(logging.NOTSET)
            if thread.is_alive():
                gc.enable()  # the simulation had it off
        return found[0]
