"""What was measured, as tables of ratios."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from benchmarks.workloads import Workload


@dataclass(frozen=True)
class Result:
    """One runner on one workload.

    :ivar middle: the median of each figure: ``seconds`` from the first handler's start to the last one's end, ``wall``
        with joining the group and leaving it, ``cpu``.
    :ivar rows: the figures of every measurement.
    """

    workload: Workload
    runner: str
    middle: dict[str, float]
    rows: list[dict[str, float]]

    @property
    def ordering(self) -> str:
        """What order the runner keeps."""
        return "key" if self.runner.endswith("by key") else "unordered"

    def as_json(self) -> dict[str, Any]:
        """Everything, for a history."""
        return {
            "workload": self.workload.name,
            "records": self.workload.records,
            "runner": self.runner,
            "ideal": self.workload.ideal(self.ordering),
            "median": self.middle,
            "rows": self.rows,
        }


def tables(results: Sequence[Result]) -> Iterator[Table]:
    """One table for the handler that does nothing, one for those that wait."""
    fast = [result for result in results if result.workload.seconds is None]
    slow = [result for result in results if result.workload.seconds is not None and not result.workload.may_fail]
    failing = [result for result in results if result.workload.may_fail]
    if fast:
        yield _fast(fast)
    if slow:
        yield _slow(slow)
    if failing:
        yield _failing(failing)


def _fast(results: Sequence[Result]) -> Table:
    shown = Table(title=f"A handler that does nothing, {results[0].workload.records:,} records", title_justify="left")
    for column in ("", "records/s", "x poll loop", "CPU, us a record"):
        shown.add_column(column, justify="left" if not column else "right")
    base = next(result for result in results if result.runner == "poll loop").middle["seconds"]
    for result in results:
        count, seconds = result.workload.records, result.middle["seconds"]
        cpu = result.middle["cpu"] / count * 1e6
        shown.add_row(result.runner, f"{count / seconds:,.0f}", f"{base / seconds:.2f}", f"{cpu:.1f}")
    return shown


def _slow(results: Sequence[Result]) -> Table:
    shown = Table(title="Handlers that wait, 64 at once, as multiples of the ideal time", title_justify="left")
    for column in ("workload", "", "seconds", "ideal", "x ideal", "greedy x ideal", "spread"):
        shown.add_column(column, justify="left" if column in ("workload", "") else "right")
    for result in results:
        shown.add_row(*_slow_row(result))
    return shown


def _failing(results: Sequence[Result]) -> Table:
    shown = Table(title="Throughput of the records that do not fail, 16 at once", title_justify="left")
    for column in ("", "seconds", "x without failures", "spread"):
        shown.add_column(column, justify="left" if not column else "right")
    base = results[0].middle["seconds"]
    for result in results:
        spread = [base / row["seconds"] for row in result.rows]
        seconds = result.middle["seconds"]
        shown.add_row(result.runner, f"{seconds:.2f}", f"{base / seconds:.3f}", f"{min(spread):.3f}-{max(spread):.3f}")
    return shown


def _slow_row(result: Result) -> tuple[str, ...]:
    ideal, seconds = result.workload.ideal(result.ordering), result.middle["seconds"]
    spread = [row["seconds"] / ideal for row in result.rows]
    greedy = "" if result.ordering == "key" else f"{result.workload.greedy() / ideal:.2f}"
    return (
        result.workload.name,
        result.runner,
        f"{seconds:.2f}",
        f"{ideal:.2f}",
        f"{seconds / ideal:.2f}",
        greedy,
        f"{min(spread):.2f}-{max(spread):.2f}",
    )
