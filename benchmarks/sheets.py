"""A run as tables of text, which a terminal and a page can show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.rows import Row, Run

TEXT = ("workload", "runner", "keeps every record", "order")


@dataclass(frozen=True)
class Sheet:
    """One table.

    :ivar columns: headings; those in `TEXT` hold words, the others numbers.
    """

    title: str
    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def sheets(run: Run) -> Iterator[Sheet]:
    """The tables of *run*; none is empty."""
    for kind, (title, columns, cells) in _LAYOUTS.items():
        if rows := run.of_kind(kind):
            yield _sheet(title, columns, rows, cells)


def _sheet(title: str, columns: tuple[str, ...], rows: Sequence[Row], cells: Callable[[Row], Sequence[str]]) -> Sheet:
    words = TEXT[:2] if rows[0].kind == "cost" else TEXT
    lines = []
    for row in rows:
        numbers = (row.reason, *[""] * (len(columns) - 1)) if row.reason else cells(row)
        lines.append((row.workload, row.runner, *numbers, *([row.keeps, row.order] if len(words) == 4 else [])))
    return Sheet(title, (*words[:2], *columns, *words[2:]), tuple(lines))


def _nothing(row: Row) -> Sequence[str]:
    seconds, cpu = row.figures["seconds"], row.figures["cpu"]
    return (
        f"{row.records / seconds:,.0f}",
        *_ratio(row, "x poll loop"),
        _ratio(row, "x without plugins")[0],
        f"{cpu / row.records * 1e6:.1f}",
        f"{row.figures['wall']:.1f}",
    )


def _sleep(row: Row) -> Sequence[str]:
    ideal, greedy = row.figures["ideal"], row.figures["greedy"]
    bound = "" if row.order == "key" else f"{greedy / ideal:.2f}"
    found = _ratio(row, "x ideal")
    return (f"{row.figures['seconds']:.2f}", f"{ideal:.2f}", *found, bound, f"{row.figures['wall']:.1f}")


def _cpu(row: Row) -> Sequence[str]:
    return (f"{row.figures['seconds']:.2f}", *_ratio(row, "x time of one thread"), f"{row.figures['wall']:.1f}")


def _failing(row: Row) -> Sequence[str]:
    return (f"{row.figures['seconds']:.2f}", *_ratio(row, "x without failures", digits=3))


def _memory(row: Row) -> Sequence[str]:
    return (f"{row.figures['peak']:.0f}" if "peak" in row.figures else "", *_ratio(row, "x naive pool"))


def _cost(row: Row) -> Sequence[str]:
    return (f"{row.figures['us']:.2f}", *_ratio(row, "x smallest"))


def _ratio(row: Row, measure: str, digits: int = 2) -> tuple[str, str]:
    found = row.ratio(measure)
    if found is None:
        return "", ""
    return f"{found.value:.{digits}f}", f"{found.low:.{digits}f}-{found.high:.{digits}f}"


# Per kind of row: the title, the columns of numbers, and the function that fills them.
_LAYOUTS: dict[str, tuple[str, tuple[str, ...], Callable[[Row], Sequence[str]]]] = {
    "nothing": (
        "A handler that does nothing",
        ("records/s", "x poll loop", "spread", "x without plugins", "CPU, us a record", "wall, s"),
        _nothing,
    ),
    "sleep": (
        "Handlers that wait, as multiples of the ideal time",
        ("seconds", "ideal", "x ideal", "spread", "greedy x ideal", "wall, s"),
        _sleep,
    ),
    "cpu": (
        "A handler that computes, on two cores",
        ("seconds", "x time of one thread", "spread", "wall, s"),
        _cpu,
    ),
    "failing": (
        "Throughput of the records that do not fail, 16 at once",
        ("seconds", "x without failures", "spread"),
        _failing,
    ),
    "memory": ("Memory of the process", ("peak, MB", "x naive pool", "spread"), _memory),
    "cost": (
        "Our own cost per record as something grows, without Kafka",
        ("us a record", "x smallest", "spread"),
        _cost,
    ),
}


def markdown(sheet: Sheet) -> str:
    """*sheet* as Markdown."""
    rule = ["---" if column in TEXT else "---:" for column in sheet.columns]
    lines = [sheet.columns, rule, *sheet.lines]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
