"""The page of the documentation about kills."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from statistics import median

from benchmarks.crashes.kills import Kill
from benchmarks.crashes.lives import Consumer
from benchmarks.crashes.scenarios import RECORDS

HEAD = """\
# Repeats after a crash

Made by `make bench-crashes` on {day}: the consumers in turn, medians with the smallest and the largest. SIGKILL comes
at a random moment between a third and two thirds of {records:,} records; the same consumer then goes on until its group
has committed everything.

- *finished*: records that were finished before the kill. *in flight*: records that had begun and were not finished,
  which every consumer repeats.
- *repeated*: finished records that were handled again, counted from the history that the handlers write. *in the last
  interval*: records that were finished within one commit interval before the kill; the offset map promises to repeat
  no others. A commit takes some milliseconds, which come on top.
- *oldest*: how long before the kill the first of the repeated records was finished, in the worst round.
- *x Java*: *repeated* beside the best Java consumer with a commit interval of 1,000 ms.
- Keys: 1,000, in order per key. *lost* are records whose handler never ended, before the kill or after, though the
  group has committed them; *reordered* began before an earlier one of their key had ended. Both in all rounds together.
- `LoggedConsumer.java` and `logged_consumer.py` are the programs, with the same arguments.
"""
COLUMNS = (
    "consumer",
    "commit interval, ms",
    "kills",
    "finished",
    "in flight",
    "repeated",
    "in the last interval",
    "oldest, ms",
    "x Java",
    "lost",
    "reordered",
)
Kills = Mapping[Consumer, Sequence[Kill]]


def page(found: Mapping[str, Kills], machine: Mapping[str, str], day: date) -> str:
    """The page of the kills in each scenario."""
    head = HEAD.format(day=day, records=RECORDS)
    tables = [f"## {name}\n\n{table(kills)}\n" for name, kills in found.items()]
    facts = "\n".join(f"| {name} | {value} |" for name, value in machine.items())
    return "\n".join([head, *tables, f"## Machine\n\n| | |\n|---|---|\n{facts}\n"])


def table(kills: Kills) -> str:
    """A table in Markdown, a line for each consumer."""
    best = best_of_java(kills)
    lines = [COLUMNS, ("---", *["---:"] * (len(COLUMNS) - 1))]
    lines += [_line(consumer, found, best) for consumer, found in kills.items() if found]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def best_of_java(kills: Kills) -> float | None:
    """The median of what the best Java consumer repeats that commits once a second; None if there is none."""
    leaders = [consumer for consumer in kills if consumer.is_java and consumer.commit_interval_ms == 1000]
    return min((median(each.repeated for each in kills[leader]) for leader in leaders if kills[leader]), default=None)


def _line(consumer: Consumer, kills: Sequence[Kill], best: float | None) -> tuple[str, ...]:
    ratio = median(each.repeated for each in kills) / best if best else None
    return (
        consumer.name,
        f"{consumer.commit_interval_ms:,}",
        str(len(kills)),
        _spread([each.finished for each in kills]),
        _spread([each.in_flight for each in kills]),
        _spread([each.repeated for each in kills]),
        _spread([each.recent for each in kills]),
        f"{max(each.oldest_ms for each in kills):,.0f}",
        "" if ratio is None else f"{ratio:.2f}",
        str(sum(each.lost for each in kills)),
        str(sum(each.reordered for each in kills)),
    )


def _spread(values: Sequence[int]) -> str:
    return f"{median(values):,.0f} ({min(values):,}-{max(values):,})"
