"""Measure everything in turn and show it as ratios; absolute figures depend on the machine and its mood."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from kafka import KafkaProducer
from rich.console import Console
from rich.progress import Progress

from benchmarks.report import Result, tables
from benchmarks.workloads import PARTITIONS, VALUE_BYTES, Workload, all_workloads
from kafka_parallel.testing.broker import Broker, start_broker

NO_OP = ("poll loop", "poll loop, auto-commit", "kafka-parallel", "kafka-parallel, by key", "kafka-parallel, asyncio")
FAILING = ("retry, none fails", "retry, 50 fail 3 times")
SLEEPING = ("naive pool", "kafka-parallel", "kafka-parallel, by key", "kafka-parallel, asyncio")
# No single measurement may take longer, in seconds.
PATIENCE = 180


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each kind (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write all figures to this file")
    parser.add_argument("--only", choices=all_workloads(), help="measure one workload only")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds {options.rounds} must be at least 1")
    console = Console(width=110)
    chosen = [found for found in all_workloads().values() if options.only in (None, found.name)]
    with start_broker() as broker, Progress(console=console) as progress:
        results = [result for workload in chosen for result in measure(workload, broker, options.rounds, progress)]
    for table in tables(results):
        console.print(table)
    if options.json:
        options.json.write_text(json.dumps([result.as_json() for result in results], indent=1))
    return 0


def measure(workload: Workload, broker: Broker, rounds: int, progress: Progress) -> list[Result]:
    """Measure *workload* with every runner that fits, in turn: A B C A B C, so that a drift hits all of them."""
    runners = FAILING if workload.may_fail else NO_OP if workload.seconds is None else SLEEPING
    topic = fill(workload, broker)
    figures: dict[str, list[dict[str, float]]] = {runner: [] for runner in runners}
    bar = progress.add_task(workload.name, total=rounds * len(runners))
    for _ in range(rounds):
        for runner in runners:
            figures[runner].append(run_once(runner, workload, broker.bootstrap_servers, topic))
            progress.advance(bar)
    return [Result(workload, runner, middle(rows), rows) for runner, rows in figures.items()]


def fill(workload: Workload, broker: Broker) -> str:
    """Produce the workload's records into a topic of their own."""
    topic = f"bench-{time.time_ns()}"
    broker.create_topic(topic, PARTITIONS)
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers, acks="all", linger_ms=20)
    for number in range(workload.records):
        value = (b"%08d" % number).ljust(VALUE_BYTES, b".")
        producer.send(topic, key=b"key-%d" % workload.key(number), value=value)
    producer.flush()
    producer.close()
    return topic


def run_once(runner: str, workload: Workload, bootstrap: str, topic: str) -> dict[str, float]:
    """Measure once, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.runners", runner, workload.name, bootstrap, topic]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if done.returncode:
        raise RuntimeError(f"{runner!r} failed on {workload.name!r}:\n{done.stderr}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def middle(rows: list[dict[str, float]]) -> dict[str, float]:
    """The median of every figure."""
    return {name: median(row[name] for row in rows) for name in rows[0]}


if __name__ == "__main__":
    sys.exit(main())
