"""The consumers whose delays are compared; the first is the base of all ratios."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.runners.table import OWN


@dataclass(frozen=True)
class Entrant:
    """One consumer.

    :ivar entry: ``module:function`` in `benchmarks.delays.programs`.
    :ivar environment: which environment it needs; see `benchmarks.environments`.
    """

    name: str
    entry: str
    environment: str = OWN

    @property
    def is_ours(self) -> bool:
        """True if it is kafka-parallel."""
        return self.name.startswith("kafka-parallel")


POLL_LOOP = Entrant("poll loop", "poll_loop:run")
OURS = Entrant("kafka-parallel", "ours:run")
OURS_ASYNCIO = Entrant("kafka-parallel, asyncio", "ours:run_asyncio")
AIOKAFKA = Entrant("aiokafka loop", "aiokafka_loop:run", "aiokafka")
ENTRANTS = (POLL_LOOP, OURS, OURS_ASYNCIO, AIOKAFKA)
