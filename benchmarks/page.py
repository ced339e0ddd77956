"""A run as a page of the documentation."""

from __future__ import annotations

from benchmarks.panels import panels, text_plot
from benchmarks.rows import Run
from benchmarks.sheets import markdown, sheets

HEAD = """\
# {title}

Made by `{command}` on {day}: {rounds} round(s), everything in turn within each round, each measurement in a
process of its own, medians. Made anew by every run; the results of earlier runs are in `benchmarks/history.jsonl`.

Absolute figures hold for one machine on one day. **Compare the ratios**: each of them is taken within
one round.
"""

NOTES = """\
## How it is measured

- Topic of 4 partitions, values of 100 bytes (2,000 for memory), 1,000 keys, 64 handlers at once unless the
  workload says otherwise. Zipf keys: s = 1.1.
- *seconds* go from the first handler's start to the last one's end inside the process; *wall* has starting,
  joining the group and leaving it too.
- *ideal* is all handler time shared out evenly over the handlers that may run at once, or the longest chain
  of one key if that is larger and the runner keeps key order. *greedy* is the cost of taking records in order
  with no overhead at all: without knowledge of handler times, no scheduler does better on average.
- *spread* is the smallest and the largest ratio of a round.
- *keeps every record*: whether a crash or a handler that raises can lose one. *order*: which records are
  handled one at a time, in offset order.
- *x without plugins*: with `timing-metrics`, `retry` and `dlq` switched on, and nothing failing.
- Slow peers get fewer records if the handler does nothing; the rate counts these.
- *cost by ...* is processor time of the library alone: records made beforehand, no broker, a handler that
  does nothing; the least of three in a process.
- Python programs collect garbage once before the clock starts. Otherwise the collector would look through
  their imported objects during the measurement of some, for 20 to 40 ms, and not of others.
- Memory is the largest resident size (VmHWM) of the process that consumes. *at rest*: 64 records in all.

## How to reproduce

`make bench` measures kafka-parallel and the recipes with kafka-python in about 9 minutes, `make bench-peers`
the peers too in about 20. Both install their requirements: a Kafka, and an environment per peer in `.bench/` with
the versions of `benchmarks/environments.py`. The Java program needs `java`, `javac` and `mvn`,
pyrallel-consumer needs Python 3.12. The table names the peers that cannot be installed.
`python -m benchmarks.check` compares the newest run's ratios with earlier ones.
"""


def page(run: Run, picture: str = "") -> str:
    """The page of *run*, with the picture of that name if there is one."""
    command = "make bench-peers" if run.has_peers else "make bench"
    title = "Benchmarks beside other consumers" if run.has_peers else "Benchmarks"
    head = HEAD.format(title=title, command=command, day=run.at[:10], rounds=run.rounds)
    return assembled(run, head, NOTES, picture)


def assembled(run: Run, head: str, notes: str, picture: str) -> str:
    """A page that begins with *head*, shows the figures of *run* and ends with *notes*; ``""`` = no picture."""
    image = [f"![The ratios as bars]({picture})\n"] if picture else []
    tables = [f"## {sheet.title}\n\n{markdown(sheet)}\n" for sheet in sheets(run)]
    plots = "\n\n".join(text_plot(panel) for panel in panels(run))
    plot = f"## The ratios as text\n\nSolid bars are kafka-parallel.\n\n```text\n{plots}\n```\n"
    machine = "\n".join(f"| {name} | {value} |" for name, value in run.machine.items())
    return "\n".join([head, *image, *tables, plot, f"## Machine\n\n| | |\n|---|---|\n{machine}\n", notes])
