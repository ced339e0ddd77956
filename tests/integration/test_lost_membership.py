"""A handler holds the interpreter for longer than the session: the loss is explained. Kind: a loss without a cause."""

from __future__ import annotations

import logging
import re
from time import monotonic

import pytest

from kafka_parallel import ParallelConsumer
from tests.integration.kafka_app import consume, produce, wait_for

pytestmark = pytest.mark.broker

# Backtracking takes about twice as long with each further letter; one call never lets the interpreter go.
PATTERN, LETTERS = re.compile(r"(a+)+b"), 20
SESSION_MS = 6_000


def hold_the_interpreter(seconds):
    """Match until one call has taken so long that the whole is longer than *seconds*."""
    letters, spent = LETTERS, 0.0
    while spent < seconds:
        started = monotonic()
        PATTERN.match("a" * letters)
        spent, letters = monotonic() - started, letters + 1


def test_a_member_that_is_lost_after_the_loop_stood_still_says_why(kafka_broker, topic, caplog):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(1), 3)
    settings = {"session_timeout_ms": SESSION_MS, "heartbeat_interval_ms": 1_000, "consumer_timeout_ms": float("inf")}
    consumer = consume(bootstrap, produced.topic, "g-" + produced.topic, **settings)
    calls = []

    def handle(record):
        calls.append(record.offset)
        if len(calls) == 1:
            hold_the_interpreter(SESSION_MS / 1000 * 1.5)

    with caplog.at_level(logging.WARNING, logger="kafka_parallel"), ParallelConsumer(consumer) as parallel:
        parallel.start(handle)
        wait_for(lambda: any("had not come round for" in line for line in caplog.messages), "the loss to be explained")

    [line] = [line for line in caplog.messages if "had not come round for" in line]
    assert f"lost {produced.topic}[0]" in line
    assert f"session_timeout_ms={SESSION_MS}" in line
    assert "executor='process-pool'" in line
