"""A regression is a ratio of ours that got worse than the median before; nothing else is."""

from __future__ import annotations

import sys

import pytest

from benchmarks import check, history
from tests.benchmarks.made import ratio, row, run


def found(*values, **changes):
    runs = [run(row("kafka-parallel", ratio(value, **changes))) for value in values]
    return list(check.regressions(runs, 0.15))


def test_a_rate_that_fell_is_named_with_its_row_and_both_values():
    (sentence,) = found(1.0, 1.0, 0.8)

    assert sentence == "'no-op', kafka-parallel: 0.80 x poll loop is 20% worse than the 1.00 of 2 earlier run(s)"


@pytest.mark.parametrize("values", [(1.0, 0.86), (1.0, 1.0), (1.0, 2.0)])
def test_a_rate_that_rose_or_fell_within_the_tolerance_is_fine(values):
    assert found(*values) == []


def test_for_a_time_more_is_worse():
    assert len(found(1.0, 1.2, measure="x ideal", is_higher_better=False)) == 1
    assert found(1.0, 0.5, measure="x ideal", is_higher_better=False) == []


def test_one_outlier_in_the_history_does_not_move_the_median():
    assert found(1.0, 1.0, 5.0, 0.95) == []
    assert len(found(1.0, 1.0, 0.1, 0.7)) == 1


def test_absolute_times_of_the_peers_and_rows_without_a_past_are_not_compared():
    slower = row("kafka-parallel", ratio(1.0), figures={"seconds": 99.0})
    peers = [row("aiokafka sem", ratio(value)) for value in (1.0, 0.1)]
    new = row("kafka-parallel, by key", ratio(0.1))

    runs = [run(row("kafka-parallel", ratio(1.0)), peers[0]), run(slower, peers[1], new)]

    assert list(check.regressions(runs, 0.15)) == []


def test_the_same_runner_on_another_workload_is_another_row():
    before, now = row("kafka-parallel", ratio(1.0)), row("kafka-parallel", ratio(0.1), workload="5 ms")

    assert list(check.regressions([run(before), run(now)], 0.15)) == []


@pytest.mark.parametrize(("values", "code"), [((), 2), ((1.0,), 2), ((1.0, 1.0), 0), ((1.0, 0.5), 1)])
def test_the_exit_code(values, code, tmp_path, monkeypatch, capsys):
    path = tmp_path / "history.jsonl"
    for value in values:
        history.append(run(row("kafka-parallel", ratio(value))), path)
    monkeypatch.setattr(sys, "argv", ["check", "--history", str(path)])

    assert check.main() == code
    assert len("".join(capsys.readouterr())) > 20


def test_a_run_comes_back_from_the_history_as_it_was(tmp_path):
    runs = [run(row("kafka-parallel", ratio(1.0))), run(row(reason="not installed"), has_peers=True)]
    for one in runs:
        history.append(one, tmp_path / "history.jsonl")

    assert history.read(tmp_path / "history.jsonl") == runs
