"""The order in which a run begins and ends, and the one of several errors that it raises."""

from __future__ import annotations

import pytest

from kafka_parallel import ConfigurationError, Executor, RecordFailed, hookimpl
from tests.runtime.app import App


class Notes:
    """A plugin and an executor that note what is asked of them.

    :param raises: what is raised where, by the name of the act.
    """

    def __init__(self, raises=None):
        self.acts = []
        self._raises = raises or {}

    def note(self, act):
        self.acts.append(act)
        if act in self._raises:
            raise self._raises[act]

    @hookimpl
    def on_throttle(self, throttle, settings):
        self.note("on_throttle")

    @hookimpl
    def on_start(self, settings):
        self.note("on_start")

    @hookimpl
    def on_assign(self, partitions):
        self.note("on_assign")

    @hookimpl
    def on_stop(self, settings, error):
        self.note("on_stop")
        self.error = error

    @hookimpl
    def provide_executor(self, settings):
        return Inline(self)


class Inline(Executor):
    """Runs nothing."""

    def __init__(self, notes):
        self._notes = notes

    def start(self, work):
        self._notes.note("start of the workers")
        self._work = work

    def join(self, timeout):
        self._notes.note("end of the workers")
        return True


def run(raises=None):
    notes = Notes(raises)
    return notes, App(0).run_coroutine(lambda record: None, plugins=[notes])


BEGINNING = ["on_throttle", "on_start", "start of the workers", "on_assign"]


def test_plugins_hear_of_the_start_before_a_worker_is_there_or_a_partition_comes():
    notes, error = run()

    assert error is None
    assert notes.acts == [*BEGINNING, "end of the workers", "on_stop"]


@pytest.mark.parametrize("act", ["on_throttle", "on_start", "start of the workers"])
def test_a_start_that_is_refused_takes_no_partition_and_is_told(act):
    refusal = ConfigurationError("not today")
    notes, error = run({act: refusal})

    assert error is refusal
    assert notes.acts == [*BEGINNING[: BEGINNING.index(act) + 1], "on_stop"]
    assert notes.error is refusal


def test_a_program_that_ends_at_the_start_leaves_its_group_all_the_same():
    end = SystemExit(1)
    notes, error = run({"on_start": end})

    assert error is end
    assert notes.acts == ["on_throttle", "on_start", "end of the workers", "on_stop"]


def test_a_failure_on_the_way_out_is_raised_if_there_is_no_other():
    failure = OSError("no disk")
    notes, error = run({"end of the workers": failure})

    assert error is failure
    assert notes.acts[-1] == "on_stop"


def test_the_first_of_two_errors_is_raised_and_the_second_one_logged(caplog):
    first = OSError("no disk")
    _, error = run({"end of the workers": first, "on_stop": LookupError("no name")})

    assert error is first
    assert "LookupError: no name" in caplog.text


def fails(record):
    raise ValueError("bad")


class Leaving:
    """A plugin that ends the program where the run ends."""

    @hookimpl
    def on_stop(self, settings, error):
        raise SystemExit(3)


def test_what_ends_the_program_outdoes_the_failure_of_a_record(caplog):
    app = App(3)

    assert isinstance(app.run(fails, plugins=[Leaving()]), SystemExit)
    assert "run() raises SystemExit, which came after this error" in caplog.text


def test_a_record_that_stops_the_run_is_named_with_what_was_raised_and_who_decided():
    error = App(3).run(fails)

    assert isinstance(error, RecordFailed)
    assert (error.topic, error.partition, error.offset) == ("t", 0, 0)
    assert isinstance(error.__cause__, ValueError)


def test_what_can_be_asked_afterwards_is_how_it_ended():
    app = App(6)
    parallel = app.parallel()
    parallel.run(app.handle(lambda record: None))

    found = parallel.statistics()
    assert (found.state, found.processed, found.in_flight, found.buffered) == ("stopped", 6, 0, 0)
