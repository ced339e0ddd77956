"""One error stops a run, and none that came with it is forgotten."""

from __future__ import annotations

import pytest

from kafka_parallel._runtime.loop.run_failure import RunFailure


def noted(*errors):
    failure = RunFailure()
    for error in errors:
        failure.note(None, error, f"because of {error!r}")
    return failure


def test_there_is_no_cause_before_the_first_error():
    assert noted().cause is None


def test_the_cause_has_its_record_and_its_reason():
    failure, error = RunFailure(), ValueError()

    failure.note("the record", error, "no plugin")

    assert failure.cause == ("the record", error, "no plugin")


@pytest.mark.parametrize(
    ("first", "second", "raised"),
    [
        (ValueError(), OSError(), 0),
        (ValueError(), KeyboardInterrupt(), 1),
        (KeyboardInterrupt(), SystemExit(), 0),
        (KeyboardInterrupt(), ValueError(), 0),
    ],
)
def test_the_first_error_stops_the_run_unless_only_a_later_one_ends_the_program(first, second, raised):
    failure, both = noted(first, second), [first, second]

    assert failure.cause[1] is both[raised]
    assert [error for _, error, _ in failure.passed_over] == [both[1 - raised]]


def test_an_error_that_comes_again_is_noted_once():
    error = ValueError()

    assert noted(error, error).passed_over == []
