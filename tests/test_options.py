"""Options that cannot work are refused at once, with the value in the message."""

from __future__ import annotations

from functools import partial

import pytest

from kafka_parallel import ConfigurationError, Retry
from kafka_parallel._options import Options
from kafka_parallel._showing import shown


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("workers", 0),
        ("workers", True),
        ("workers", 2.5),
        ("max_buffered_records", -1),
        ("max_buffered_bytes", 0),
        ("max_uncommitted", None),
        ("revoke_timeout_ms", -1),
        ("stop_timeout_ms", float("inf")),
        ("stop_timeout_ms", "1"),
        ("ordering", 3),
        ("plugins", "dlq"),
        ("plugins", {"dlq"}),
    ],
)
def test_a_bad_value_is_refused_and_named(name, value):
    with pytest.raises(ConfigurationError) as caught:
        Options(**{name: value})

    assert f"{name}={value!r}" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"plugins": {"dlq": {"producer_config": {"sasl_plain_password": "hidden"}}}}, "plugins=[('dlq', {...})]"),
        ({"plugins": "dlq"}, "plugins=['dlq']"),
        ({"ordering": {"password": "hidden"}}, "ordering=a dict"),
        ({"executor": {"password": "hidden"}}, "executor=a dict"),
        ({"executor": ["hidden"]}, "executor=a list: give 'thread-pool'"),
        ({"workers": {"password": "hidden"}}, "workers=a dict"),
        ({"install_signal_handlers": "no"}, "install_signal_handlers='no': must be True or False"),
        ({"lazy_deserialization": 1}, "lazy_deserialization=1: must be True or False"),
    ],
)
def test_a_message_says_what_to_write_and_no_setting(options, said):
    with pytest.raises(ConfigurationError) as caught:
        Options(**options)

    assert said in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_settings_of_plugins_are_not_shown_with_the_options():
    assert "hidden" not in repr(Options(plugins=[("dlq", {"password": "hidden"})]))


class Unspeakable:
    def __repr__(self):
        raise ValueError("on purpose")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (3, "3"),
        ("x" * 99, repr("x" * 60 + "...")),
        ({"password": "hidden"}, "a dict"),
        (partial(print, "hidden"), "partial(print)"),
        (Unspeakable(), "an Unspeakable"),
        (Unspeakable, "the class Unspeakable"),
        (Unspeakable().__repr__, "Unspeakable.__repr__"),
    ],
)
def test_a_value_is_shown_without_what_it_holds(value, text):
    assert shown(value) == text


@pytest.mark.parametrize("delay", [-1, float("inf"), float("nan")])
def test_a_retry_needs_a_delay_that_ends(delay):
    with pytest.raises(ConfigurationError, match="delay"):
        Retry(delay)


@pytest.mark.parametrize("executor", [("futures",), ("futures", 4), (4, {}), ["futures", {}], 4])
def test_an_executor_that_is_no_name_and_no_pair_is_refused(executor):
    with pytest.raises(ConfigurationError, match="alone or with its settings"):
        Options(executor=executor)


def test_the_settings_of_an_executor_are_not_shown():
    options = Options(executor=("futures", {"executor": "secret"}))

    assert options.executor_name == "futures"
    assert "secret" not in repr(options)
