"""The sentences about things that do not go on."""

from __future__ import annotations

from typing import get_args

import pytest
from kafka import TopicPartition

from kafka_parallel._core.standstill import Obstacle, Standing
from kafka_parallel._runtime.loop import sentences
from kafka_parallel._runtime.loop.sentences import Where
from kafka_parallel.facts import RunningRecord

P = TopicPartition("orders", 3)
RUNNING = RunningRecord("orders", 3, 1042, b"alice", 2, 61_000.0, "kp-7", "billing.py:88")


def test_a_running_handler_is_told_of_with_its_worker_its_line_and_the_records_above():
    standing = Standing(1042, "handler", attempt=2, finished=9_958)

    assert sentences.stands(P, standing, 61.0, 0.0, Where(RUNNING, b"alice")) == (
        "orders[3] stands at offset 1042 for 61 s: its handler runs in kp-7 at billing.py:88 "
        "(key b'alice', attempt 2); 9,958 records above it are done and cannot be committed"
    )


def test_without_leave_no_key_is_shown():
    assert "alice" not in sentences.stands(P, Standing(1042, "handler"), 61.0, 0.0, Where(RUNNING))


def test_a_long_key_is_cut():
    assert len(sentences.waits_for(Standing(0, "handler"), 0.0, Where(RUNNING, b"k" * 10_000))) < 200


def test_a_batch_says_how_large_it_is():
    batch = RunningRecord("orders", 3, 7, batch_size=50)

    assert sentences.waits_for(Standing(7, "handler"), 0.0, Where(batch)) == (
        "its handler runs with a batch of 50 records (attempt 1)"
    )


@pytest.mark.parametrize("reason", get_args(Obstacle))
def test_each_reason_has_a_sentence(reason):
    assert sentences.waits_for(Standing(0, reason, due=5.0, plugin="x"), 0.0)


def test_a_retry_is_told_of_with_the_error_and_the_time():
    standing = Standing(0, "retry", attempt=3, due=64.0, error="TimeoutError")

    assert sentences.waits_for(standing, 2.0) == "it failed with TimeoutError, and attempt 3 is due in 62 s"


def test_an_earlier_attempt_is_told_of_with_its_worker_and_its_line():
    assert sentences.waits_for(Standing(1042, "handler", is_earlier=True), 0.0, Where(RUNNING)) == (
        "an earlier attempt at this record, begun before the partition was revoked, still runs in kp-7 at billing.py:88"
    )


def test_many_names_are_counted():
    many = [TopicPartition("t", number) for number in range(25)]

    assert sentences.named(many).endswith("t[19] and 5 more")
