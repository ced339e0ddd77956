"""A cooperative member fetches while it joins, unless its partitions may be another member's by now."""

from __future__ import annotations

import re
from types import SimpleNamespace

import kafka
import pytest
from kafka import TopicPartition
from kafka.errors import UnknownMemberIdError
from kafka.future import Future

from kafka_parallel import ParallelConsumer
from kafka_parallel._runtime.client import fetching_while_joining
from kafka_parallel._runtime.client.changes import Changes
from kafka_parallel._runtime.client.fetching_while_joining import KNOWN, LOOK, UPDATE_MS, AwaitedJoin
from kafka_parallel._runtime.client.membership import Membership
from kafka_parallel.testing import FakeCluster, FakeConsumer
from tests.until import run_until

knows_this_client = pytest.mark.skipif(not kafka.__version__.startswith(KNOWN), reason="joins of another version")


class Coordinator:
    """A member of generation 3 with one partition; `is_in_group` tells whether its joins have been answered.

    :ivar polls: the times of its calls of poll(), in milliseconds.
    :ivar waits: the times for which it was to wait for the group.
    """

    def __init__(self, protocol="COOPERATIVE"):
        self.is_in_group, self.polls, self.waits, self.callbacks = True, [], [], 0
        self.rejoining = self.is_expired = self.coordinator_is_gone = False
        self._rebalance_protocol = SimpleNamespace(name=protocol)
        self._generation = SimpleNamespace(generation_id=3, member_id="m-1")
        self._subscription = SimpleNamespace(assignment={"p": object()}, subscribed_pattern=None)
        self._join_task = None
        self.heartbeat = SimpleNamespace(session_timeout_expired=lambda: self.is_expired)

    def poll(self, timeout_ms=None):
        self.polls.append(timeout_ms)
        return not self.need_rejoin() or self.ensure_active_group(timeout_ms=timeout_ms)

    def ensure_active_group(self, timeout_ms=None):
        self.waits.append(timeout_ms)
        return self.is_in_group

    def time_to_next_poll(self):
        return 3.0

    def need_rejoin(self):
        return self.rejoining

    def coordinator_unknown(self):
        return self.coordinator_is_gone

    def _invoke_completed_offset_commit_callbacks(self):
        self.callbacks += 1

    def join(self):
        self.rejoining, self.is_in_group = True, False


def taken_over(coordinator):
    changes = Changes()
    fetching_while_joining.put(coordinator, Membership(coordinator, lambda: None), changes)
    return changes


@knows_this_client
def test_a_member_that_joins_does_not_wait_for_others_and_may_fetch():
    coordinator = Coordinator()
    taken_over(coordinator)
    coordinator.join()

    assert coordinator.poll(timeout_ms=100)
    assert coordinator.waits == [0]
    assert coordinator.time_to_next_poll() == LOOK


@knows_this_client
def test_the_client_is_not_asked_while_there_is_no_answer():
    coordinator = Coordinator()
    taken_over(coordinator)
    coordinator.join()
    coordinator._join_task = join = Future()

    assert coordinator.poll(timeout_ms=100)
    assert (coordinator.polls, coordinator.callbacks) == ([], 1)

    join.success(b"assignment")
    assert coordinator.poll(timeout_ms=100)
    assert coordinator.polls == [100]


@knows_this_client
@pytest.mark.parametrize("timeout_ms", [0, 100])
@pytest.mark.parametrize("protocol", ["COOPERATIVE", "EAGER"])
def test_there_is_time_for_the_metadata_that_a_pattern_is_looked_up_in(protocol, timeout_ms):
    coordinator = Coordinator(protocol)
    taken_over(coordinator)
    coordinator._subscription.subscribed_pattern = re.compile("topic")
    coordinator.join()

    coordinator.poll(timeout_ms=timeout_ms)

    assert coordinator.polls == [UPDATE_MS]
    assert coordinator.waits == [0 if protocol == "COOPERATIVE" else timeout_ms]


@knows_this_client
def test_a_pattern_is_no_reason_to_poll_longer_once_it_has_joined():
    coordinator = Coordinator()
    taken_over(coordinator)
    coordinator._subscription.subscribed_pattern = re.compile("topic")

    assert coordinator.poll(timeout_ms=0)
    assert coordinator.polls == [0]


def test_a_member_that_does_not_join_does_as_before():
    coordinator = Coordinator()
    taken_over(coordinator)

    assert coordinator.poll(timeout_ms=100)

    assert coordinator.polls == [100]
    assert coordinator.waits == []
    assert coordinator.time_to_next_poll() == 3.0


def is_joined_anew(coordinator):
    coordinator._generation.member_id = "m-2"


def is_removed(coordinator):
    coordinator._generation.generation_id = -1


def is_silent(coordinator):
    coordinator.is_expired = True


def is_without_coordinator(coordinator):
    coordinator.coordinator_is_gone = True


def has_nothing(coordinator):
    coordinator._subscription.assignment.clear()


@pytest.mark.parametrize("befalls", [is_joined_anew, is_removed, is_silent, is_without_coordinator, has_nothing])
def test_a_member_whose_partitions_may_be_anothers_waits_for_the_answer(befalls):
    coordinator = Coordinator()
    taken_over(coordinator)
    coordinator.join()
    befalls(coordinator)

    assert not coordinator.poll(timeout_ms=100)
    assert coordinator.waits == [100]


@pytest.mark.parametrize("befalls", [is_joined_anew, is_removed])
def test_a_member_that_is_removed_while_it_asks_fetches_no_more(befalls):
    coordinator = Coordinator()
    ask = coordinator.poll

    def poll(timeout_ms=None):
        befalls(coordinator)
        return ask(timeout_ms=timeout_ms)

    coordinator.poll = poll
    taken_over(coordinator)
    coordinator.join()

    assert not coordinator.poll(timeout_ms=100)


def test_an_eager_member_has_given_up_its_partitions():
    coordinator = Coordinator(protocol="EAGER")
    taken_over(coordinator)
    coordinator.join()

    assert not coordinator.poll(timeout_ms=100)
    assert coordinator.waits == [100]


@pytest.mark.parametrize("coordinator", [None, SimpleNamespace()])
def test_a_client_without_a_group_or_without_such_groups_is_left_alone(coordinator):
    taken_over(coordinator)


@pytest.mark.parametrize("version", ["3.1.0", "3.10.0"])
def test_a_client_of_another_version_is_left_alone_and_it_is_said(version, monkeypatch, caplog):
    monkeypatch.setattr(kafka, "__version__", version)
    coordinator = Coordinator()

    with caplog.at_level("INFO"):
        taken_over(coordinator)

    assert "poll" not in vars(coordinator)
    assert f"the joins of kafka-python {version} are not known" in caplog.text


@knows_this_client
@pytest.mark.parametrize("protocol", ["COOPERATIVE", "EAGER"])
@pytest.mark.parametrize("befalls", [lambda coordinator: None, is_joined_anew, has_nothing])
def test_an_answer_that_came_between_two_polls_is_still_awaited(protocol, befalls):
    coordinator = Coordinator(protocol)
    taken_over(coordinator)
    coordinator.join()
    befalls(coordinator)
    coordinator._join_task = Future().success(b"assignment")

    coordinator.poll(timeout_ms=100)
    coordinator.poll(timeout_ms=100)

    answers = []
    assert not coordinator._join_task.is_done
    coordinator._join_task.add_callback(answers.append)
    assert answers == [b"assignment"]


def test_an_answer_that_may_be_older_than_a_session_is_not():
    coordinator = Coordinator()
    taken_over(coordinator)
    coordinator.join()
    is_silent(coordinator)
    coordinator._join_task = join = Future().success(b"assignment")

    coordinator.poll(timeout_ms=100)

    assert coordinator._join_task is join


def test_a_failed_join_is_still_awaited_too():
    errors = []

    AwaitedJoin(Future().failure(UnknownMemberIdError())).add_errback(errors.append)

    assert [type(error) for error in errors] == [UnknownMemberIdError]


@knows_this_client
def test_all_is_as_before_once_the_changes_are_taken_back():
    coordinator = Coordinator()

    taken_over(coordinator).undo()

    assert not {"poll", "ensure_active_group", "time_to_next_poll"} & vars(coordinator).keys()


@knows_this_client
def test_a_run_handles_the_partition_it_keeps_while_another_member_is_waited_for():
    cluster, handled = FakeCluster(), []
    cluster.create_topic("topic", 2)
    first, other = (member_of(cluster) for _ in range(2))
    steps = iter(
        [
            lambda: len(first.assignment()) == 2,
            lambda: other.poll(0) is not None,
            lambda: len(first.assignment()) == 1 and first._coordinator.rejoining,
            lambda: [cluster.append("topic", b"v", partition=number) for number in range(2)],
            lambda: handled,
        ]
    )
    step = next(steps)

    def all_done():
        nonlocal step
        while step is not None and step():
            step = next(steps, None)
        return step is None

    run_until(all_done, ParallelConsumer(first), lambda record: handled.append((first.assignment(), place_of(record))))
    other.close()

    assert [list(kept) for kept, _ in handled] == [[place] for _, place in handled]


def member_of(cluster):
    strategy = pytest.importorskip("kafka.coordinator.assignors.cooperative_sticky").CooperativeStickyAssignor
    config = {"partition_assignment_strategy": [strategy], "auto_offset_reset": "earliest"}
    return FakeConsumer("topic", cluster=cluster, group_id="group", habits="3.x", **config)


def place_of(record):
    return TopicPartition(record.topic, record.partition)
