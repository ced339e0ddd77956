"""From the figures of each round to ratios: always within one round, so that a machine's mood hits both sides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.rows import Ratio, Row
from benchmarks.runners.table import Runner
from benchmarks.workloads import Workload

Figures = Mapping[str, float]


@dataclass
class Result:
    """The result of one runner on one workload.

    :ivar records: how many records it was given.
    :ivar rounds: the figures of each measurement, in order.
    :ivar reason: why it was not measured to the end; empty if it was.
    """

    workload: Workload
    runner: Runner
    records: int
    rounds: list[Figures] = field(default_factory=list)
    reason: str = ""


def rows_of(results: Sequence[Result]) -> list[Row]:
    """The rows of one workload."""
    return [_row(result, {other.runner.name: other for other in results}) for result in results]


def _row(result: Result, others: Mapping[str, Result]) -> Row:
    workload, runner = result.workload, result.runner
    row = Row(workload.name, workload.kind, runner.name, result.records, runner.keeps, runner.order)
    if result.reason or not result.rounds:
        return Row(**{**vars(row), "reason": result.reason or "it was not measured"})
    figures = {name: median(found[name] for found in result.rounds) for name in result.rounds[0]}
    if workload.kind == "sleep":
        figures |= {"ideal": workload.ideal(runner.order), "greedy": workload.greedy()}
    return Row(**{**vars(row), "figures": figures, "ratios": tuple(_ratios(result, others))})


def _ratios(result: Result, others: Mapping[str, Result]) -> list[Ratio]:
    kind, runner = result.workload.kind, result.runner
    if kind == "sleep":
        ideal = result.workload.ideal(runner.order)
        return [ratio("x ideal", [found["seconds"] / ideal for found in result.rounds], is_higher_better=False)]
    if kind == "nothing":
        compared = [("x poll loop", "poll loop", _rate), ("x without plugins", runner.without, _rate)]
    elif kind == "failing":
        compared = [("x without failures", "kafka-parallel, none fails", _rate)]
    elif kind == "cpu":
        compared = [("x time of one thread", "poll loop", _seconds)]
    else:
        compared = [("x naive pool", "naive pool", _peak)]
    found = (_compared(measure, result, others.get(base), of) for measure, base, of in compared)
    return [ratio for ratio in found if ratio is not None]


def _compared(measure: str, result: Result, base: Result | None, of: Callable[[Result, int], float]) -> Ratio | None:
    """Compare round by round."""
    if base is None or base.reason:
        return None
    values = [of(result, number) / of(base, number) for number in range(min(len(result.rounds), len(base.rounds)))]
    return ratio(measure, values, is_higher_better=of is _rate)


def _rate(result: Result, number: int) -> float:
    return result.records / result.rounds[number]["seconds"]


def _seconds(result: Result, number: int) -> float:
    return result.rounds[number]["seconds"]


def _peak(result: Result, number: int) -> float:
    return result.rounds[number]["peak"]


def ratio(measure: str, values: Sequence[float], *, is_higher_better: bool) -> Ratio:
    """The median of *values* and how far they spread."""
    return Ratio(measure, median(values), min(values), max(values), is_higher_better)
