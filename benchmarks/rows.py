"""The results of a run: plain data that can be stored, compared and shown."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Ratio:
    """A figure that can be compared between machines.

    :ivar measure: its base, such as "x ideal".
    :ivar value: the median over the rounds.
    :ivar low: the smallest.
    :ivar high: the largest.
    :ivar is_higher_better: which way is an improvement.
    """

    measure: str
    value: float
    low: float
    high: float
    is_higher_better: bool


@dataclass(frozen=True)
class Row:
    """One runner on one workload, or one size of something whose cost should not grow.

    :ivar kind: the behaviour of the handler (see `Workload`), or "cost", or a kind of `benchmarks.delays`.
    :ivar figures: medians: ``seconds`` from the first handler's start to the last one's end, ``wall`` with starting,
        joining and leaving, ``cpu`` seconds, ``peak`` megabytes, ``ideal`` and ``greedy`` seconds, ``us`` a record.
        Those of `benchmarks.delays` are explained on its page.
    :ivar reason: why there are no figures; empty if there are.
    """

    workload: str
    kind: str
    runner: str
    records: int
    keeps: str = "yes"
    order: str = "none"
    ratios: tuple[Ratio, ...] = ()
    figures: dict[str, float] = field(default_factory=dict)
    reason: str = ""

    @property
    def is_ours(self) -> bool:
        """True if it measures this project."""
        return self.kind == "cost" or self.runner.startswith("kafka-parallel")

    def ratio(self, measure: str) -> Ratio | None:
        """The ratio of that name."""
        return next((ratio for ratio in self.ratios if ratio.measure == measure), None)


@dataclass(frozen=True)
class Run:
    """Everything that was measured in one session.

    :ivar at: when, in ISO 8601.
    :ivar machine: the machine, as names and values.
    :ivar has_peers: whether the peers were measured too.
    """

    at: str
    machine: dict[str, str]
    rounds: int
    has_peers: bool
    rows: tuple[Row, ...]

    def of_kind(self, kind: str) -> list[Row]:
        """The rows of that kind."""
        return [row for row in self.rows if row.kind == kind]

    def to_json(self) -> str:
        """As one line."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> Run:
        """Read the output of `to_json`."""
        found = json.loads(line)
        return cls(**{**found, "rows": tuple(_row(row) for row in found["rows"])})


def _row(found: dict[str, Any]) -> Row:
    return Row(**{**found, "ratios": tuple(Ratio(**ratio) for ratio in found["ratios"])})
