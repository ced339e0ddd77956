"""The state of a run, and the lines it leaves in the log. Kind: something happened and nothing said so."""

from __future__ import annotations

import asyncio
import logging
import re
import threading

import pytest

from kafka_parallel import ConfigurationError, RecordFailed, Retry, StateError, hookimpl
from kafka_parallel._runtime.client.rebalance_listener import KAFKA_PYTHON_3
from kafka_parallel._runtime.loop import poll_loop
from tests.runtime.app import App

PATIENCE = 60


@pytest.fixture(autouse=True)
def _info(caplog):
    caplog.set_level(logging.INFO, logger="kafka_parallel")


def fail(_):
    raise ValueError("on purpose")


def until(happened, condition):
    """Wait for *happened* until *condition* holds."""
    deadline = threading.Event()
    for _ in range(PATIENCE * 100):
        if condition():
            return
        deadline.wait(0.01)
    raise AssertionError(f"did not come: {happened}")


class TestState:
    def test_it_goes_from_new_to_stopped(self):
        app, begun, go_on, seen = App(1), threading.Event(), threading.Event(), []

        class Observer:
            @hookimpl
            def on_start(self):
                seen.append(parallel.state)

            @hookimpl
            def on_stop(self):
                seen.append(parallel.state)

        def handle(_):
            begun.set()
            assert go_on.wait(PATIENCE)

        parallel = app.parallel(plugins=[Observer()])
        assert parallel.state == "new"
        parallel.start(handle)
        assert begun.wait(PATIENCE)
        assert parallel.state == parallel.statistics().state == "running"
        parallel.stop()
        until("stopping", lambda: parallel.state == "stopping")
        go_on.set()

        assert parallel.join(PATIENCE * 1000)
        assert seen == ["starting", "stopping"]
        assert parallel.state == parallel.statistics().state == "stopped"
        assert parallel.error is None

    def test_a_failure_can_be_asked_for_again_and_again(self, caplog):
        parallel = App(1).parallel()
        parallel.start(fail)

        for _ in range(2):
            with pytest.raises(RecordFailed, match="on purpose"):
                parallel.join(PATIENCE * 1000)
        assert parallel.state == parallel.statistics().state == "failed"
        assert isinstance(parallel.error, RecordFailed)
        [line] = [record for record in caplog.records if record.levelno == logging.ERROR]
        assert "the consumer has failed" in line.message
        assert line.exc_info[1] is parallel.error

    def test_join_says_that_it_has_not_ended_yet(self):
        app, go_on = App(1), threading.Event()
        parallel = app.parallel()
        parallel.start(lambda _: go_on.wait(PATIENCE))

        assert parallel.join(timeout_ms=0) is False
        go_on.set()
        assert parallel.join(PATIENCE * 1000)

    def test_run_says_it_too(self):
        parallel = App(1).parallel()

        with pytest.raises(RecordFailed):
            parallel.run(fail)
        assert parallel.state == "failed"

    def test_run_async_says_it_too(self):
        async def handle(_):
            raise ValueError("on purpose")

        parallel = App(1).parallel()

        with pytest.raises(RecordFailed):
            asyncio.run(parallel.run_async(handle))
        assert parallel.state == "failed"

    def test_a_start_that_is_refused_leaves_it_new(self):
        parallel = App(1).parallel()

        with pytest.raises(ConfigurationError):
            parallel.run(42)
        assert parallel.state == "new"

    def test_a_second_run_is_refused_with_how_far_the_first_one_is(self):
        app, go_on = App(1), threading.Event()
        parallel = app.parallel()
        parallel.start(lambda _: go_on.wait(PATIENCE))
        with pytest.raises(StateError, match="runs already"):
            parallel.start(lambda _: None)
        go_on.set()
        parallel.join(PATIENCE * 1000)

        with pytest.raises(StateError, match="has run already: build a new one"):
            parallel.run(lambda _: None)

    def test_join_without_start_is_refused(self):
        with pytest.raises(StateError, match="run\\(\\) blocks"):
            App(1).parallel().join()


class TestLines:
    def test_the_steps_of_a_run(self, caplog):
        app = App(3)

        assert app.run() is None

        lines = [record.getMessage() for record in caplog.records if record.levelno == logging.INFO]
        steps = [
            "starting: group g reads t with 2 workers",
            "assigned t[0]",
            "stopping because of consumer_timeout_ms=400",
            "stopped: 3 records processed, 0 attempts failed, 0 records skipped, 0 abandoned",
        ]
        found = [next(line for line in lines if line.startswith(step)) for step in steps]
        assert [lines.index(line) for line in found] == sorted(lines.index(line) for line in found)

    @pytest.mark.parametrize(
        ("stop", "why"),
        [
            (lambda parallel: parallel.stop(), "stop()"),
            (lambda parallel: parallel._shutdown.signalled("SIGINT"), "SIGINT"),
        ],
    )
    def test_the_first_request_to_stop_is_heard(self, caplog, monkeypatch, stop, why):
        monkeypatch.setattr(poll_loop, "REPORT_AFTER", 0.05)
        app, begun, go_on = App(1), threading.Event(), threading.Event()

        def handle(_):
            begun.set()
            assert go_on.wait(PATIENCE)

        parallel = app.parallel()
        parallel.start(handle)
        assert begun.wait(PATIENCE)
        stop(parallel)
        line = f"stopping because of {why}: running records get up to "
        until("the line", lambda: any(found.startswith(line) for found in caplog.messages))
        until("the record", lambda: any("still running: record t[0]@0" in line for line in caplog.messages))
        go_on.set()

        assert parallel.join(PATIENCE * 1000)

    def test_a_failure_names_its_record(self, caplog):
        assert isinstance(App(1).run(fail), RecordFailed)

        assert any(line.startswith("stopping because of the failure of record t[0]@0") for line in caplog.messages)
        assert any(line.startswith("stopped by RecordFailed: 0 records processed") for line in caplog.messages)

    def test_no_setting_of_the_consumer_is_shown(self, caplog):
        app = App(1)
        parallel = app.parallel({"sasl_plain_password": "s3cret"})
        parallel.run(lambda _: None)

        assert "s3cret" not in caplog.text

    def test_a_retry_that_is_due_in_an_hour_is_told_of(self, caplog):
        class Later:
            @hookimpl
            def on_error(self):
                return Retry(3_600_000)

        app = App(3)
        parallel = app.parallel(plugins=[Later()], stuck_after_ms=50, stop_timeout_ms=0)
        parallel.start(fail)
        until("the line", lambda: any("stands at offset 0" in line for line in caplog.messages))
        parallel.stop()

        assert parallel.join(PATIENCE * 1000)
        line = next(line for line in caplog.messages if "stands at offset 0" in line)
        assert line.startswith("t[0] stands at offset 0 for ")
        assert re.search(r"it failed with \w+, and attempt 2 is due in 3", line)

    @pytest.mark.parametrize("what", ["stop", "revoke"])
    def test_finished_records_above_a_retry_that_is_due_too_late_are_counted(self, caplog, what):
        class Later:
            @hookimpl
            def on_error(self):
                return Retry(3_600_000)

        def handle(record):
            if record.offset == 1:
                raise ValueError("on purpose")

        app = App(5)
        parallel = app.parallel({"consumer_timeout_ms": float("inf")}, plugins=[Later()], ordering="unordered")
        parallel.start(handle)
        until("all attempts", lambda: (told := parallel.statistics()).processed == 4 and told.retried == 1)
        if what == "revoke":
            app.cluster.group("g").rebalance()
            until("the revoke", lambda: "revoked t[0]" in caplog.messages)
            stands = [record for record in caplog.records if "waits for longer" in record.getMessage()]
            assert len(stands) == 1
        parallel.stop()

        assert parallel.join(PATIENCE * 1000)
        line = f"t[0]@1 waits for longer than the {what}: 3 finished records above it will be processed again"
        found = [record.levelname for record in caplog.records if record.getMessage() == line]
        assert found == ["WARNING"]

    def test_partitions_that_leave_are_named(self, caplog):
        app, begun, go_on = App(1), threading.Event(), threading.Event()

        def handle(_):
            begun.set()
            assert go_on.wait(PATIENCE)

        parallel = app.parallel({"consumer_timeout_ms": float("inf")})
        parallel.start(handle)
        assert begun.wait(PATIENCE)
        app.cluster.group("g").rebalance()
        until("the line", lambda: any(line.startswith("revoking t[0]") for line in caplog.messages))
        go_on.set()
        until("the end", lambda: "revoked t[0]" in caplog.messages and caplog.messages.count("assigned t[0]") == 2)
        parallel.stop()

        assert parallel.join(PATIENCE * 1000)

    @pytest.mark.skipif(not KAFKA_PYTHON_3, reason="kafka-python 2.x has no on_partitions_lost")
    def test_partitions_that_are_lost_are_named(self, caplog):
        app = App(1)
        parallel = app.parallel({"consumer_timeout_ms": float("inf")})
        parallel.start(lambda _: None)
        until("the assignment", lambda: "assigned t[0]" in caplog.messages)
        group = app.cluster.group("g")
        group.leave(next(iter(group.members)))
        until("the line", lambda: any(line.startswith("lost t[0]: their new owners") for line in caplog.messages))
        parallel.stop()

        assert parallel.join(PATIENCE * 1000)
