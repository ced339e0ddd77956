"""The client looks for its brokers again within a second, unless the user chose another time."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kafka_parallel._runtime.client.changes import Changes
from kafka_parallel._runtime.client.reconnects import DEFAULT_MS, LONGEST_MS, SETTING, shorten_backoff


def version_2(*values):
    """A consumer of 2.x: its client and each of its connections have a configuration of their own."""
    first, *others = [SimpleNamespace(config={SETTING: value}) for value in values]
    first._conns = dict(enumerate(others))
    return SimpleNamespace(_client=first), [first.config, *(other.config for other in others)]


def version_3(value):
    config = {SETTING: value}
    return SimpleNamespace(_manager=SimpleNamespace(config=config)), [config]


@pytest.mark.parametrize("made", [version_2(DEFAULT_MS, DEFAULT_MS), version_3(DEFAULT_MS)])
def test_the_default_is_shortened_wherever_the_client_looks_and_given_back(made):
    (consumer, configs), changes = made, Changes()
    shorten_backoff(consumer, changes)
    assert {config[SETTING] for config in configs} == {LONGEST_MS}

    changes.undo()

    assert {config[SETTING] for config in configs} == {DEFAULT_MS}


@pytest.mark.parametrize("value", [DEFAULT_MS - 1, DEFAULT_MS + 1, 50])
def test_a_value_that_the_user_chose_is_kept(value):
    for consumer, configs in (version_2(value), version_3(value)):
        shorten_backoff(consumer, Changes())

        assert configs[0] == {SETTING: value}


def test_a_consumer_without_a_network_is_left_alone():
    shorten_backoff(SimpleNamespace(), Changes())
