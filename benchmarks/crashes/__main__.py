"""Kill consumers in the middle of their work, in turn, and write docs/benchmarks/crashes.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
from datetime import datetime, timezone
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from benchmarks.crashes.kills import Kill, kill
from benchmarks.crashes.lives import Consumer
from benchmarks.crashes.page import Kills, page
from benchmarks.crashes.scenarios import CONSUMERS, SCENARIOS, Scenario
from benchmarks.machine import facts
from benchmarks.program import run_program
from benchmarks.publish import DOCS
from kafka_parallel.testing.broker import Broker, start_broker


def main() -> int:
    """Run the benchmark."""
    options = _options()
    console = Console(width=None if sys.stdout.isatty() else 150)
    with start_broker() as broker, Progress(console=console) as progress:
        found = {each.name: _measure(each, broker, options, progress) for each in SCENARIOS}
        written = page(found, facts(broker.kind), datetime.now(timezone.utc).date())
    console.print(written, markup=False, highlight=False)
    if not options.dry:
        (DOCS / "crashes.md").write_text(written, encoding="utf-8")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.crashes", description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="kills of each consumer (default: %(default)s)")
    parser.add_argument("--dry", action="store_true", help="write no page")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds} must be at least 1")
    return options


def _measure(scenario: Scenario, broker: Broker, options: argparse.Namespace, progress: Progress) -> Kills:
    bar = progress.add_task(scenario.name, total=options.rounds * len(CONSUMERS))
    kills: dict[Consumer, list[Kill]] = {consumer: [] for consumer in CONSUMERS}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(options.rounds):
            for consumer, found in kills.items():
                found.append(kill(consumer, scenario, broker, Path(folder)))
                progress.advance(bar)
    return kills


if __name__ == "__main__":
    run_program(main)
