"""The parts of a run fit together, are refused where they do not, and have begun nothing yet."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kafka_parallel import Batch, ConfigurationError, DelayedTopics, PluginError, hookimpl
from kafka_parallel._options import Options
from kafka_parallel._plugins.manager import Plugins
from kafka_parallel._runtime.client.consumer_adapter import Client
from kafka_parallel._runtime.clock import SystemClock
from kafka_parallel._runtime.loop.assembly import Parts
from kafka_parallel._runtime.loop.shutdown import Shutdown
from kafka_parallel.testing import FakeConsumer
from tests.runtime.app import App


def parts_of(*plugins, handler=lambda _: None, consumer=None, batch=None, clock=None, **options):
    options.setdefault("ordering", "unordered")
    found = Plugins([*plugins, "thread-pool"], {"KAFKA_PARALLEL_DISABLE_PLUGIN_AUTOLOAD": "1"})
    client = Client(consumer or App().consumer())
    return Parts(client, found, Options(**options), Shutdown(1.0), handler, clock, batch=batch)


def seen_of(consumer):
    """The attributes of *consumer* by which a run that has begun shows."""
    listener = consumer._subscription.rebalance_listener
    return type(consumer), dict(consumer.config), dict(consumer._fetcher.config), listener, consumer.subscription()


class Delaying:
    """Has a retry topic read, whose records wait for five milliseconds."""

    @hookimpl
    def provide_topics(self):
        return DelayedTopics({"t-retry": "t"}, lambda record, now_ms: 5.0, lambda record: record._replace(topic="t"))


class Providing:
    """Provides an executor and an ordering."""

    def __init__(self):
        self.executor = SimpleNamespace(start=None, join=None)

    @hookimpl
    def provide_executor(self):
        return self.executor


class Broken:
    @hookimpl
    def provide_decoder(self):
        raise ZeroDivisionError


def test_nothing_of_the_consumer_is_changed_yet():
    consumer = App().consumer(value_deserializer=int)
    before = seen_of(consumer)

    parts_of(Delaying(), consumer=consumer)

    assert seen_of(consumer) == before


def test_the_time_is_the_systems_unless_another_is_given():
    clock = SystemClock()

    assert isinstance(parts_of().clock, SystemClock)
    assert parts_of(clock=clock).clock is clock


def test_plugins_learn_the_settings_of_the_run():
    settings = parts_of(consumer=App().consumer(value_deserializer=int), workers=3, handler_timeout_ms=50).settings

    assert (settings.workers, settings.group_id, settings.topics) == (3, "g", {"t"})
    assert (settings.is_ordered, settings.handler_timeout_ms, settings.has_raw_bytes) == (False, 50, True)
    record = SimpleNamespace(_replace=lambda **fields: fields, topic="t", headers=[], key=b"1", value=b"2")
    assert settings.deserialize(record) == {"key": b"1", "value": 2, "headers": []}


def test_without_deserialisers_a_record_is_its_own():
    assert parts_of().settings.deserialize("record") == "record"


def test_an_executor_that_a_plugin_provides_is_used():
    plugin = Providing()
    found = Plugins([plugin], {"KAFKA_PARALLEL_DISABLE_PLUGIN_AUTOLOAD": "1"})

    parts = Parts(Client(App().consumer()), found, Options(ordering="unordered"), Shutdown(1.0), lambda _: None)

    assert parts.executor is plugin.executor


def test_topics_that_a_plugin_wants_are_read_from_the_beginning_of_the_run():
    consumer = App().consumer()
    parts = parts_of(Delaying(), consumer=consumer)
    assert dict(parts.settings.sources) == {"t-retry": "t"}

    parts.client.take_over(dict, lambda: None, lambda _: None)

    assert consumer.subscription() == {"t", "t-retry"}
    parts.client.undo_takeover()
    assert consumer.subscription() == {"t"}


def test_a_record_of_such_a_topic_is_deserialised_as_that_of_its_source():
    class Seen:
        def __init__(self, topic):
            self.topic = topic

        def _replace(self, topic=None):
            return Seen(topic or self.topic)

    assert parts_of(Delaying()).settings.deserialize(Seen("t-retry")).topic == "t"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"handler": lambda: None}, "cannot be called with one argument"),
        ({"handler": App(executor="asyncio").handle(print)}, "is async def"),
        ({"batch": Batch(max_records=9), "max_buffered_records": 5}, "such a batch could never fill"),
        ({"batch": Batch(of="key")}, "there is no ordering key"),
        ({"consumer": {"max_poll_interval_ms": 15_000}}, "revoke_timeout_ms=15000 must be smaller than"),
    ],
)
def test_parts_that_do_not_fit_are_refused(options, reason):
    if "consumer" in options:
        options = {**options, "consumer": App().consumer(**options["consumer"])}

    with pytest.raises(ConfigurationError, match=reason):
        parts_of(executor="thread-pool", **options)


def test_a_hook_that_provides_nothing_usable_stops_the_start():
    with pytest.raises(PluginError, match="ZeroDivisionError"):
        parts_of(Broken())


@pytest.mark.parametrize("group", ["g", None])
def test_without_a_group_no_commit_is_ever_due(group):
    app = App()
    consumer = FakeConsumer("t", cluster=app.cluster, group_id=group, auto_offset_reset="latest")
    scheduler = parts_of(consumer=consumer).scheduler

    assert (scheduler.commit_due(is_asked=True) is None) is (group is None)
