"""Measure everything in turn and show it as ratios; absolute figures depend on the machine and its mood."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import datetime, timezone

from rich.console import Console
from rich.progress import Progress

from benchmarks.costs.axes import AXES, Axis
from benchmarks.costs.session import measure as measure_cost
from benchmarks.machine import facts
from benchmarks.program import run_program
from benchmarks.publish import show, store
from benchmarks.results import rows_of
from benchmarks.rows import Row, Run
from benchmarks.runners.table import entrants
from benchmarks.session import Session
from benchmarks.workloads import Workload, all_workloads
from kafka_parallel.testing.broker import Broker, start_broker

COSTS = "costs"


def main() -> int:
    """Run the benchmark."""
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 150)
    workloads = [found.scaled(options.scale) for name, found in all_workloads().items() if _is_chosen(name, options)]
    axes = AXES if _is_chosen(COSTS, options) else ()
    with start_broker() as broker, Progress(console=console) as progress:
        rows = [*_measure(workloads, broker, options, progress), *_measure_costs(axes, options.rounds, progress)]
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    run = Run(now, facts(broker.kind), options.rounds, options.peers, tuple(rows))
    show(run, console)
    if options.scale == 1 and not options.only and not options.dry:
        store(run, console)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each kind (default: %(default)s)")
    parser.add_argument("--peers", action="store_true", help="measure other consumers too")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        choices=[*all_workloads(), COSTS],
        help="measure this only; store nothing",
    )
    parser.add_argument("--scale", type=float, default=1, help="share of the records, up to 1; below, store nothing")
    parser.add_argument("--dry", action="store_true", help="store nothing")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds} must be at least 1")
    if not 0 < options.scale <= 1:
        parser.error(f"--scale {options.scale} must be above 0 and at most 1")
    return options


def _is_chosen(name: str, options: argparse.Namespace) -> bool:
    return not options.only or name in options.only


def _measure(
    workloads: Sequence[Workload], broker: Broker, options: argparse.Namespace, progress: Progress
) -> list[Row]:
    plan = [(workload, entrants(workload.name, with_peers=options.peers)) for workload in workloads]
    needed = dict.fromkeys(runner.environment for _, runners in plan for runner in runners)
    bar = progress.add_task("making the environments", total=None)
    session = Session(broker, needed)
    progress.remove_task(bar)
    rows: list[Row] = []
    for workload, runners in plan:
        bar = progress.add_task(workload.name, total=options.rounds * len(runners))
        rows += rows_of(session.measure(workload, runners, options.rounds, lambda bar=bar: progress.advance(bar)))
    return rows


def _measure_costs(axes: Sequence[Axis], rounds: int, progress: Progress) -> list[Row]:
    rows: list[Row] = []
    for axis in axes:
        bar = progress.add_task(f"cost by {axis.name}", total=rounds * len(axis.sizes))
        rows += measure_cost(axis, rounds, lambda bar=bar: progress.advance(bar))
    return rows


if __name__ == "__main__":
    run_program(main)
