"""The page of the documentation about delays."""

from __future__ import annotations

from benchmarks.delays import latency, rebalances, restarts
from benchmarks.page import assembled
from benchmarks.rows import Run

HEAD = """\
# Delays and batches

Made by `make bench-delays` on {day}: {rounds} round(s), everything in turn within each round, each measurement in a
process of its own, medians. The machine's load was {load}.

Absolute figures hold for one machine on one day. **Compare the ratios**: each of them is taken within one round.
"""
NOTES = f"""\
## How it is measured

- Topic of 4 partitions, settings as installed: order per key, 16 workers, auto-commit. *poll loop* is kafka-python's
  `poll()` with the handler called one by one; *aiokafka loop* the same with `getmany()`. *spread* is the smallest and
  the largest ratio of a round.
- *From production to the handler*: from `send()` to the handler's first line, by one clock of the machine. *beside a
  stuck key*: {latency.STUCK_RECORDS:,} records of one key wait in another partition, and the handler of the first one
  never ends. *beside a bulk topic*: {latency.BULK_RECORDS:,} records of another topic wait, each takes its handler
  5 ms, and there are {latency.BULK_WORKERS} workers. A loop bears neither: the stuck record would stop it for ever, and
  it calls the handler 190 times a second with what it has fetched of the bulk topic before it comes to a timed record.
  So both are compared with a loop that has nothing else to do.
- *A handler of batches*: as in the other benchmarks of a handler that does nothing; *CPU* has starting and leaving too.
  The poll loop commits after each poll. *aiokafka lists* calls the handler with the list of each partition.
- *rebalance*: {rebalances.RATE} records a second arrive while a second member joins, and leaves again. The figures are
  the longest wait of a record from its production to its handler, of the partitions that the first member keeps and
  of those that move.
- *restart*: the broker is killed (SIGKILL), and comes back after {restarts.DOWN_S:.0f} s and the time that it takes to
  start; all consumers live through the same restart. The time goes from there to the first new record of the last
  partition.
- *start*: from the start of the process to its first handler, in a new group. *import*: processor time of a Python that
  imports the library and ends; kafka-parallel's import has kafka-python's in it.

## How to reproduce

`make bench-delays` takes about 25 minutes on a machine that does nothing else. It installs a Kafka, and aiokafka and
matplotlib in `.bench/`. `python -m benchmarks.delays --only latency --dry` measures one kind and writes nothing.
"""


def page(run: Run, load: str, picture: str = "") -> str:
    """The page of *run*, with the picture of that name if there is one."""
    head = HEAD.format(day=run.at[:10], rounds=run.rounds, load=load)
    return assembled(run, head, NOTES, picture)
