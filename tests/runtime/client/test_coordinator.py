"""A join is taken up again where the client has left it half done, and 2.x's heartbeats end before it closes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kafka_parallel._runtime.client.coordinator import end_heartbeats, finish_joining, is_joining


@pytest.mark.parametrize("rejoining", [True, False])
def test_a_member_joins_from_its_request_to_the_answer(rejoining):
    assert is_joining(SimpleNamespace(rejoining=rejoining)) is rejoining


def test_a_coordinator_that_never_joins_is_not_joining():
    assert not is_joining(None)


@pytest.mark.parametrize(
    ("rejoining", "rejoin_needed", "asked"), [(True, False, 1), (True, True, 0), (False, False, 0)]
)
def test_a_join_left_half_done_is_asked_for_again(rejoining, rejoin_needed, asked):
    requests = []
    coordinator = SimpleNamespace(
        rejoining=rejoining, rejoin_needed=rejoin_needed, request_rejoin=lambda: requests.append("join")
    )

    finish_joining(coordinator)

    assert len(requests) == asked


def test_the_heartbeat_thread_of_2_x_gets_the_time_in_milliseconds():
    closed = []
    thread = SimpleNamespace(close=lambda timeout_ms: closed.append(timeout_ms))

    end_heartbeats(SimpleNamespace(_heartbeat_thread=thread), 1.5)

    assert closed == [1500.0]


@pytest.mark.parametrize("coordinator", [SimpleNamespace(), SimpleNamespace(_heartbeat_thread=None)])
def test_there_may_be_no_such_thread(coordinator):
    end_heartbeats(coordinator, 1.5)
