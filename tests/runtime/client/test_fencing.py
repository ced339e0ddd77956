"""A static member is known to be fenced, in the ways of both versions of the client."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kafka.errors import FencedInstanceIdError, IllegalGenerationError

from kafka_parallel._runtime.client.fencing import is_fenced


class Coordinator3:
    """A coordinator of 3.x: stable, and with heartbeats."""

    def __init__(self, **others):
        self.rejoining = self.rejoin_needed = False
        self._heartbeat_enabled = True
        self._is_stable = others.pop("is_stable", True)
        vars(self).update(others)

    def stable(self):
        return self._is_stable


@pytest.mark.parametrize(
    ("failed", "expected"), [(FencedInstanceIdError(), True), (IllegalGenerationError(), False), (None, False)]
)
def test_with_2_x_the_error_of_the_last_heartbeat_tells(failed, expected):
    assert is_fenced(SimpleNamespace(_heartbeat_thread=SimpleNamespace(failed=failed))) is expected


def test_with_3_x_a_stable_member_without_heartbeats_is_fenced():
    assert is_fenced(Coordinator3(_heartbeat_enabled=False))


@pytest.mark.parametrize("state", [{"is_stable": False}, {"rejoining": True}, {"rejoin_needed": True}])
def test_with_3_x_a_member_that_joins_has_no_heartbeats_either_and_is_not(state):
    assert not is_fenced(Coordinator3(_heartbeat_enabled=False, **state))


def test_a_member_with_heartbeats_is_not_fenced():
    assert not is_fenced(Coordinator3())


def test_a_client_without_a_group_is_not_fenced():
    assert not is_fenced(None)
