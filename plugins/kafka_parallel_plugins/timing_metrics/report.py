"""How a snapshot is shown to people: lines for a log, tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from kafka_parallel import ConfigurationError
from kafka_parallel_plugins.timing_metrics.snapshot import Distribution, LastMinute, Snapshot, TimeTaker, TopicTimings
from kafka_parallel_plugins.timing_metrics.units import rate_text, share_text, time_text

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ()

OUTCOMES = ("handled", "failed", "retried", "skipped", "halted")
# The least columns that tables are printed for: where a terminal has fewer it breaks the lines, and no number is cut.
LEAST_WIDTH = 80
# The smallest share of the time that is worth a line.
WORTH_TELLING = 0.01
# How many of them a line of the log tells.
TOLD_IN_LOG = 3


def lines(snapshot: Snapshot) -> Iterator[str]:
    """Return one line per topic, one for the loop, and one for the partitions and keys that took the time."""
    recent = snapshot.last_minute
    for topic, timings in snapshot.topics.items():
        outcomes = ", ".join(f"{name} {getattr(timings, name)}" for name in OUTCOMES)
        yield f"{topic}: {outcomes}; " + "; ".join(f"{name} {_line(spread)}" for name, spread in _durations(timings))
        if topic in recent.topics:
            yield f"{topic}, last {time_text(recent.seconds * 1000)}: {_recent_line(recent.topics[topic])}"
    commits = snapshot.commits
    yield (
        f"commits {commits.count}, failures {commits.failures}, {_line(commits.duration_ms)}; "
        f"back-pressure {time_text(snapshot.backpressure_ms)}"
    )
    worst = (_worth_telling(found)[:TOLD_IN_LOG] for found in (recent.slowest_partitions, recent.slowest_keys))
    takers = [taker for found in worst for taker in found]
    if takers:
        told = ", ".join(f"{_name(taker)} {time_text(taker.took_ms)} ({share_text(taker.share)})" for taker in takers)
        yield f"time of handlers in the last {time_text(recent.seconds * 1000)}: {told}"


def console() -> Console:
    """Return the console that tables go to: standard error, so that standard output stays the program's own.

    :raises ConfigurationError: rich is not installed.
    """
    try:
        from rich.console import Console
    except ImportError as error:
        raise ConfigurationError(
            "timing-metrics: report=True needs the package rich: install 'kafka-parallel[metrics]', or leave report out"
        ) from error
    return Console(stderr=True)


def print_tables(snapshot: Snapshot, console: Console) -> None:
    """Print the whole of *snapshot*."""
    console.width = max(console.width, LEAST_WIDTH)
    console.print(*_tables(snapshot), sep="\n")


def _tables(snapshot: Snapshot) -> Iterator[Table]:
    recent = snapshot.last_minute
    yield _durations_table("since the start", snapshot.topics, {"commit": snapshot.commits.duration_ms})
    yield _counts_table(snapshot)
    if recent.topics:
        yield _durations_table(f"last {time_text(recent.seconds * 1000)}", recent.topics, {})
        yield _rates_table(snapshot)
    takers = [*_worth_telling(recent.slowest_partitions), *_worth_telling(recent.slowest_keys)]
    if takers:
        yield _takers_table(recent, takers)


def _durations_table(title: str, topics: Mapping[str, TopicTimings], others: Mapping[str, Distribution]) -> Table:
    table = _table(title, "count", "p50", "p95", "p99", "max")
    for topic, timings in topics.items():
        for name, spread in _durations(timings):
            table.add_row(f"{topic} {name}", *_cells(spread))
    for name, spread in others.items():
        table.add_row(name, *_cells(spread))
    return table


def _counts_table(snapshot: Snapshot) -> Table:
    table = _table("counts", *OUTCOMES)
    for topic, timings in snapshot.topics.items():
        table.add_row(topic, *(str(getattr(timings, name)) for name in OUTCOMES))
    table.caption = (
        f"commits {snapshot.commits.count}, failures {snapshot.commits.failures}; "
        f"back-pressure {time_text(snapshot.backpressure_ms)}"
    )
    return table


def _rates_table(snapshot: Snapshot) -> Table:
    recent = snapshot.last_minute
    table = _table("handled per second", f"last {time_text(recent.seconds * 1000)}", "since the start")
    for topic, timings in snapshot.topics.items():
        of_late = recent.topics[topic].per_second if topic in recent.topics else 0.0
        table.add_row(topic, rate_text(of_late), rate_text(timings.per_second))
    return table


def _takers_table(recent: LastMinute, takers: Sequence[TimeTaker]) -> Table:
    from rich.text import Text  # a key may look like the markup of rich

    table = _table(f"handlers' time, last {time_text(recent.seconds * 1000)}", "time", "share")
    for taker in takers:
        table.add_row(Text(_name(taker)), time_text(taker.took_ms), share_text(taker.share))
    return table


def _table(title: str, *numbers: str) -> Table:
    from rich.table import Table

    table = Table(title=f"timing-metrics: {title}")
    table.add_column("", overflow="fold")  # where there is too little room a name is broken, and no number
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _durations(timings: TopicTimings) -> Iterator[tuple[str, Distribution]]:
    yield "queue", timings.queue_ms
    yield "handler", timings.handler_ms
    yield "end-to-end", timings.end_to_end_ms


def _line(spread: Distribution) -> str:
    quantiles = (("p50", spread.p50), ("p95", spread.p95), ("p99", spread.p99), ("max", spread.max))
    return " ".join(f"{name} {time_text(value)}" for name, value in quantiles)


def _recent_line(timings: TopicTimings) -> str:
    return f"handled {rate_text(timings.per_second)}; " + "; ".join(
        f"{name} {_line(spread)}" for name, spread in _durations(timings)
    )


def _cells(spread: Distribution) -> Iterator[str]:
    yield str(spread.count)
    yield from map(time_text, (spread.p50, spread.p95, spread.p99, spread.max))


def _worth_telling(takers: Sequence[TimeTaker]) -> list[TimeTaker]:
    return [taker for taker in takers if taker.share >= WORTH_TELLING]


def _name(taker: TimeTaker) -> str:
    """The partition, and the key in plain characters or its hash."""
    place = f"{taker.topic}[{taker.partition}]"
    if taker.key is not None:
        return f"{place} key {taker.key!r}"
    return place if taker.key_hash is None else f"{place} key #{taker.key_hash}"
