"""From the figures of each round to rows: every ratio is taken within one round."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.results import ratio
from benchmarks.rows import Row
from benchmarks.session import NotMeasured

Figures = Mapping[str, float]
Place = tuple[str, str]


@dataclass(frozen=True)
class Compared:
    """One ratio of a kind of row.

    :ivar figure: the figure that is compared.
    :ivar base: from the workload and the runner of a row to those of the row that it is compared with.
    """

    measure: str
    figure: str
    base: Callable[[str, str], Place]
    is_higher_better: bool = False


@dataclass
class Found:
    """The figures of one kind of row, round by round.

    :ivar compared: the ratios of each row.
    """

    kind: str
    compared: Sequence[Compared]
    rounds: dict[Place, list[Figures]] = field(default_factory=dict)
    reasons: dict[Place, str] = field(default_factory=dict)

    def try_one(self, runner: str, measure: Callable[[], Mapping[str, Figures]], workloads: Sequence[str]) -> None:
        """Note the figures of *measure*, by workload, unless the runner failed there before; a failure is noted."""
        if any((workload, runner) in self.reasons for workload in workloads):
            return
        try:
            for workload, figures in measure().items():
                self.note(workload, runner, figures)
        except NotMeasured as reason:
            for workload in workloads:
                self.fail(workload, runner, str(reason))

    def note(self, workload: str, runner: str, figures: Figures) -> None:
        """Note the figures of one round."""
        self.rounds.setdefault((workload, runner), []).append(figures)

    def fail(self, workload: str, runner: str, reason: str) -> None:
        """Note why there are no figures."""
        self.rounds.setdefault((workload, runner), [])
        self.reasons[workload, runner] = reason

    def rows(self) -> list[Row]:
        """A row for each runner and workload, those of one workload together."""
        order = {workload: number for number, workload in enumerate(dict.fromkeys(place[0] for place in self.rounds))}
        return [self._row(*place) for place in sorted(self.rounds, key=lambda place: order[place[0]])]

    def _row(self, workload: str, runner: str) -> Row:
        rounds, reason = self.rounds[workload, runner], self.reasons.get((workload, runner), "")
        if reason or not rounds:
            return Row(workload, self.kind, runner, 0, reason=reason or "it was not measured")
        figures = {name: median(found[name] for found in rounds) for name in rounds[0]}
        return Row(workload, self.kind, runner, 0, figures=figures, ratios=tuple(self._ratios(workload, runner)))

    def _ratios(self, workload: str, runner: str) -> Sequence[object]:
        found = []
        for each in self.compared:
            base = each.base(workload, runner)
            own, others = self.rounds[workload, runner], self.rounds.get(base, [])
            if base not in self.reasons and len(own) == len(others):
                values = [mine[each.figure] / other[each.figure] for mine, other in zip(own, others, strict=True)]
                found.append(ratio(each.measure, values, is_higher_better=each.is_higher_better))
        return found
