"""A broker waits for records no longer than a share of the time since something was paused or resumed."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kafka_parallel._runtime.client.changes import Changes
from kafka_parallel._runtime.client.consumer_adapter import Client
from kafka_parallel._runtime.client.fetch_waits import NAME, SHORTEST_MS, FetchWaits
from tests.runtime.app import App


class World:
    """A fetcher with a setting of its own, and a time."""

    def __init__(self, users=500):
        self.now, self.changes = 100.0, Changes()
        self.fetcher = SimpleNamespace(config={NAME: users})
        self.waits = FetchWaits(self.fetcher, lambda: self.now)
        self.waits.put(self.changes)

    def wait(self):
        """The wait of the fetch that is sent now."""
        self.waits.choose()
        return self.fetcher.config[NAME]


def test_without_a_pause_the_users_setting_counts():
    assert World(users=123).wait() == 123


@pytest.mark.parametrize(("passed", "wait"), [(0.0, SHORTEST_MS), (0.04, SHORTEST_MS), (2.0, 250), (8.0, 500)])
def test_after_a_change_of_pauses_the_wait_grows_up_to_the_users(passed, wait):
    world = World()
    world.waits.pauses_changed()
    world.now += passed

    assert world.wait() == wait


def test_a_shorter_setting_of_the_user_is_kept():
    world = World(users=3)
    world.waits.pauses_changed()

    assert world.wait() == 3


def test_the_setting_is_given_back():
    world = World()
    world.waits.pauses_changed()
    world.wait()

    world.changes.undo()

    assert world.fetcher.config[NAME] == 500


def test_a_consumer_that_was_taken_over_sends_short_fetches_after_a_change_of_pauses():
    consumer = App().consumer(fetch_max_wait_ms=5000)
    client, config = Client(consumer), consumer._fetcher.config
    client.take_over(dict, lambda: None, lambda _: None)
    client.poll(0.0, 1)
    assert config[NAME] == 5000

    client.resume(())
    client.poll(0.0, 1)
    assert config[NAME] < 5000

    client.undo_takeover()
    assert config[NAME] == 5000


@pytest.mark.parametrize("fetcher", [SimpleNamespace(), SimpleNamespace(config={}), SimpleNamespace(config=None)])
def test_a_fetcher_without_the_setting_is_left_as_it_is(fetcher):
    before = dict(vars(fetcher))
    waits = FetchWaits(fetcher)
    waits.put(Changes())
    waits.pauses_changed()

    waits.choose()

    assert vars(fetcher) == before
