"""Kinds: an error in the client's call that is not its own; a poll that fails for good; a member that is fenced."""

from __future__ import annotations

import json
import threading

import pytest
from kafka import ConsumerRebalanceListener
from kafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    RebalanceInProgressError,
    TopicAuthorizationFailedError,
)

from kafka_parallel import MemberFenced, ParallelConsumer, hookimpl
from kafka_parallel._runtime.client.client_errors import is_retriable
from kafka_parallel.testing import FakeCluster, FakeConsumer
from tests.runtime.app import GROUP, PARTITION, TOPIC, App

HABITS = pytest.mark.parametrize("habits", ["2.x", "3.x"])


class TryAgainError(Exception):
    """A user's error with the attribute of kafka-python's errors."""

    retriable = True


class Counting(FakeConsumer):
    """Counts polls after one has failed."""

    failed_polls = -1

    def poll(self, *arguments, **options):
        if self.failed_polls >= 0:
            self.failed_polls += 1
            return super().poll(*arguments, **options)
        try:
            return super().poll(*arguments, **options)
        except Exception:
            self.failed_polls = 0
            raise


def ends_with(error, **options):
    """Run with a deserialiser, left in poll(), that raises *error* at the fourth of six records."""

    def deserialise(data):
        if data == b"3":
            raise error
        return json.loads(data)

    app = App()
    consumer = Counting(
        TOPIC, cluster=app.cluster, group_id=GROUP, auto_offset_reset="earliest", max_poll_records=1,
        value_deserializer=deserialise, **options,
    )  # fmt: skip
    parallel = ParallelConsumer(consumer, workers=1, lazy_deserialization=False, install_signal_handlers=False)
    with pytest.raises(type(error)) as caught:
        parallel.run(app.handle(lambda _: None))
    return app, consumer, caught.value


@HABITS
@pytest.mark.parametrize(
    "error", [TryAgainError("registry"), KafkaTimeoutError("a broker of the deserialiser's own"), ValueError("bad")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_what_the_users_deserialiser_raises_ends_the_run_after_what_was_taken(error, habits):
    app, consumer, raised = ends_with(error, habits=habits)

    assert raised is error
    assert app.handled == [0, 1, 2]
    assert app.committed == 3
    assert consumer.failed_polls == 0  # the next poll() of the real client would never return


def raised_by(act):
    try:
        act()
    except Exception as error:
        return error


@HABITS
@pytest.mark.parametrize("error", [KafkaConnectionError("gone"), KafkaTimeoutError("late")])
def test_what_the_client_raises_for_transport_is_tried_again(error, habits):
    app = App()
    app.cluster.fail("poll", error, times=2)

    assert app.run(consumer={"habits": habits}) is None
    assert app.committed == 6


@HABITS
def test_what_was_taken_is_handled_before_an_error_of_poll_ends_the_run(habits):
    app = App(50)
    consumer = app.consumer(habits=habits, max_poll_records=20)
    app_handle = app.handle(lambda record: record.offset == 0 and app.cluster.fail("poll", denied, times=1000))
    denied = TopicAuthorizationFailedError({TOPIC})

    with pytest.raises(TopicAuthorizationFailedError):
        ParallelConsumer(consumer, workers=1, install_signal_handlers=False).run(app_handle)

    assert len(app.handled) == app.committed >= 20


@HABITS
def test_a_stop_does_not_poll_again_after_an_error_for_good(habits):
    app = App()
    consumer = Counting(TOPIC, cluster=app.cluster, group_id=GROUP, auto_offset_reset="earliest", habits=habits)
    parallel = ParallelConsumer(consumer, workers=1, install_signal_handlers=False)
    moment = threading.Event()

    def handle(record):
        if record.offset == 0:
            parallel.stop()
            while not consumer._states[PARTITION].paused:  # as the way out begins
                moment.wait(0.001)
            app.cluster.fail("poll", TopicAuthorizationFailedError({TOPIC}), times=1000)
            while consumer.failed_polls < 0:
                moment.wait(0.001)
            app.cluster.fail("commit", RebalanceInProgressError(), times=2)

    parallel.run(app.handle(handle))

    assert consumer.failed_polls == 0
    assert len(app.handled) == app.committed > 0


def test_an_error_of_a_users_callback_is_not_the_clients():
    def callback(_offsets, _answer):
        raise KafkaTimeoutError("raised by the user")

    cluster = FakeCluster()
    cluster.create_topic(TOPIC)
    consumer = FakeConsumer(TOPIC, cluster=cluster, group_id=GROUP)

    consumer.commit_async({}, callback)
    while (users := raised_by(lambda: consumer.poll(1))) is None:
        pass  # the answer is on its way
    cluster.fail("poll", KafkaTimeoutError("raised by the client"))
    clients = raised_by(lambda: consumer.poll(10))

    assert (str(users), is_retriable(users)) == ("KafkaTimeoutError: raised by the user", False)
    assert (str(clients), is_retriable(clients)) == ("KafkaTimeoutError: raised by the client", True)


# A member that is fenced


@HABITS
@pytest.mark.parametrize("records", [0, 6])
def test_a_fenced_member_ends_commits_nothing_and_names_its_id(records, habits):
    app = App(records)
    config = {"habits": habits, "group_instance_id": "payments-1", "consumer_timeout_ms": float("inf")}
    successor = []

    class StartsSuccessor:
        @hookimpl
        def on_assign(self, partitions):
            if partitions and not successor:
                successor.append(app.consumer(**config))

    def handle(_):
        join(successor[0])

    def join(other):
        while not other.assignment():
            other.poll(10)

    parallel = ParallelConsumer(
        app.consumer(auto_commit_interval_ms=10**8, **config), workers=1, plugins=[StartsSuccessor()],
        install_signal_handlers=False,
    )  # fmt: skip
    parallel.start(app.handle(handle))
    while not successor:
        parallel.join(timeout_ms=10)
    if not records:
        join(successor[0])
    with pytest.raises(MemberFenced, match="group_instance_id='payments-1'") as caught:
        assert parallel.join(timeout_ms=30_000)

    assert caught.value.instance_id == "payments-1"
    assert app.committed == 0


class Listener(ConsumerRebalanceListener):
    def on_partitions_revoked(self, revoked):
        pass

    def on_partitions_assigned(self, assigned):
        raise TryAgainError("a listener's")


def test_an_error_of_the_users_listener_is_not_tried_again():
    app = App()
    consumer = app.consumer(habits="3.x")  # 2.x only logs it
    consumer.subscribe([TOPIC], listener=Listener())

    with pytest.raises(Exception, match="User rebalance callback throws an error"):
        ParallelConsumer(consumer, install_signal_handlers=False).run(app.handle(lambda _: None))
    assert app.committed == len(app.handled)
