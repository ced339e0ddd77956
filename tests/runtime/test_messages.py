"""Mistakes of a user are told in one sentence, with the line to write instead."""

from __future__ import annotations

import pytest

from kafka_parallel import BatchFailed, ConfigurationError, RecordFailed, hookimpl
from tests.runtime.app import App


@pytest.mark.parametrize("timeout_ms", ["x", float("nan"), float("inf"), -1, True])
def test_a_stop_within_no_time_is_refused(timeout_ms):
    with pytest.raises(ConfigurationError, match=r"timeout_ms=.*: must be a finite number of milliseconds"):
        App().parallel().stop(timeout_ms=timeout_ms)


@pytest.mark.parametrize("failed", [[0], 0, None])
def test_a_failed_batch_says_what_it_takes(failed):
    with pytest.raises(ConfigurationError, match=r"give {index: error}"):
        BatchFailed(failed)


def test_an_ordering_that_returns_a_list_is_told_what_to_return():
    error = App().run(ordering=lambda record: [record.key])

    assert isinstance(error, RecordFailed)
    assert "the ordering function returned a list: return something hashable" in str(error.__cause__)


class Refusing:
    @hookimpl
    def provide_topics(self):
        raise ConfigurationError("set ordering='unordered'")


def test_what_a_plugin_refuses_is_the_fault_of_the_caller():
    with pytest.raises(ConfigurationError, match=r"^set ordering='unordered'$"):
        App().parallel(plugins=[Refusing()]).run(lambda _: None)
