"""Run many seeds: ``python -m kafka_parallel.testing.simulation --seeds 10000``; a failing seed is printed."""

from __future__ import annotations

import argparse
import logging
import secrets
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from kafka_parallel.testing.simulation.scenario import Simulation

BATCH = 50


def run_batch(count: int, first: int) -> tuple[int, int, list[str]]:
    """Run *count* seeds from *first* on; return records, repeats and what failed."""
    logging.disable(logging.CRITICAL)
    records, repeats, failed = 0, 0, []
    for seed in range(first, first + count):
        try:
            run = Simulation(seed).run()
        except Exception as error:  # noqa: BLE001 - any failure is a finding
            failed.append(f"seed {seed}: {type(error).__name__}: {error}")
        else:
            records, repeats = records + run.records, repeats + run.repeats
    return records, repeats, failed


def main() -> int:
    """Run the seeds on all cores; 1 if one failed."""
    parser = argparse.ArgumentParser(prog="kafka_parallel.testing.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many (default: %(default)s)")
    parser.add_argument("--first", type=int, help="the first seed (default: drawn anew each time)")
    options = parser.parse_args()
    if options.seeds < 1 or (options.first or 0) < 0:
        parser.error("--seeds must be at least 1 and --first at least 0")
    first = secrets.randbelow(1 << 40) if options.first is None else options.first
    firsts = range(first, first + options.seeds, BATCH)
    counts = [min(BATCH, first + options.seeds - begin) for begin in firsts]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        results = list(pool.map(run_batch, counts, firsts))
    failed = [line for _, _, lines in results for line in lines]
    records, repeats = sum(count for count, _, _ in results), sum(count for _, count, _ in results)
    lines = [*failed, f"{options.seeds} seeds from {first}: {records} records, {repeats} repeats, {len(failed)} failed"]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
