"""Run many seeds: ``python -m kafka_parallel.testing.simulation --seeds 10000``.

A seed that fails is printed with the smallest failing plan found from it. The exit code is 1 if one failed, 2 if the
arguments make no sense, 130 if the run was interrupted.
"""

from __future__ import annotations

import argparse
import logging
import secrets
import signal
import sys
import time
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from kafka_parallel.testing.simulation.shrink import report
from kafka_parallel.testing.simulation.sweep import Sweep, SweepError, keep, resumed

# The failing seeds that are looked at closely, and the interval between notes, in seconds.
MOST_REPORTS = 3
SAVE_EVERY = 5.0


def main(arguments: list[str] | None = None) -> int:
    """Run the seeds on all cores."""
    options = _parser().parse_args(arguments)
    try:
        sweep = _sweep(options)
        _run(sweep, options.state)
        if options.keep is not None and sweep.failed:
            keep(options.keep, sweep.failed)
    except SweepError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except BrokenProcessPool:
        sys.stderr.write("error: a process of the run died or hung; its stacks are above\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write(
            f"interrupted{f': run it again with --state {options.state} to go on' * bool(options.state)}\n"
        )
        return 130
    logging.disable(logging.CRITICAL)
    for seed in [*sweep.failed][:MOST_REPORTS]:
        sys.stdout.write(report(seed) + "\n")
    for seed, what in [*sweep.failed.items()][MOST_REPORTS:]:
        sys.stdout.write(f"seed {seed}: {what}\n")
    sys.stdout.write(
        f"{sweep.done} seeds from {sweep.first}: {sweep.records} records, {sweep.repeats} repeats, "
        f"{len(sweep.failed)} failed, {sweep.seconds:.0f} s\n"
    )
    if options.state is not None:
        options.state.unlink(missing_ok=True)
    return 1 if sweep.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kafka_parallel.testing.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many (default: %(default)s)")
    parser.add_argument("--first", type=int, help="the first seed (default: drawn anew each time)")
    parser.add_argument("--keep", type=Path, help="a file of regression cases, to which failing seeds are added")
    parser.add_argument("--state", type=Path, help="a file for notes, by which an interrupted run goes on")
    return parser


def _sweep(options: argparse.Namespace) -> Sweep:
    first = secrets.randbelow(1 << 40) if options.first is None else options.first
    return (options.state and resumed(options.state, options.seeds)) or Sweep(first, options.seeds)


def _run(sweep: Sweep, state: Path | None) -> None:
    """Run it with a progress bar, and write notes now and then."""
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        *Progress.get_default_columns()[:2],
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[failed]} failed"),
    )
    before, began, saved = sweep.seconds, time.monotonic(), time.monotonic()
    if state is not None:
        sweep.save(state)  # before the work: better to learn now that it cannot be done
    with Progress(*columns) as progress:
        task = progress.add_task("seeds", total=sweep.seeds, completed=sweep.done, failed=len(sweep.failed))
        for done in sweep.run():
            sweep.seconds = before + time.monotonic() - began
            progress.update(task, completed=done, failed=len(sweep.failed))
            if state is not None and time.monotonic() - saved > SAVE_EVERY:
                sweep.save(state)
                saved = time.monotonic()


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):  # else SIGTERM leaves the other processes, and "&" ignores SIGINT
        signal.signal(number, signal.default_int_handler)
    sys.exit(main())
