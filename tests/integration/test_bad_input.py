"""Every mistake is told at once: the value, whose fault it is, and the remedy. Broken plugins lose nothing."""

from __future__ import annotations

import logging

import pytest
from kafka import KafkaConsumer, TopicPartition

from kafka_parallel import (
    ConfigurationError,
    KafkaParallelError,
    ParallelConsumer,
    PluginError,
    RecordFailed,
    StateError,
    hookimpl,
)
from tests.integration.kafka_app import IDLE_MS, committed, consume, ends, produce

pytestmark = pytest.mark.broker


@pytest.fixture
def consumer(kafka_broker, topic):
    found = consume(kafka_broker.bootstrap_servers, topic(1), "g", consumer_timeout_ms=100)
    yield found
    found.close(autocommit=False)


class Misspelt:
    @hookimpl
    def on_recrod(self):
        """Not a hook."""


class NoHooks:
    """Nothing."""


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"ordering": "kee"}, ConfigurationError, "ordering='kee': there is no such ordering"),
        ({"ordering": "dlq"}, PluginError, "provides no ordering"),
        ({"executor": "fibers"}, ConfigurationError, "executor='fibers': there is no such executor"),
        ({"plugins": ["nosuch"]}, PluginError, "there is no plugin 'nosuch'"),
        ({"workers": 0}, ConfigurationError, "workers=0: must be an integer of at least 1"),
        ({"max_buffered_bytes": -5}, ConfigurationError, "max_buffered_bytes=-5"),
        ({"plugins": [Misspelt()]}, PluginError, "on_recrod"),
        ({"plugins": [NoHooks()]}, PluginError, "has no hook"),
        ({"plugins": ["key-ordered", "partition-queue"]}, PluginError, "both answer provide_ordering"),
        ({"revoke_timeout_ms": 300_000}, ConfigurationError, "max_poll_interval_ms=300000"),
    ],
)
def test_a_mistake_is_named_at_once(consumer, options, kind, said):
    with pytest.raises(kind) as caught:
        ParallelConsumer(consumer, **options).run(lambda record: None)

    assert isinstance(caught.value, KafkaParallelError)
    assert said in str(caught.value)


def test_what_cannot_be_run_is_refused(kafka_broker, consumer):
    with pytest.raises(ConfigurationError, match="'handler': give a function"):
        ParallelConsumer(consumer).run("handler")
    with pytest.raises(ConfigurationError, match="is not a kafka-python KafkaConsumer"):
        ParallelConsumer(object())
    with pytest.raises(StateError, match=r"before run\(\) or start\(\)"):
        ParallelConsumer(consumer).statistics()

    async def handle(record):
        """Needs an executor for coroutines."""

    with pytest.raises(ConfigurationError, match="is async def, which executor"):
        ParallelConsumer(consumer, executor="thread-pool").run(handle)
    with pytest.raises(ConfigurationError, match="executor='greenlets': there is no such executor"):
        ParallelConsumer(consumer, executor="greenlets")

    unsubscribed = KafkaConsumer(bootstrap_servers=kafka_broker.bootstrap_servers)
    with pytest.raises(ConfigurationError, match="reads nothing"):
        ParallelConsumer(unsubscribed).run(print)
    unsubscribed.close()
    with pytest.raises(ConfigurationError, match="is closed"):
        ParallelConsumer(unsubscribed)


def test_running_twice_is_refused(consumer):
    parallel = ParallelConsumer(consumer)
    parallel.run(lambda record: None)

    with pytest.raises(KafkaParallelError, match="has run already"):
        parallel.run(lambda record: None)


def test_a_dead_letter_topic_that_is_read_is_refused(consumer):
    (name,) = consumer.subscription()
    seen = []

    with pytest.raises(ConfigurationError, match=name):
        ParallelConsumer(consumer, plugins=[("dlq", {"topic": name})]).run(seen.append)

    assert seen == []


class Raising:
    """Raises in one hook; everything else is as usual."""

    def __init__(self, hook):
        self._hook = hook
        self.calls = 0

    def _hear(self, hook):
        if hook == self._hook:
            self.calls += 1
            if hook != "on_commit" or self.calls < 3:
                raise RuntimeError(f"{hook} is broken")

    @hookimpl
    def on_record(self):
        self._hear("on_record")

    @hookimpl
    def on_error(self):
        self._hear("on_error")

    @hookimpl(wrapper=True)
    def on_commit(self):
        self._hear("on_commit")
        return (yield)

    @hookimpl
    def on_start(self):
        self._hear("on_start")

    @hookimpl
    def on_stop(self):
        self._hear("on_stop")

    @hookimpl
    def on_assign(self):
        self._hear("on_assign")

    @hookimpl
    def on_revoke(self):
        self._hear("on_revoke")

    @hookimpl
    def on_backpressure(self):
        self._hear("on_backpressure")

    @hookimpl
    def provide_ordering(self):
        self._hear("provide_ordering")

    @hookimpl
    def provide_executor(self):
        self._hear("provide_executor")


@pytest.mark.parametrize("hook", ["on_assign", "on_stop", "on_backpressure", "on_commit"])
def test_an_observer_that_raises_stops_nothing(kafka_broker, topic, hook, caplog):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(2), 200, keys=[b"a", b"b", b"c"])
    group, seen, plugin = "g-" + produced.topic, [], Raising(hook)
    consumer = consume(bootstrap, produced.topic, group, auto_commit_interval_ms=100)

    with caplog.at_level(logging.ERROR, "kafka_parallel"):
        parallel = ParallelConsumer(consumer, plugins=[plugin], max_buffered_records=20)
        parallel.run(seen.append)

    assert len(seen) == 200
    assert committed(bootstrap, group, produced) == ends(produced)
    assert plugin.calls >= 1
    assert hook in caplog.text


@pytest.mark.parametrize("hook", ["on_record", "on_error", "on_start"])
def test_a_decision_that_raises_stops_and_loses_nothing(kafka_broker, topic, hook):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(1), 10)
    group = "g-" + produced.topic

    def handle(record):
        if hook == "on_error":
            raise ValueError("handler")

    kind = RuntimeError if hook == "on_start" else RecordFailed
    parallel = ParallelConsumer(consume(bootstrap, produced.topic, group), plugins=[Raising(hook)])
    with pytest.raises(kind) as caught:
        parallel.run(handle)

    cause = caught.value if hook == "on_start" else caught.value.__cause__
    assert str(cause) == f"{hook} is broken"
    assert committed(bootstrap, group, produced) == {0: 0}


@pytest.mark.parametrize("hook", ["provide_ordering", "provide_executor"])
def test_a_provider_that_raises_stops_the_start(consumer, hook):
    seen = []

    with pytest.raises(PluginError, match=f"'Raising' .* failed in {hook}"):
        ParallelConsumer(consumer, plugins=[Raising(hook)]).run(seen.append)

    assert seen == []


def test_a_plugin_that_raises_when_a_partition_leaves_stops_nothing(kafka_broker, topic, caplog):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(2), 100, keys=[b"a", b"b", b"c"])
    group, seen = "g-" + produced.topic, []
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, group_id=group, auto_offset_reset="earliest", auto_commit_interval_ms=50,
        consumer_timeout_ms=IDLE_MS,
    )  # fmt: skip
    partitions = [TopicPartition(produced.topic, number) for number in (0, 1)]
    consumer.assign(partitions)

    class GivesOneUp(Raising):
        @hookimpl(wrapper=True)
        def on_commit(self):
            consumer.assign(partitions[:1])  # on the loop's thread, as a plugin may
            return (yield)

    parallel = ParallelConsumer(consumer, plugins=[GivesOneUp("on_revoke")])
    parallel.run(seen.append)

    assert len(seen) == 100
    assert committed(bootstrap, group, produced) == ends(produced)
    assert "failed in on_revoke" in caplog.text


def test_a_nonsense_answer_stops_and_loses_nothing(kafka_broker, topic):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(1), 3)
    group = "g-" + produced.topic

    class Nonsense:
        @hookimpl
        def on_error(self):
            return "never mind"

    def handle(record):
        raise ValueError

    with pytest.raises(RecordFailed) as caught:
        ParallelConsumer(consume(bootstrap, produced.topic, group), plugins=[Nonsense()]).run(handle)

    assert "answered 'never mind'" in str(caught.value.__cause__)
    assert committed(bootstrap, group, produced) == {0: 0}


def test_a_wrapper_that_changes_a_commit_commits_nothing(kafka_broker, topic):
    bootstrap = kafka_broker.bootstrap_servers
    produced = produce(bootstrap, topic(1), 20)
    group = "g-" + produced.topic

    class Greedy:
        @hookimpl(wrapper=True)
        def on_commit(self, offsets):
            for partition, offset in offsets.items():
                offsets[partition] = offset._replace(offset=offset.offset + 5)
            try:
                return (yield)
            except Exception:
                return None

    parallel = ParallelConsumer(consume(bootstrap, produced.topic, group), plugins=[Greedy()])
    parallel.run(lambda record: None)

    assert committed(bootstrap, group, produced) == {0: 0}
