"""No thread is woken without a reason, and none is left asleep with one."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kafka_parallel._runtime.loop.wakeups import Wakeups


class Condition:
    """Notes the calls; *during* runs in the place of the first sleep, as another thread would."""

    def __init__(self, during=lambda: None):
        self.during = during
        self.waits, self.woken = [], []

    def wait(self, timeout):
        self.waits.append(timeout)
        during, self.during = self.during, lambda: None
        during()

    def notify(self):
        self.woken.append(1)

    def notify_all(self):
        self.woken.append("all")


class World:
    """Wakeups at the time 100, with tasks that are ready and others that fall due."""

    def __init__(self, *, ready=0, next_due=None, steal_due=None, takes_batches=False):
        self.now, self.work, self.progress = 100.0, Condition(), Condition()
        self.dispatch = SimpleNamespace(ready=ready, next_due=next_due, steal_due=steal_due)
        made = iter([self.work, self.progress])
        clock = SimpleNamespace(condition=lambda _: next(made), monotonic=lambda: self.now)
        self.wakeups = Wakeups(None, clock, self.dispatch, takes_batches=takes_batches)

    def while_idle(self, act):
        """Let *act* happen while one worker sleeps; return which were woken by it."""
        self.work.during = lambda: act(self.wakeups)
        self.wakeups.wait_for_work()
        return self.work.woken


def test_none_is_woken_while_all_workers_are_busy():
    world = World(ready=5)

    world.wakeups.wake_worker(1)

    assert world.work.woken == []


@pytest.mark.parametrize(("ready", "woken"), [(1, []), (2, [1])])
def test_an_idle_worker_is_woken_if_enough_is_ready(ready, woken):
    assert World(ready=ready).while_idle(lambda wakeups: wakeups.wake_worker(2)) == woken


@pytest.mark.parametrize(("takes_batches", "woken"), [(False, []), (True, [1])])
def test_a_worker_leaves_a_rest_below_its_limit_only_where_it_takes_one_batch(takes_batches, woken):
    world = World(ready=3, takes_batches=takes_batches)

    assert world.while_idle(lambda wakeups: wakeups.wake_for_rest(10)) == woken


@pytest.mark.parametrize(("dues", "timeout"), [
    ({}, None), ({"next_due": 103.0}, 3.0), ({"steal_due": 101.0}, 1.0), ({"next_due": 103.0, "steal_due": 101.0}, 1.0),
    ({"next_due": 99.0}, 0.0),
])  # fmt: skip
def test_an_idle_worker_sleeps_until_the_next_event_is_due(dues, timeout):
    world = World(**dues)

    world.wakeups.wait_for_work()

    assert world.work.waits == [timeout]


def test_one_idle_worker_at_a_time_keeps_watch():
    world = World(next_due=103.0)

    world.while_idle(lambda wakeups: wakeups.wait_for_work())

    assert world.work.waits == [3.0, None]


def test_a_second_worker_keeps_watch_for_an_earlier_event():
    world = World(next_due=103.0)

    def falls_due_earlier(wakeups):
        world.dispatch.next_due = 102.0
        wakeups.wait_for_work()

    world.while_idle(falls_due_earlier)

    assert world.work.waits == [3.0, 2.0]


def test_the_watch_ends_with_the_sleep():
    world = World(next_due=103.0)

    world.wakeups.wait_for_work()
    world.wakeups.wait_for_work()

    assert world.work.waits == [3.0, 3.0]


@pytest.mark.parametrize("wake", [Wakeups.wake_watch, lambda wakeups: wakeups.wake_worker(1)])
def test_an_idle_worker_is_woken_for_an_event_that_none_watches(wake):
    world = World()

    def event(wakeups):
        world.dispatch.next_due = 102.0
        wake(wakeups)

    assert world.while_idle(event) == [1]


@pytest.mark.parametrize("due", [None, 103.0, 104.0])
def test_none_is_woken_for_an_event_that_the_watch_sees_in_time(due):
    world = World(next_due=103.0)

    def event(wakeups):
        world.dispatch.next_due = due
        wakeups.wake_watch()

    assert world.while_idle(event) == []


def test_a_wait_for_progress_that_is_satisfied_does_not_sleep():
    world = World()

    assert world.wakeups.wait_for_progress(lambda: True, 200.0)

    assert world.progress.waits == []


def test_a_wait_for_progress_ends_at_its_deadline():
    world = World()
    world.progress.during = lambda: setattr(world, "now", 200.0)

    assert not world.wakeups.wait_for_progress(lambda: False, 200.0)

    assert world.progress.waits == [100.0]


@pytest.mark.parametrize(("holds", "woken"), [(False, []), (True, ["all"])])
def test_a_thread_that_waits_for_progress_is_woken_once_its_condition_holds(holds, woken):
    world, state = World(), {"holds": False}

    def progress():
        state["holds"] = holds
        world.wakeups.wake_changed()
        world.now = 200.0

    world.progress.during = progress
    assert world.wakeups.wait_for_progress(lambda: state["holds"], 200.0) is holds

    assert world.progress.woken == woken


def test_after_a_wait_for_progress_its_condition_is_not_asked_again():
    world, asked = World(), []

    world.wakeups.wait_for_progress(lambda: asked.append("asked") or True, 200.0)
    asked.clear()

    world.wakeups.wake_satisfied()

    assert asked == []
