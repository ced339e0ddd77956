"""The picture of one frame of ``kafka-parallel top``: tables that fit into 80 columns, the worst rows first."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kafka_parallel.cli.output import printable

__all__ = ()

# Lines that a table takes beside its rows.
AROUND_TABLE = 2
# The most reasons that are shown as sentences.
MOST_REASONS = 3
# The fewest rows that a table shows where there is no room, and the lines of the head without sentences.
FEWEST_ROWS = 3
HEAD = 3
UNKNOWN = "-"
# The causes that are limits of the buffer: their names alone would say that records are waited for.
FULL = {"records": "buffer full", "bytes": "buffer full"}


def view(frame: Mapping[str, Any], width: int, height: int | None) -> RenderableType:
    """The picture of *frame*.

    :param width: columns of the terminal.
    :param height: its lines; ``None`` = as many as there are.
    """
    if "unknown" in frame:
        return Text(f"pid {frame['pid']}: {printable(frame['unknown'])}", style="bold yellow")
    topics, partitions = frame["topics"], sorted(frame["partitions"], key=_worst_first)
    running = sorted(frame["running"], key=lambda record: -record["running_ms"])
    keys = frame.get("slow_keys", ())
    wanted = [len(topics), len(partitions), len(running), *([len(keys)] if keys else ())]
    least = HEAD + len(wanted) * (FEWEST_ROWS + AROUND_TABLE)
    head = [*_head(frame), *_sentences(frame["reasons"], width, None if height is None else height - least)]
    rows = _share(None if height is None else height - len(head), wanted)
    reasons = {(reason["topic"], reason["partition"]): reason for reason in reversed(frame["reasons"])}
    return Group(
        Text("\n".join(head), no_wrap=True, overflow="ellipsis"),
        _topics(topics[: rows[0]], len(topics)),
        _partitions(partitions[: rows[1]], len(partitions), reasons, width),
        _running(running[: rows[2]], len(running), width),
        *([_slow_keys(keys[: rows[3]], len(keys), width)] if keys else ()),
    )


def _share(height: int | None, wanted: Sequence[int]) -> list[int]:
    """How many rows each table gets: short ones all of theirs, the others the same number."""
    if height is None:
        return list(wanted)
    left = height - len(wanted) * AROUND_TABLE
    rows = [0] * len(wanted)
    for place in sorted(range(len(wanted)), key=wanted.__getitem__):
        tables = sum(1 for number in rows if not number)
        rows[place] = min(wanted[place], max(FEWEST_ROWS, left // max(1, tables)))
        left -= rows[place]
    return rows


def _worst_first(partition: Mapping[str, Any]) -> tuple[bool, float, str, int]:
    return (partition["lag"] is None, -(partition["lag"] or 0), partition["topic"], partition["partition"])


def _head(frame: Mapping[str, Any]) -> list[str]:
    counts = frame["statistics"]
    state = frame["state"] if frame["error"] is None else f"{frame['state']} by {frame['error']}"
    commits = f"{counts['commits']} commits" + f", {counts['commit_failures']} failed" * bool(counts["commit_failures"])
    work = f"{counts['in_flight']} in flight, {counts['buffered']} buffered, {counts['waiting']} wait for a retry"
    return [
        f"{printable(frame['group'] or 'no group')}  pid {frame['pid']}  {state}",
        f"{work}, {counts['failed']} failed",
        f"last poll {duration(counts['since_poll_ms'])} ago, {commits}",
    ]


def _sentences(reasons: Sequence[Mapping[str, Any]], width: int, most: int | None) -> list[str]:
    """The worst reasons, in at most so many lines."""
    lines: list[str] = []
    for reason in reasons[:MOST_REASONS]:
        found = textwrap.wrap(printable(reason["sentence"], 3 * width), width)
        if most is not None and len(lines) + len(found) > most:
            break
        lines += found
    return lines


def _topics(topics: Sequence[Mapping[str, Any]], count: int) -> Table:
    table = _table("topics", count, len(topics), "topic", "rec/s", "failed/s", "p50", "p99", "running", "oldest", "lag")
    for topic in topics:
        oldest = duration(topic["longest_running_ms"] or None)
        table.add_row(_text(topic["topic"]), *_pace(topic), number(topic["running"]), oldest, number(topic["lag"]))
    return table


def _partitions(
    partitions: Sequence[Mapping[str, Any]],
    count: int,
    reasons: Mapping[tuple[str, int], Mapping[str, Any]],
    width: int,
) -> Table:
    shown = len(partitions)
    table = _table("partitions", count, shown, "partition", "rec/s", "p50", "p99", "lag", "unfinished", "waits for")
    table.columns[-1].justify = "left"
    for found in partitions:
        reason = reasons.get((found["topic"], found["partition"]))
        rate, _, p50, p99 = _pace(found)
        name = named(found, max(16, width - 64))
        table.add_row(
            _text(name),
            rate,
            p50,
            p99,
            number(found["lag"]),
            number(found["unfinished"]),
            _text(waits_for(found, reason)),
        )
    return table


def _running(running: Sequence[Mapping[str, Any]], count: int, width: int) -> Table:
    table = _table("workers", count, len(running), "worker", "record", "for", "try", "at")
    for column in (1, 4):
        table.columns[column].justify = "left"
    for record in running:
        more = f" +{record['batch_size'] - 1}" if record["batch_size"] > 1 else ""
        key = f" {printable(record['key'], 20)}" if "key" in record else ""
        table.add_row(
            _text(record["worker"] or UNKNOWN, 16),
            _text(f"{named(record, max(20, width - 60))}@{record['offset']}{more}{key}"),
            duration(record["running_ms"]),
            str(record["attempt"]),
            _text(_short(record["place"]), 24),
        )
    return table


def _slow_keys(keys: Sequence[Mapping[str, Any]], count: int, width: int) -> Table:
    """The keys that took the time of the last seconds; consumers tell them only if they were asked to."""
    table = _table("slow keys", count, len(keys), "key", "partition", "handled for", "share")
    for found in keys:
        time, share = duration(found["handling_ms"]), f"{100 * found['share']:.0f} %"
        table.add_row(_text(found["key"], 40), _text(named(found, max(16, width - 56))), time, share)
    return table


def named(partition: Mapping[str, Any], most: int) -> str:
    """The name of a partition in *most* characters: of a long one the topic is cut, not the number."""
    topic, end = printable(partition["topic"]), f"[{partition['partition']}]"
    return topic + end if len(topic + end) <= most else f"{topic[: most - len(end) - 1]}…{end}"


def waits_for(partition: Mapping[str, Any], reason: Mapping[str, Any] | None) -> str:
    """The cause for which a partition does not go on, in a few words.

    :param reason: the worst one that the consumer gives; ``None`` if nothing stands still.
    """
    if reason is not None:
        lasts = f" for {duration(reason['lasts_ms'])}" * bool(reason["lasts_ms"])
        return f"{FULL.get(reason['cause'], reason['cause'])}{lasts}"
    if partition["paused_by"]:
        return f"paused: {', '.join(partition['paused_by'])}"
    if partition["unfinished"]:
        return f"offset {partition['head_offset']}"
    return "idle" if partition["lag"] == 0 else ""


def _pace(found: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return (
        number(found["per_second"]),
        number(found["failed_per_second"]),
        duration(found["p50_ms"]),
        duration(found["p99_ms"]),
    )


def _table(title: str, count: int, shown: int, first: str, *others: str) -> Table:
    more = f"{shown} of " if count > shown else ""
    table = Table(title=f"{title}: {more}{count}", title_justify="left", title_style="bold", box=None, expand=True,
                  padding=(0, 1, 0, 0))  # fmt: skip
    table.add_column(first, no_wrap=True, overflow="ellipsis", ratio=2, min_width=12)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True, overflow="ellipsis")
    return table


def _text(value: object, most: int = 60) -> Text:
    return Text(printable(value, most))


def _short(place: str | None) -> str:
    """The last part of a path, with its line."""
    return UNKNOWN if place is None else place.rsplit("/", 1)[-1]


def number(value: float | None) -> str:
    """A number in a few characters: three digits at least."""
    if value is None:
        return UNKNOWN
    for bound, divisor, unit in ((9999.5, 1, ""), (9.9995e6, 1e3, "k"), (9.9995e9, 1e6, "M"), (9.9995e12, 1e9, "G")):
        if value < bound:
            return f"{_one_decimal(value / divisor)}{unit}"
    return f"{_one_decimal(value / 1e12)}T"


def _one_decimal(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}".removesuffix(".0")


def duration(milliseconds: float | None) -> str:
    """A duration in the unit that people read, in at most eight characters."""
    if milliseconds is None:
        return UNKNOWN
    for bound, divisor, unit in ((1, 1e-3, "us"), (1e3, 1, "ms"), (6e4, 1e3, "s"), (3.6e6, 6e4, "min")):
        if milliseconds < bound:
            return f"{_three_digits(milliseconds / divisor)} {unit}"
    return f"{_three_digits(milliseconds / 3.6e6)} h"


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
