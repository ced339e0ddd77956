"""How several runs begin and end together. Kind: a run that is begun after the stop, or that is not waited for."""

from __future__ import annotations

import threading

import pytest

from kafka_parallel._runtime.loop import together
from kafka_parallel._runtime.loop.explain_signal import ExplainSignal
from kafka_parallel._runtime.loop.shutdown import Shutdown
from kafka_parallel._runtime.loop.together import BegunRun, Together


class Fake:
    """A run that lasts until it is asked to stop, or raises *error* at once."""

    def __init__(self, error=None):
        self.error = error
        self.shutdown = Shutdown(30.0)
        self.seen = []
        self.has_begun = threading.Event()

    @property
    def run(self):
        explain = ExplainSignal(None, list)
        cancel = lambda: self.seen.append("cancelled")  # noqa: E731
        return BegunRun(self.act, cancel, self.shutdown, explain, self, "topic", installs_signal_handlers=True)

    def act(self):
        self.seen.append("begun")
        self.has_begun.set()
        if self.error is not None:
            raise self.error
        while not self.shutdown.is_requested:
            threading.Event().wait(0.005)
        self.seen.append("ended")


def test_the_first_error_is_raised_when_all_others_have_ended():
    failing, other = Fake(ValueError("first")), Fake()

    with pytest.raises(ValueError, match="first"):
        Together([other.run, failing.run]).run_until_over()

    assert other.seen == ["begun", "ended"]
    assert not other.shutdown.is_abandoned


def test_a_second_signal_abandons_all():
    runs = Fake(), Fake()
    both = Together([run.run for run in runs])

    both.signalled("SIGTERM")
    assert [run.shutdown.is_abandoned for run in runs] == [False, False]
    both.signalled("SIGTERM")

    assert [run.shutdown.is_abandoned for run in runs] == [True, True]
    both.run_until_over()
    assert [run.seen for run in runs] == [["begun", "ended"]] * 2


def test_a_thread_that_cannot_be_started_stops_those_that_were_and_cancels_the_rest(monkeypatch):
    first, second, third = Fake(), Fake(), Fake()
    started = []

    class Thread(threading.Thread):
        def start(self):
            started.append(self)
            if len(started) == 2:
                raise RuntimeError("can't start new thread")
            super().start()
            assert first.has_begun.wait(600)

    monkeypatch.setattr(together.threading, "Thread", Thread)

    with pytest.raises(RuntimeError, match="can't start"):
        Together([first.run, second.run, third.run]).run_until_over()

    assert [first.seen, second.seen, third.seen] == [["begun", "ended"], ["cancelled"], ["cancelled"]]


def test_a_run_whose_thread_comes_after_the_stop_is_not_begun(monkeypatch):
    late = []

    class Thread(threading.Thread):
        """Starts later, as it seems to one whom Ctrl-C hits inside of start()."""

        def start(self):
            late.append(self)
            raise KeyboardInterrupt

    run = Fake()
    monkeypatch.setattr(together.threading, "Thread", Thread)

    with pytest.raises(KeyboardInterrupt):
        Together([run.run]).run_until_over()
    late[0].run()

    assert run.seen == ["cancelled"]


def test_an_error_on_the_waiting_thread_after_the_first_one_is_logged(monkeypatch, caplog):
    failing, lasting = Fake(ValueError("of the run")), Fake()
    both = Together([failing.run, lasting.run])
    interruptions = [OSError("of the waiting thread")]

    def wait():
        assert failing.has_begun.wait(600)
        while both._error is None:
            threading.Event().wait(0.005)
        if interruptions:
            raise interruptions.pop()
        assert both._have_ended.wait(600)

    monkeypatch.setattr(both, "_wait", wait)

    with pytest.raises(ValueError, match="of the run"):
        both.run_until_over()

    assert "an error on the thread of run_all()" in caplog.text
    assert "of the waiting thread" in caplog.text
