"""Options that cannot work are refused at once, with the value in the message."""

from __future__ import annotations

import pytest

from kafka_parallel import ConfigurationError, Retry
from kafka_parallel.options import Options


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


@pytest.mark.parametrize("delay", [-1, float("inf"), float("nan")])
def test_a_retry_needs_a_delay_that_ends(delay):
    with pytest.raises(ConfigurationError, match="delay"):
        Retry(delay)
