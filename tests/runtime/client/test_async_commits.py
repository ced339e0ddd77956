"""The answer of a commit is heard, in whichever of its ways kafka-python gives it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kafka.errors import CommitFailedError, CoordinatorNotAvailableError, FencedInstanceIdError
from kafka.future import Future

from kafka_parallel._runtime.client.async_commits import send_commit

KNOWN = SimpleNamespace(coordinator_unknown=lambda: False)
UNKNOWN = SimpleNamespace(coordinator_unknown=lambda: True)


class Consumer:
    """Notes what is committed; *refuses* is raised instead of sending."""

    def __init__(self, refuses=None):
        self.refuses, self.sent, self.callback, self.future = refuses, [], None, Future()

    def commit_async(self, offsets, callback):
        if self.refuses is not None:
            raise self.refuses
        self.sent.append(offsets)
        self.callback = callback
        return self.future


def sent(consumer, coordinator=KNOWN):
    answers = []
    send_commit(consumer, coordinator, {"p": 5}, answers.append)
    return answers


def test_a_commit_that_is_under_way_has_no_answer():
    consumer = Consumer()

    assert sent(consumer) == []
    assert consumer.sent == [{"p": 5}]


@pytest.mark.parametrize(("answer", "heard"), [({"p": 5}, None), (None, None)])
def test_the_callback_tells_of_success(answer, heard):
    consumer = Consumer()
    answers = sent(consumer)

    consumer.callback({"p": 5}, answer)

    assert answers == [heard]


def test_the_callback_tells_of_an_error():
    consumer, error = Consumer(), CommitFailedError()
    answers = sent(consumer)

    consumer.callback({"p": 5}, error)

    assert answers == [error]


def test_the_future_tells_of_success_and_of_an_error():
    error = CommitFailedError()
    done, failed = Consumer(), Consumer()
    answers_of_done, answers_of_failed = sent(done), sent(failed)

    done.future.success(None)
    failed.future.failure(error)

    assert (answers_of_done, answers_of_failed) == ([None], [error])


def test_a_future_with_the_coordinator_in_it_is_no_answer():
    consumer = Consumer()
    answers = sent(consumer)

    consumer.future.success("coordinator-0")

    assert answers == []


def test_while_the_coordinator_is_not_known_nothing_is_sent():
    consumer = Consumer()

    (answer,) = sent(consumer, UNKNOWN)

    assert isinstance(answer, CoordinatorNotAvailableError)
    assert consumer.sent == []


def test_a_fenced_member_that_refuses_to_send_gives_its_error_as_the_answer():
    error = FencedInstanceIdError()

    assert sent(Consumer(refuses=error)) == [error]


def test_any_other_error_of_sending_is_raised():
    with pytest.raises(ValueError, match="no offsets"):
        sent(Consumer(refuses=ValueError("no offsets")))


def test_a_subclass_that_returns_nothing_answers_by_its_callback():
    consumer = Consumer()
    consumer.future = None
    answers = sent(consumer)

    consumer.callback({"p": 5}, None)

    assert answers == [None]
