"""Measures every size of an axis in turn, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from statistics import median

from benchmarks.costs.axes import Axis
from benchmarks.environments import ROOT, last_words
from benchmarks.results import ratio
from benchmarks.rows import Row

PATIENCE = 120


def measure(axis: Axis, rounds: int, did: Callable[[], None]) -> list[Row]:
    """The rows of *axis*; *did* is called after each measurement."""
    found: dict[int, list[float]] = {size: [] for size in axis.sizes}
    reasons: dict[int, str] = {}
    for _ in range(rounds):
        for size in axis.sizes:
            if size not in reasons:
                _measure_once(axis, size, found[size], reasons)
            did()
    return rows_of(axis.name, found, reasons)


def rows_of(axis: str, found: dict[int, list[float]], reasons: dict[int, str]) -> list[Row]:
    """Each size beside the smallest one, round by round."""
    base, workload = found[min(found)], f"cost by {axis}"
    rows = []
    for size, costs in found.items():
        row = Row(workload, "cost", f"{size:,}", size, reason=reasons.get(size, ""))
        if not row.reason and len(base) == len(costs):
            shown = ratio(
                "x smallest", [own / first for own, first in zip(costs, base, strict=True)], is_higher_better=False
            )
            row = Row(workload, "cost", f"{size:,}", size, ratios=(shown,), figures={"us": median(costs) * 1e6})
        rows.append(row)
    return rows


def _measure_once(axis: Axis, size: int, costs: list[float], reasons: dict[int, str]) -> None:
    command = [sys.executable, "-m", "benchmarks.costs", axis.name, str(size)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        reasons[size] = f"it took longer than {PATIENCE} s"
        return
    if done.returncode:
        reasons[size] = f"failed: {last_words(done.stderr)}"
        return
    costs.append(float(done.stdout))
