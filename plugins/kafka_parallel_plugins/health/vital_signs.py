"""The facts of this moment, asked for so that the consumer's lock cannot hold up a probe."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from kafka_parallel.plugin_support import get_logger
from kafka_parallel_plugins.background_server import Inquiry
from kafka_parallel_plugins.health.health_checks import Observation, Standstills

if TYPE_CHECKING:
    from kafka_parallel.facts import Facts

__all__ = ()

T = TypeVar("T")

log = get_logger("kafka_parallel_plugins.health")


class VitalSigns:
    """Observes one consumer. Any thread may ask.

    :param clock: the consumer's monotonic clock.
    :param watches_partitions: whether to note how long partitions stand still.
    """

    def __init__(self, facts: Facts, clock: Callable[[], float], *, watches_partitions: bool) -> None:
        self._facts = facts
        self._clock = clock
        self._standstills = Standstills() if watches_partitions else None
        self._facts_asked = Inquiry(lambda: self._aloud(self._observe), "kafka-parallel-health-facts")
        self._reasons_asked = Inquiry(lambda: self._aloud(self._explain), "kafka-parallel-health-reasons")
        self._has_failed = False

    def observe(self) -> Future[Observation]:
        """Begin to observe, unless an observation is under way; those who wait for it set the time limit."""
        return self._facts_asked.put()

    def explain(self) -> Future[list[str]]:
        """Begin to look for the reasons for which the run does not go on, in the same way."""
        return self._reasons_asked.put()

    def _aloud(self, act: Callable[[], T]) -> T:
        """Do *act*; log the first error, for those who asked only say that there was one."""
        try:
            return act()
        except Exception:
            if not self._has_failed:
                self._has_failed = True
                log.exception("the facts about the consumer cannot be had: probes fail, or have no sentences")
            raise

    def _explain(self) -> list[str]:
        return [found.sentence for found in self._facts.explain()]

    def _observe(self) -> Observation:
        facts = self._facts
        statistics, still = facts.statistics(), {}
        if self._standstills is not None:
            still = self._standstills.look(statistics, facts.progress(), facts.running(), self._clock())
        return Observation(
            statistics=statistics,
            state=facts.state,
            error=facts.error,
            has_joined=facts.has_joined,
            is_rebalancing=facts.is_rebalancing,
            is_stopping=facts.is_stopping,
            still=still,
        )
