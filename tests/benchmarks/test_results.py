"""Ratios are taken within one round, and name their base."""

from __future__ import annotations

from benchmarks.costs.session import rows_of as cost_rows
from benchmarks.results import Result, rows_of
from benchmarks.runners.table import BY_NAME
from benchmarks.workloads import all_workloads


def result(workload, runner, *seconds, records=1000, reason="", **figures):
    rounds = [{"seconds": taken, "wall": 9.0, "cpu": 1.0, "peak": 10.0, **figures} for taken in seconds]
    return Result(all_workloads()[workload], BY_NAME[runner], records, rounds, reason)


def ratios(*results):
    return {row.runner: {ratio.measure: ratio for ratio in row.ratios} for row in rows_of(results)}


def test_a_drift_that_hits_both_sides_cancels_out():
    found = ratios(result("no-op", "poll loop", 1, 2, 4), result("no-op", "kafka-parallel", 2, 4, 8))

    ratio = found["kafka-parallel"]["x poll loop"]
    assert (ratio.value, ratio.low, ratio.high, ratio.is_higher_better) == (0.5, 0.5, 0.5, True)


def test_a_rate_counts_the_records_that_each_was_given():
    found = ratios(result("no-op", "poll loop", 1), result("no-op", "faststream kcm", 1, records=10))

    assert found["faststream kcm"]["x poll loop"].value == 0.01


def test_plugins_are_compared_with_the_same_runner_without_them():
    found = ratios(
        result("no-op", "poll loop", 1),
        result("no-op", "kafka-parallel, asyncio", 2),
        result("no-op", "kafka-parallel, asyncio, 3 plugins", 4),
    )

    assert found["kafka-parallel, asyncio, 3 plugins"]["x without plugins"].value == 0.5
    assert found["kafka-parallel, asyncio, 3 plugins"]["x poll loop"].value == 0.25
    assert "x without plugins" not in found["kafka-parallel, asyncio"]


def test_what_waits_is_compared_with_the_ideal_of_its_order():
    zipf = all_workloads()["5 ms, Zipf keys"]
    (row,) = rows_of([result("5 ms, Zipf keys", "kafka-parallel, by key", zipf.ideal("key") * 1.5)])

    assert round(row.ratios[0].value, 6) == 1.5
    assert row.figures["ideal"] == zipf.ideal("key") > zipf.ideal("none")


def test_memory_and_computing_are_better_if_they_are_less():
    memory = ratios(result("at rest", "naive pool", 1, peak=40), result("at rest", "kafka-parallel", 1, peak=20))
    computing = ratios(
        result("1 ms of Python", "poll loop", 8), result("1 ms of Python", "kafka-parallel, 2 processes", 4)
    )

    assert memory["kafka-parallel"]["x naive pool"].value == 0.5
    assert not memory["kafka-parallel"]["x naive pool"].is_higher_better
    assert computing["kafka-parallel, 2 processes"]["x time of one thread"].value == 0.5


def test_one_that_failed_keeps_its_reason_and_is_compared_with_nothing():
    (base, row) = rows_of([
        result("no-op", "poll loop", 1, reason="failed: no broker"), result("no-op", "kafka-parallel", 1),
    ])  # fmt: skip

    assert (base.reason, base.ratios, base.figures) == ("failed: no broker", (), {})
    assert row.ratios == ()


def test_a_cost_is_compared_with_the_smallest_size_of_its_round():
    rows = cost_rows("keys", {1: [2e-6, 4e-6], 10: [3e-6, 6e-6], 100: []}, {100: "failed: no memory"})

    assert [(row.runner, row.ratios[0].value) for row in rows[:2]] == [("1", 1.0), ("10", 1.5)]
    assert (rows[2].reason, rows[2].ratios) == ("failed: no memory", ())
