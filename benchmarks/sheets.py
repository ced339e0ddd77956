"""A run as tables of text, which a terminal and a page can show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from benchmarks.rows import Row, Run

TEXT = ("workload", "runner", "keeps every record", "order")
# The kinds of rows that say nothing about the promises of a runner.
WITHOUT_PROMISES = ("cost", "latency", "restart", "rebalance", "batches", "start", "import")


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
    words = TEXT[:2] if rows[0].kind in WITHOUT_PROMISES else TEXT
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


def _latency(row: Row) -> Sequence[str]:
    shown = [(f"{row.figures[name] * 1e3:.1f}", *_ratio(row, f"{name} x poll loop")) for name in ("p50", "p99")]
    return [cell for cells in shown for cell in cells]


def _restart(row: Row) -> Sequence[str]:
    return (f"{row.figures['seconds']:.2f}", *_ratio(row, "x poll loop"))


def _rebalance(row: Row) -> Sequence[str]:
    waits = (f"{row.figures[name]:.2f}" for name in ("join kept", "join moved", "leave kept", "leave moved"))
    return (*waits, *_ratio(row, "join, kept, x poll loop"), *_ratio(row, "leave, moved, x poll loop"))


def _batches(row: Row) -> Sequence[str]:
    rate, cost = (f"{row.figures['rate']:,.0f}", f"{row.figures['us']:.1f}")
    return (rate, *_ratio(row, "x poll loop"), cost, *_ratio(row, "cost x single records"))


def _start(row: Row) -> Sequence[str]:
    wall, cpu = (f"{row.figures[name]:.2f}" for name in ("wall", "cpu"))
    return (wall, cpu, *_ratio(row, "CPU x poll loop"))


def _import(row: Row) -> Sequence[str]:
    return (f"{row.figures['cpu'] * 1e3:.0f}", *_ratio(row, "x kafka-python"))


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
    "latency": (
        "From production to the handler",
        ("p50, ms", "p50 x poll loop", "p50 spread", "p99, ms", "p99 x poll loop", "p99 spread"),
        _latency,
    ),
    "restart": ("After a broker's restart", ("seconds", "x poll loop", "spread"), _restart),
    "rebalance": (
        "The longest wait of a record in a rebalance, in seconds",
        (
            "join, kept",
            "join, moved",
            "leave, kept",
            "leave, moved",
            "join, kept, x poll loop",
            "join spread",
            "leave, moved, x poll loop",
            "leave spread",
        ),
        _rebalance,
    ),
    "batches": (
        "A handler of batches that does nothing",
        ("records/s", "x poll loop", "spread", "CPU, us a record", "cost x single records", "cost spread"),
        _batches,
    ),
    "start": (
        "From the start of a program to its first record",
        ("wall, s", "CPU, s", "CPU x poll loop", "spread"),
        _start,
    ),
    "import": ("An import", ("CPU, ms", "x kafka-python", "spread"), _import),
}


def markdown(sheet: Sheet) -> str:
    """*sheet* as Markdown."""
    rule = ["---" if column in TEXT else "---:" for column in sheet.columns]
    lines = [sheet.columns, rule, *sheet.lines]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
