"""How a snapshot is shown to people: lines for a log, tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kafka_parallel import ConfigurationError
from kafka_parallel_plugins.timing_metrics.snapshot import Distribution, Snapshot, TopicTimings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ()

OUTCOMES = ("handled", "failed", "retried", "skipped", "halted")


def lines(snapshot: Snapshot) -> Iterator[str]:
    """Return one line per topic and one for the loop."""
    for topic, timings in snapshot.topics.items():
        outcomes = ", ".join(f"{name} {getattr(timings, name)}" for name in OUTCOMES)
        yield f"{topic}: {outcomes}; " + "; ".join(f"{name} {_line(spread)}" for name, spread in _durations(timings))
    commits = snapshot.commits
    yield (
        f"commits {commits.count}, failures {commits.failures}, {_line(commits.duration_ms)}; "
        f"back-pressure {snapshot.backpressure_ms:.0f} ms"
    )


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


def tables(snapshot: Snapshot) -> Iterator[Table]:
    """Return a table of durations and one of counts."""
    yield _durations_table(snapshot)
    yield _counts_table(snapshot)


def _durations_table(snapshot: Snapshot) -> Table:
    durations = _table("milliseconds", "", "count", "p50", "p95", "p99", "max")
    for topic, timings in snapshot.topics.items():
        for name, spread in _durations(timings):
            durations.add_row(f"{topic} {name}", *_cells(spread))
    durations.add_row("commit", *_cells(snapshot.commits.duration_ms))
    return durations


def _counts_table(snapshot: Snapshot) -> Table:
    counts = _table("counts", "", *OUTCOMES)
    for topic, timings in snapshot.topics.items():
        counts.add_row(topic, *(str(getattr(timings, name)) for name in OUTCOMES))
    counts.caption = (
        f"commits {snapshot.commits.count}, failures {snapshot.commits.failures}; "
        f"back-pressure {snapshot.backpressure_ms:.0f} ms"
    )
    return counts


def _table(title: str, first: str, *numbers: str) -> Table:
    from rich.table import Table

    table = Table(title=f"timing-metrics: {title}")
    table.add_column(first, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def _durations(timings: TopicTimings) -> Iterator[tuple[str, Distribution]]:
    yield "queue", timings.queue_ms
    yield "handler", timings.handler_ms
    yield "end-to-end", timings.end_to_end_ms


def _line(spread: Distribution) -> str:
    return f"p50 {spread.p50:.1f} p95 {spread.p95:.1f} p99 {spread.p99:.1f} max {spread.max:.1f} ms"


def _cells(spread: Distribution) -> Iterator[str]:
    yield str(spread.count)
    yield from (f"{value:,.2f}" for value in (spread.p50, spread.p95, spread.p99, spread.max))
