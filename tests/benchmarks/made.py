"""Rows and runs as the benchmark makes them."""

from __future__ import annotations

from benchmarks.rows import Ratio, Row, Run


def ratio(value: float, measure: str = "x poll loop", *, is_higher_better: bool = True) -> Ratio:
    return Ratio(measure, value, value * 0.9, value * 1.1, is_higher_better)


def row(runner: str = "kafka-parallel", *ratios: Ratio, **changes) -> Row:
    figures = {"seconds": 2.0, "wall": 3.0, "cpu": 1.0, "peak": 50.0, "ideal": 1.0, "greedy": 1.5, "us": 4.0}
    return Row(**{
        "workload": "no-op", "kind": "nothing", "runner": runner, "records": 1000, "ratios": ratios,
        "figures": figures, **changes,
    })  # fmt: skip


def run(*rows: Row, has_peers: bool = False) -> Run:
    return Run("2026-01-31T12:00:00+00:00", {"processor": "one, 2 cores"}, 3, has_peers, rows)
