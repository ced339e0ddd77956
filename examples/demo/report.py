"""The demo's final report, computed from the handlers' own notes and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from rich.table import Table

from kafka_parallel.testing.history import Entry, Kind, Produced, Verdict, judge, read

NANOSECONDS = 1e9


@dataclass(frozen=True)
class Pace:
    """How fast records were handled.

    :ivar rate: records per second of work; the time between a kill and the restart's first record does not count.
    :ivar p50: median handler time, in milliseconds.
    :ivar p99: its 99th percentile.
    """

    rate: float
    p50: float
    p99: float


def pace(entries: Sequence[Entry]) -> Pace:
    """Compute the pace from a history."""
    started: dict[tuple[int, int, int], int] = {}
    times: list[float] = []
    worked: dict[int, list[int]] = {}
    for entry in entries:
        place = (entry.run, entry.partition, entry.offset)
        if entry.kind == Kind.START:
            started[place] = entry.at
            worked.setdefault(entry.run, []).append(entry.at)
        elif entry.kind == Kind.END:
            times.append((entry.at - started.pop(place)) / NANOSECONDS * 1000)
            worked[entry.run].append(entry.at)
    seconds = sum(max(moments) - min(moments) for moments in worked.values()) / NANOSECONDS
    cuts = quantiles(times, n=100)
    return Pace(len(times) / seconds, cuts[49], cuts[98])


def table(plain: Pace, parallel: Pace, verdict: Verdict, committed: str) -> Table:
    """Show both side by side, and the judge's findings."""
    shown = Table(title="kafka-parallel beside a plain poll loop", title_justify="left")
    shown.add_column("")
    shown.add_column("poll loop", justify="right")
    shown.add_column("kafka-parallel", justify="right")
    shown.add_row("records/s", f"{plain.rate:,.0f}", f"{parallel.rate:,.0f}")
    shown.add_row("speed-up", "1", f"{parallel.rate / plain.rate:.1f}")
    shown.add_row(
        "handler p50 / p99, ms", f"{plain.p50:.1f} / {plain.p99:.1f}", f"{parallel.p50:.1f} / {parallel.p99:.1f}"
    )
    shown.add_row("lost", "", str(len(verdict.lost)))
    shown.add_row("reordered within a key", "", str(len(verdict.reordered) + len(verdict.overlapping)))
    shown.add_row("repeated after the SIGKILL", "", str(verdict.repeated))
    shown.add_row("committed", "", committed)
    return shown


def verdict_of(path: Path, produced: Produced) -> Verdict:
    """Let the judge read the history."""
    return judge(read(path), produced, lane="key")
