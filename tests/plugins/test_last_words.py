"""A killed process of the pool is judged by its reports and acts, not by a look at it before.

The kind: a decision that is made about a moment, and carried out at a later one. `Process` asks whether a unit is
wanted right before it kills, so the test lets the process go on while it asks.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
import time
from pathlib import Path

import pytest
from kafka.consumer.fetcher import ConsumerRecord

from kafka_parallel.executors import Program, Report
from kafka_parallel_plugins.process_pool.process import Process
from tests.plugins import cpu_handlers
from tests.plugins.cpu_handlers import noted

PATIENCE = 60
GO_ON = "PROCESS_POOL_GO_ON"


@pytest.fixture(autouse=True)
def go_on(tmp_path, monkeypatch):
    log = tmp_path / "log"
    log.touch()
    monkeypatch.setenv(cpu_handlers.LOG, str(log))
    monkeypatch.setenv(GO_ON, str(tmp_path / "go on"))
    yield tmp_path / "go on"
    end_of(tmp_path / "go on").touch()
    assert multiprocessing.active_children() == []


def end_of(go_on):
    """The file that is there once the test is over."""
    return go_on.with_name("end")


def itself(fields):
    return ConsumerRecord(*fields)


def wait_at_zero(record):
    """Wait in the first record until it is let go, and in every later one for ever."""
    cpu_handlers.note("begin", record)
    while record.offset or not Path(os.environ[GO_ON]).exists():
        threading.Event().wait(0.005)


def fail_at_zero(record):
    """The same, but the first one fails."""
    wait_at_zero(record)
    raise ValueError("the first one failed")


def fork_and_fail_at_zero(record):
    """The same, and a process that was forked there holds the pipe to the parent open."""
    cpu_handlers.note("begin", record)
    if record.offset == 0 and os.fork() == 0:
        for _ in range(PATIENCE * 200):  # no longer, should the test never come to its end
            if end_of(Path(os.environ[GO_ON])).exists():
                break
            threading.Event().wait(0.005)
        os._exit(0)
    cpu_handlers.note("forked", record)
    while record.offset or not Path(os.environ[GO_ON]).exists():
        threading.Event().wait(0.005)
    raise ValueError("the first one failed")


@pytest.fixture
def process(request):
    program = Program(pickle.dumps((request.param, itself)), "handler", is_surrounded=False)
    found = Process(program, None, lambda seconds, count: None)
    found.wait_until_ready(time.monotonic() + PATIENCE)
    yield found
    found.close()


def record(offset):
    return ConsumerRecord("t", 0, -1, offset, 0, 0, b"k", b"v", [], None, 1, 1, -1)


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def outcomes(reports, unit):
    """How many of a unit have returned, and the error behind them."""
    found = [report for report in reports if report.unit == unit]
    return sum(report.returned for report in found), next((report.error for report in found if report.error), None)


@pytest.mark.parametrize("process", [wait_at_zero], indirect=True)
def test_a_record_it_had_gone_on_to_is_neither_handled_nor_failed(process, go_on):
    def wants(unit):
        if unit == 0:
            go_on.touch()
            until(lambda: 1 in noted("begin"))
        return unit == 1

    reports = [report for news in process.exchange([[record(0)], [record(1), record(2)]], wants) for report in news]

    assert outcomes(reports, 0) == (1, None), "it had returned, and nothing said so yet"
    assert outcomes(reports, 1) == (0, None)
    assert Report(1, is_unbegun=True) in reports, "it runs elsewhere"


@pytest.mark.parametrize("process", [fail_at_zero, fork_and_fail_at_zero], indirect=True)
def test_a_failure_it_had_told_of_is_heard(process, go_on):
    def wants(unit):
        if unit == 0:
            go_on.touch()
            until(lambda: 1 in noted("begin"))
        return False

    reports = [report for news in process.exchange([[record(0)], [record(1)]], wants) for report in news]

    returned, error = outcomes(reports, 0)
    assert returned == 0
    assert str(error) == "the first one failed"
    returned, error = outcomes(reports, 1)
    assert returned == 0
    assert error.is_unwanted
