"""A ratio is worse only if nearly all rounds say so; rounds that contradict each other give no verdict."""

from __future__ import annotations

import sys

import pytest

from benchmarks.bounds import __main__ as bounds
from benchmarks.bounds import ratios
from benchmarks.bounds.verdicts import Verdict, judge
from benchmarks.results import Result
from benchmarks.runners.table import BY_NAME
from benchmarks.session import NotMeasured
from benchmarks.workloads import all_workloads


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((1.0, 1.1, 1.2, 1.1, 1.0), Verdict.FINE),
        ((1.3, 1.3, 1.3, 1.3, 1.3), Verdict.FINE),
        ((1.6, 1.5, 1.7, 1.6, 1.6), Verdict.WORSE),
        ((1.0, 1.5, 1.7, 1.6, 1.6), Verdict.WORSE),
        ((1.2, 1.25, 1.4, 1.4, 1.4), Verdict.NONE),
        ((0.5, 1.0, 1.6, 2.0, 9.0), Verdict.NONE),
        ((0.2, 0.5, 1.0, 1.2, 9.0), Verdict.NONE),
        ((2.5, 3.0, 4.0, 5.0, 6.0), Verdict.WORSE),
        ((1.4, 3.0, 4.0, 5.0, 6.0), Verdict.NONE),
        ((9.0, 9.0, 9.0), Verdict.NONE),
        ((), Verdict.NONE),
    ],
)
def test_the_verdict(values, verdict):
    assert judge(values, 1.3).verdict is verdict


def test_the_extremes_of_a_disturbed_round_are_no_spread():
    assert judge((0.1, 1.0, 1.0, 1.1, 5.0), 1.3).spread == pytest.approx(0.1)


@pytest.mark.parametrize(("value", "code"), [(0.9, 0), (1.5, 1)])
def test_the_exit_code_and_the_lines(value, code, monkeypatch, capsys):
    found = {name: [bound * value] * 5 for name, bound in ratios.BOUNDS.items()}
    monkeypatch.setattr(bounds, "measure", lambda _: found)
    monkeypatch.setattr(sys, "argv", ["bounds"])

    assert bounds.main() == code

    *lines, summary = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [*ratios.BOUNDS]
    assert summary.startswith(f"{0 if code else len(ratios.BOUNDS)} fine")


def test_a_time_that_is_over_leaves_ratios_without_a_verdict(monkeypatch, capsys):
    monkeypatch.setattr(bounds, "measure", lambda _: dict.fromkeys(ratios.BOUNDS, ()))
    monkeypatch.setattr(sys, "argv", ["bounds"])

    assert bounds.main() == 0
    assert f"{len(ratios.BOUNDS)} without a verdict (" in (said := capsys.readouterr().out)
    assert "none began within --seconds" in said


def test_a_runner_that_fails_is_a_failure_and_says_why(monkeypatch, capsys):
    def fail(_):
        raise NotMeasured("kafka-parallel: failed: OSError: no broker")

    monkeypatch.setattr(bounds, "measure", fail)
    monkeypatch.setattr(sys, "argv", ["bounds"])

    assert bounds.main() == 1
    assert "OSError: no broker" in capsys.readouterr().err


class Session:
    """Measures runners at once: each has its cost in every round."""

    def __init__(self, costs, reason=""):
        self._costs, self._reason = costs, reason

    def measure(self, workload, runners, rounds, did):
        figures = [[{"cpu": self._costs[runner.name], "seconds": 1.0}] * rounds for runner in runners]
        return [
            Result(workload, runner, 1, found, self._reason) for runner, found in zip(runners, figures, strict=True)
        ]


def made(monkeypatch, costs, reason=""):
    monkeypatch.setattr(ratios, "Session", lambda *_: Session(costs, reason))
    return ratios.Ratios(None, None, 2)


COSTS = {
    "poll loop": 1.0, "kafka-parallel": 2.0, "kafka-parallel, by key": 3.0, "kafka-parallel, asyncio": 4.0,
    "kafka-parallel, batches of 1,000": 5.0,
}  # fmt: skip


def test_each_cost_is_compared_with_the_loop_and_batches_with_single_records(monkeypatch):
    found = made(monkeypatch, COSTS)._of_no_op()

    assert [*found.values()] == [[2.0] * 2, [3.0] * 2, [4.0] * 2, [2.5] * 2]


def test_a_runner_that_was_not_measured_stops_the_run(monkeypatch):
    with pytest.raises(NotMeasured, match="poll loop: it took longer"):
        made(monkeypatch, COSTS, "it took longer")._of_no_op()


def test_every_part_has_its_bounds(monkeypatch):
    monkeypatch.setattr(ratios.latency, "measure", lambda *_, **__: {500: ratios.latency.Lateness(1.0, 2.0)})
    monkeypatch.setattr(ratios.starts, "measure_start", lambda *_, **__: ratios.starts.ColdStart(1.0, 2.0))
    monkeypatch.setattr(ratios.starts, "measure_import", lambda _: 1.0)
    monkeypatch.setattr(ratios.queue, "cost_of", lambda *_, **__: 1.0)

    found = {name: values for part in made(monkeypatch, COSTS).parts for name, values in part().items()}

    assert found.keys() == ratios.BOUNDS.keys()
    assert found["64 at once for 5 ms, time x ideal"] == [1 / all_workloads()["5 ms"].scaled(0.25).ideal("none")] * 2
    assert all(len(values) == 2 for values in found.values())
    assert all(name in BY_NAME for name in ratios._NO_OP.values())


@pytest.mark.parametrize("seconds", ["0", "-1", "nan"])
def test_no_time_at_all_is_refused(monkeypatch, capsys, seconds):
    monkeypatch.setattr(sys, "argv", ["bounds", f"--seconds={seconds}"])

    with pytest.raises(SystemExit, match="2"):
        bounds.main()

    assert f"--seconds {seconds} must be above 0" in capsys.readouterr().err
