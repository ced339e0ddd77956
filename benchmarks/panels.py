"""A run as bars: the base of both the picture and the plot in text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.rows import Row, Run

WIDTH = 40
# The measure that a kind of row is drawn by, and where the best possible or the compared one is.
MEASURES = {
    "nothing": "x poll loop",
    "sleep": "x ideal",
    "cpu": "x time of one thread",
    "memory": "x naive pool",
    "cost": "x smallest",
    "latency": "p50 x poll loop",
    "restart": "x poll loop",
    "rebalance": "join, kept, x poll loop",
    "batches": "x poll loop",
    "start": "CPU x poll loop",
    "import": "x kafka-python",
}


@dataclass(frozen=True)
class Panel:
    """Bars of one workload.

    :ivar measure: the base of which the bars are multiples.
    :ivar bars: name, value, and whether it is ours.
    """

    title: str
    measure: str
    is_higher_better: bool
    bars: tuple[tuple[str, float, bool], ...]

    @property
    def heading(self) -> str:
        """Title, measure and direction."""
        return f"{self.title}: {self.measure} ({'higher' if self.is_higher_better else 'lower'} is better)"


def panels(run: Run) -> Iterator[Panel]:
    """One panel per workload, best bars first; costs stay in the order of their sizes."""
    for workload in dict.fromkeys(row.workload for row in run.rows):
        rows = [row for row in run.rows if row.workload == workload]
        if (panel := _panel(workload, rows)) is not None:
            yield panel


def _panel(workload: str, rows: list[Row]) -> Panel | None:
    measure = MEASURES.get(rows[0].kind, "")
    found = [(row, ratio) for row in rows if (ratio := row.ratio(measure)) is not None]
    if not found:
        return None
    is_higher_better = found[0][1].is_higher_better
    if rows[0].kind != "cost":
        found.sort(key=lambda pair: pair[1].value, reverse=is_higher_better)
    bars = tuple((row.runner, ratio.value, row.is_ours) for row, ratio in found)
    return Panel(workload, measure, is_higher_better, bars)


def text_plot(panel: Panel) -> str:
    """*panel* in characters: ours solid, the others hollow."""
    longest = max(value for _, value, _ in panel.bars)
    margin = max(len(name) for name, _, _ in panel.bars)
    lines = [panel.heading]
    for name, value, is_ours in panel.bars:
        length = max(1, round(value / longest * WIDTH))
        lines.append(f"  {name:<{margin}}  {('█' if is_ours else '░') * length} {value:.2f}")
    return "\n".join(lines)
