"""Each refusal names the call and the line to write instead."""

from __future__ import annotations

import pytest

from kafka_parallel import StateError
from kafka_parallel._runtime.client import refusals


@pytest.mark.parametrize(
    ("refuse", "arguments", "called", "instead"),
    [
        (refusals.refuse_change, ["subscribe"], r"consumer\.subscribe\(\)", "start a new one with a new KafkaConsumer"),
        (refusals.refuse_closing, [], r"close\(\)", r"write consumer\.close\(\) where it is called"),
        (
            refusals.refuse_offsets,
            ["commit", {"p": 5}],
            r"consumer\.commit\(\{'p': 5\}\)",
            r"write consumer\.commit\(\)",
        ),
        (refusals.refuse_reading, ["poll()"], r"poll\(\)", "the handler given to run"),
    ],
)
def test_it_says_what_was_called_and_what_to_write_instead(refuse, arguments, called, instead):
    with pytest.raises(StateError, match=f"^{called}.*{instead}"):
        refuse(*arguments)
