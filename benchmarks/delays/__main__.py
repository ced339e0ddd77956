"""Measure the delays that throughput does not show, in turn, and write docs/benchmarks/delays.md."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from benchmarks import history
from benchmarks.delays.kinds import KINDS
from benchmarks.delays.page import page
from benchmarks.machine import facts
from benchmarks.program import run_program
from benchmarks.publish import DOCS, draw, show
from benchmarks.rows import Row, Run
from kafka_parallel.testing.broker import Broker, start_broker


def main() -> int:
    """Run the benchmark."""
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 150)
    before = os.getloadavg()[0]
    with start_broker() as broker, Progress(console=console) as progress:
        rows = _measure(broker, options, progress)
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    run = Run(now, facts(broker.kind), options.rounds, has_peers=True, rows=tuple(rows))
    show(run, console)
    if not options.only and not options.dry:
        _store(run, f"{before:.1f} before and {os.getloadavg()[0]:.1f} after", console)
    return 0


def _options() -> argparse.Namespace:
    names = [kind.name for kind in KINDS]
    parser = argparse.ArgumentParser(prog="benchmarks.delays", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each kind (default: %(default)s)")
    parser.add_argument("--only", action="append", default=[], choices=names, help="measure this; store nothing")
    parser.add_argument("--dry", action="store_true", help="store nothing")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds} must be at least 1")
    return options


def _measure(broker: Broker, options: argparse.Namespace, progress: Progress) -> Sequence[Row]:
    chosen = [kind for kind in KINDS if not options.only or kind.name in options.only]
    bar = progress.add_task("rounds", total=options.rounds * len(chosen))
    with tempfile.TemporaryDirectory() as folder:
        kinds = [kind(broker, Path(folder)) for kind in chosen]
        for _ in range(options.rounds):
            for kind in kinds:
                kind.do_round()
                progress.advance(bar)
    return [row for kind in kinds for row in kind.found.rows()]


def _store(run: Run, load: str, console: Console) -> None:
    history.append(run)
    place = DOCS / "delays.md"
    picture = place.with_suffix(".png")
    if problem := draw(picture):
        console.print(f"no picture: {problem}")
    place.write_text(page(run, load, "" if problem else picture.name), encoding="utf-8")


if __name__ == "__main__":
    run_program(main)
