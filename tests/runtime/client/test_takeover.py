"""Kinds: the program goes on using a consumer that is run; a start is refused; two want one partition paused."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from kafka import ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition

from kafka_parallel import ConfigurationError, DelayedTopics, ParallelConsumer, PluginError, StateError, hookimpl
from kafka_parallel._runtime.client.consumer_adapter import Client
from kafka_parallel._runtime.client.takeover import Takeover
from kafka_parallel._runtime.client.user_seeks import UserSeeks
from kafka_parallel.testing import FakeCluster, FakeConsumer
from tests.runtime.app import GROUP, PARTITION, TOPIC, App

HABITS = pytest.mark.parametrize("habits", ["2.x", "3.x"])


def upper(data):
    return data.decode()


class Tracing(FakeConsumer):
    """A user's subclass: its close() calls other methods of its own, which are refused to everybody else."""

    def poll(self, *arguments, **options):
        self.traced = True
        return super().poll(*arguments, **options)

    def close(self, *arguments, **options):
        self.unsubscribe()
        super().close(*arguments, **options)


class FromHandler:
    """Calls the consumer once from a handler, and notes the result."""

    def __init__(self, act):
        self.act = act
        self.consumer = None
        self.answers = []

    def __call__(self, record):
        if record.offset == 0:
            try:
                self.answers.append(self.act(self.consumer))
            except Exception as error:
                self.answers.append(error)


def run_calling(act, records=6, kind=FakeConsumer, **config):
    """Run with a handler that calls *act* on the consumer."""
    app, handler = App(records), FromHandler(act)
    handler.consumer = consumer = kind(
        TOPIC, cluster=app.cluster, group_id=GROUP, auto_offset_reset="earliest", consumer_timeout_ms=400,
        auto_commit_interval_ms=20, **config,
    )  # fmt: skip
    parallel = ParallelConsumer(consumer, workers=2, install_signal_handlers=False)
    parallel.run(app.handle(handler))
    return app, consumer, handler.answers[0]


REFUSED = {
    "poll": lambda consumer: consumer.poll(100),
    "iter": lambda consumer: [record for record in consumer],  # noqa: C416 - a leftover loop
    "next": next,
    "subscribe": lambda consumer: consumer.subscribe(["other"]),
    "unsubscribe": lambda consumer: consumer.unsubscribe(),
    "commit": lambda consumer: consumer.commit({PARTITION: OffsetAndMetadata(1, "", -1)}),
    "commit_async": lambda consumer: consumer.commit_async({PARTITION: OffsetAndMetadata(1, "", -1)}),
}


@HABITS
@pytest.mark.parametrize("name", REFUSED)
def test_what_would_lose_records_is_refused_with_the_line_to_write(name, habits):
    app, _, answer = run_calling(REFUSED[name], habits=habits)

    assert isinstance(answer, StateError)
    assert any(word in str(answer) for word in ("remove the loop", "remove the line", "stop() of the ParallelConsumer"))
    assert app.handled.count(0) == 1
    assert sorted(app.handled) == list(range(6))
    assert app.committed == 6


@HABITS
def test_what_is_finished_is_committed_by_a_bare_commit(habits):
    app, _, answer = run_calling(lambda consumer: consumer.commit(), habits=habits)

    assert answer is None
    assert app.committed == 6


ALLOWED = {
    "position": lambda consumer: consumer.position(PARTITION),
    "committed": lambda consumer: consumer.committed(PARTITION),
    "assignment": lambda consumer: consumer.assignment(),
    "subscription": lambda consumer: consumer.subscription(),
    "end_offsets": lambda consumer: consumer.end_offsets([PARTITION]),
    "seek": lambda consumer: consumer.seek(PARTITION, consumer.position(PARTITION)),
    "paused": lambda consumer: consumer.paused(),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_what_loses_nothing_is_the_clients_own(name):
    app, _, answer = run_calling(ALLOWED[name])

    assert not isinstance(answer, Exception)
    assert sorted(app.handled) == list(range(6))


@HABITS
@pytest.mark.parametrize("where", ["handler", "hook", "thread", "listener"])
def test_close_means_stop_from_wherever_it_comes(where, habits):
    app = App(50)
    consumer = app.consumer(habits=habits, max_poll_records=5, consumer_timeout_ms=float("inf"))  # else it never ends

    def close():
        consumer.close(autocommit=False)

    class Hook:
        @hookimpl
        def on_assign(self, partitions):
            if where == "hook" and partitions:
                close()

    class Listener(ConsumerRebalanceListener):
        def on_partitions_revoked(self, revoked):
            pass

        def on_partitions_assigned(self, assigned):
            if where == "listener" and assigned:
                close()

    def handle(_):
        if where == "handler":
            close()
        elif where == "thread":
            thread = threading.Thread(target=close)
            thread.start()
            thread.join()

    consumer.subscribe([TOPIC], listener=Listener())
    ParallelConsumer(consumer, workers=1, plugins=[Hook()], install_signal_handlers=False).run(app.handle(handle))

    assert consumer._closed
    assert app.committed == len(app.handled)  # in one partition: all that was begun


def test_close_gives_running_records_the_time_it_was_given():
    timeouts = []
    consumer = App().consumer()
    client = Client(consumer)
    client.prepare(lazy=True)
    client.take_over(dict, lambda: None, timeouts.append)

    consumer.close(timeout_ms=250)
    consumer.close()

    assert timeouts == [0.25, None]
    assert not consumer._closed


@HABITS
def test_a_subclass_whose_close_calls_its_own_methods_is_closed(habits):
    app, consumer, answer = run_calling(REFUSED["unsubscribe"], kind=Tracing, habits=habits)

    assert isinstance(answer, StateError)
    assert consumer._closed
    assert consumer.traced
    assert type(consumer) is Tracing
    assert app.committed == 6


def test_a_method_that_was_replaced_on_the_object_is_used_guarded_and_given_back():
    app = App()
    consumer, polls = app.consumer(), []

    def poll(*arguments, **options):
        polls.append(arguments)
        return FakeConsumer.poll(consumer, *arguments, **options)

    consumer.poll = poll
    answers = FromHandler(REFUSED["poll"])
    answers.consumer = consumer
    ParallelConsumer(consumer, install_signal_handlers=False).run(app.handle(answers))

    assert isinstance(answers.answers[0], StateError)
    assert polls
    assert consumer.poll is poll


def test_one_consumer_is_run_by_one_parallel_consumer():
    second = []

    def start_second(consumer):
        try:
            ParallelConsumer(consumer)
        except StateError as error:
            second.append(str(error))

    app, _, _ = run_calling(start_second)

    assert len(second) == 1
    assert "build a KafkaConsumer for each" in second[0]
    assert app.committed == 6


# A start that is refused


class RefusesStart:
    @hookimpl
    def on_start(self):
        raise PluginError("on_start refuses")


class ReadsMore:
    @hookimpl
    def provide_topics(self):
        return DelayedTopics({f"{TOPIC}-later": TOPIC}, lambda _record, _now_ms: 0.0)


class ProvidesNonsense:
    @hookimpl
    def provide_executor(self):
        return "nonsense"


def seen_of(consumer):
    """The visible state of a consumer."""
    return {
        "class": type(consumer),
        "attributes": set(vars(consumer)),
        "auto-commit": (consumer.config["enable_auto_commit"], consumer._coordinator.config["enable_auto_commit"]),
        "deserialisers": [consumer._fetcher.config[name] for name in ("key_deserializer", "value_deserializer")],
        "listener": consumer._subscription.rebalance_listener,
        "subscription": consumer.subscription(),
        "paused": consumer.paused(),
        "fetcher": type(consumer._fetcher),
        "records": vars(consumer._fetcher).get("PartitionRecords"),
        "parts": [set(vars(part)) for part in (consumer._fetcher, consumer._coordinator, consumer._subscription)],
    }


REFUSALS = {
    "executor": ({"executor": "asyncio"}, ConfigurationError),
    "on_start": ({"plugins": [RefusesStart()]}, PluginError),
    "provider": ({"plugins": [ProvidesNonsense()]}, PluginError),
    "timeout": ({"revoke_timeout_ms": 10**9}, ConfigurationError),
    "late": ({"plugins": [ReadsMore(), RefusesStart()]}, PluginError),
}


@HABITS
@pytest.mark.parametrize("reason", REFUSALS)
def test_a_refused_start_leaves_the_consumer_to_a_bare_loop(reason, habits):
    options, kind = REFUSALS[reason]
    app = App()
    app.cluster.create_topic(f"{TOPIC}-later")
    consumer = app.consumer(habits=habits, value_deserializer=upper, consumer_timeout_ms=200)
    consumer.subscribe([TOPIC], listener=(listener := Listener()))
    first = consumer.poll(1000, max_records=2)[PARTITION]
    consumer.pause(PARTITION)
    before = seen_of(consumer)

    with pytest.raises(kind):
        ParallelConsumer(consumer, install_signal_handlers=False, **options).run(print)

    assert seen_of(consumer) == before
    assert before["listener"] is listener
    consumer.resume(PARTITION)
    assert [record.value for record in [*first, *consumer]] == list("012345")
    consumer.commit()
    assert app.committed == 6


@HABITS
def test_the_client_commits_nothing_by_itself_during_a_run(habits):
    app, seen = App(), []
    consumer = app.consumer(habits=habits)
    consumer.subscribe([TOPIC])
    parallel = ParallelConsumer(consumer, install_signal_handlers=False)

    def handle(_):
        seen.append(seen_of(consumer)["auto-commit"])
        if len(seen) == 6:
            parallel.stop()

    parallel.run(handle)

    assert set(seen) == {(False, False)}
    assert seen_of(consumer)["auto-commit"] == (True, True)


def test_another_start_may_follow_a_refused_one():
    app = App()
    parallel = app.parallel(executor="thread-pool")

    async def handle(record):
        pass

    with pytest.raises(ConfigurationError, match="async def"):
        parallel.run(handle)
    parallel.run(app.handle(lambda _: None))

    assert app.committed == 6


@HABITS
def test_after_a_run_all_that_can_be_read_is_as_it_was(habits):
    app = App()
    consumer = app.consumer(habits=habits, value_deserializer=upper)
    consumer.subscribe([TOPIC], listener=Listener())
    before = seen_of(consumer)

    ParallelConsumer(consumer, install_signal_handlers=False).run(app.handle(lambda _: None))

    assert seen_of(consumer) == before
    assert app.committed == 6


class Listener(ConsumerRebalanceListener):
    def on_partitions_revoked(self, revoked):
        pass

    def on_partitions_assigned(self, assigned):
        pass


@HABITS
def test_what_was_parsed_before_the_run_is_deserialised_once(habits):
    app, values = App(), []
    consumer = app.consumer(habits=habits, value_deserializer=lambda data: [data])
    first = []
    while not first:
        first = consumer.poll(100, max_records=2).get(PARTITION, [])

    ParallelConsumer(consumer, workers=1, install_signal_handlers=False).run(lambda record: values.append(record.value))

    assert [record.value for record in first] + values == [[b"%d" % number] for number in range(6)]
    assert app.committed == 6  # the position counts, as on the bare client


# Pauses


@pytest.fixture
def taken():
    """A consumer that was taken over, and its takeover."""
    cluster = FakeCluster()
    cluster.create_topic(TOPIC, 2)
    consumer = FakeConsumer(cluster=cluster, group_id=GROUP)
    consumer.assign([PARTITION, TopicPartition(TOPIC, 1)])
    client = Client(consumer)
    client.prepare(lazy=True)
    client.take_over(dict, lambda: None, lambda _: None)
    return consumer, client


def is_fetched(consumer):
    return not consumer._states[PARTITION].paused


def test_nobodys_pause_ends_by_anothers_resume(taken):
    consumer, client = taken

    client.pause({PARTITION})
    assert consumer.paused() == set()
    consumer.pause(PARTITION)
    client.resume({PARTITION})
    assert not is_fetched(consumer)
    assert consumer.paused() == {PARTITION}
    client.pause({PARTITION})
    consumer.resume(PARTITION)
    assert not is_fetched(consumer)
    assert consumer.paused() == set()
    client.resume({PARTITION})
    assert is_fetched(consumer)


def test_only_the_users_pauses_are_left_when_it_is_given_back(taken):
    consumer, client = taken
    consumer.pause(PARTITION)
    client.pause(consumer.assignment())

    client.undo_takeover()

    assert consumer.paused() == {PARTITION}


def test_a_pause_goes_with_what_the_client_knew_of_the_partition(taken):
    consumer, client = taken
    consumer.pause(PARTITION)
    del consumer._states[PARTITION]
    consumer.assign([PARTITION])  # a state of its own, as each rebalance makes in 2.x

    assert consumer.paused() == set()
    client.pause({PARTITION})
    client.resume({PARTITION})
    assert is_fetched(consumer)


def test_a_pause_in_the_midst_of_our_resume_holds(taken, monkeypatch):
    consumer, client = taken
    client.pause({PARTITION})
    own_resume = client._own.resume

    def resume(*partitions):
        monkeypatch.setattr(client._own, "resume", own_resume)
        consumer.pause(PARTITION)  # a signal handler, or another thread
        own_resume(*partitions)

    monkeypatch.setattr(client._own, "resume", resume)
    client.resume({PARTITION})

    assert not is_fetched(consumer)
    assert consumer.paused() == {PARTITION}


class State:
    """The client's state of a partition; the takeover puts a class of its own in place of this one."""

    paused = True


class Changing(dict):
    """The client's states of its partitions, while a thread of it changes that: only a copy can be looked through."""

    def items(self):
        raise RuntimeError("dictionary changed size during iteration")


class Unreadable(dict):
    """The same, and it cannot even be copied."""

    keys = __iter__ = items = Changing.items


def consumer_with(states):
    consumer = App(2).consumer()
    consumer._subscription.assignment = states
    return consumer, type(consumer)


def take(consumer):
    return Takeover(consumer, UserSeeks(), dict, lambda: None, lambda _: None)


def test_partitions_may_change_while_it_is_taken_over():
    """Kind: a live mapping of the client's, looked through by our thread."""
    consumer, kind = consumer_with(Changing({PARTITION: State()}))

    takeover = take(consumer)

    assert takeover.pauses.of_user() == {PARTITION}
    takeover.undo()
    assert type(consumer) is kind
    assert type(consumer._subscription.assignment[PARTITION]) is State


def test_a_takeover_that_fails_in_the_middle_leaves_the_consumer_as_it_was():
    """Kind: a change that is not undone because the error came before its undoing was noted."""
    consumer, kind = consumer_with(Unreadable({PARTITION: SimpleNamespace(paused=True)}))
    consumer.poll = own = lambda **_: {}

    with pytest.raises(RuntimeError, match="changed size"):
        take(consumer)

    assert type(consumer) is kind
    assert consumer.poll is own


def test_each_seek_of_the_user_is_noted_and_none_of_the_run(taken):
    consumer, client = taken
    client.seek(PARTITION, 0)
    assert client.partitions.user_seeks.take_begun() == []

    consumer.seek(PARTITION, 0)
    assert client.partitions.user_seeks.take_begun() == [PARTITION]
    consumer.seek_to_beginning(PARTITION)
    assert {*client.partitions.user_seeks.take_begun()} == {PARTITION}
    consumer.seek_to_end()  # in all partitions
    assert {*client.partitions.user_seeks.take_begun()} == consumer.assignment()
    assert client.partitions.user_seeks.take_begun() == []
