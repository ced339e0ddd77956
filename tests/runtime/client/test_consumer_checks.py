"""Kinds: an object around a consumer, or a subclass whose methods are not like the client's."""

from __future__ import annotations

from unittest import mock

import pytest
from kafka import KafkaConsumer

from kafka_parallel import CommitFailed, ConfigurationError, ParallelConsumer
from kafka_parallel.testing import FakeConsumer
from tests.runtime.app import GROUP, TOPIC, App


class Getting:
    def __init__(self, consumer):
        object.__setattr__(self, "_inner", consumer)

    def __getattr__(self, name):
        return getattr(self._inner, name)


class Setting(Getting):
    def __setattr__(self, name, value):
        setattr(self._inner, name, value)


class Claiming(Getting):
    @property
    def __class__(self):
        return type(self._inner)


class Hollow(FakeConsumer):
    def __init__(self, consumer):
        self.inner = consumer


AROUND = {
    "getattr": Getting, "setattr": Setting, "class": Claiming, "hollow": Hollow,
    "wrapping mock": lambda consumer: mock.Mock(wraps=consumer),
    "autospec": lambda _: mock.create_autospec(KafkaConsumer, instance=True),
}  # fmt: skip


@pytest.mark.parametrize("how", AROUND)
def test_an_object_around_a_consumer_is_refused_and_the_consumer_untouched(how):
    app = App()
    consumer = app.consumer()
    before = dict(vars(consumer))

    with pytest.raises(ConfigurationError, match="pass the one inside"):
        ParallelConsumer(AROUND[how](consumer))

    assert type(consumer) is FakeConsumer
    assert vars(consumer) == before
    ParallelConsumer(consumer, install_signal_handlers=False).run(app.handle(lambda _: None))
    assert app.committed == 6


def run(kind, **config):
    """Run a consumer of the class *kind*; return the application and the error."""
    app = App()
    consumer = kind(TOPIC, cluster=app.cluster, group_id=GROUP, auto_offset_reset="earliest", consumer_timeout_ms=400,
                    max_poll_records=2, **config)  # fmt: skip
    return app, app.run_on(consumer), consumer


class Frozen(FakeConsumer):
    def __setattr__(self, name, value):
        if name == "__class__":
            raise AttributeError("frozen")
        super().__setattr__(name, value)


def test_a_class_that_refuses_to_be_set_is_guarded():
    app, error, consumer = run(Frozen)

    assert error is None
    assert app.committed == 6
    assert type(consumer) is Frozen


class Registered(FakeConsumer):
    def __init_subclass__(cls, **_):
        raise KeyError("registered twice")


def test_a_class_that_refuses_subclasses_is_refused():
    _, error, consumer = run(Registered)

    assert isinstance(error, ConfigurationError)
    assert "__init_subclass__" in str(error)
    assert type(consumer) is Registered
    assert sum(map(len, consumer.poll(1000, max_records=6).values())) == 6


class OldCommit(FakeConsumer):
    def commit(self, offsets=None):
        super().commit(offsets)


class OldClose(FakeConsumer):
    def close(self):
        super().close()


class OldPoll(FakeConsumer):
    def poll(self):
        return super().poll()


@pytest.mark.parametrize(
    ("kind", "line"),
    [(OldCommit, "timeout_ms=None"), (OldClose, "autocommit=True, timeout_ms=None"), (OldPoll, "timeout_ms=0, max_")],
)
def test_a_method_that_does_not_take_what_is_passed_is_refused_with_the_line_to_write(kind, line):
    consumer = kind(TOPIC, cluster=App().cluster, group_id=GROUP)

    with pytest.raises(ConfigurationError, match=line):
        ParallelConsumer(consumer)

    assert not consumer._closed
    assert type(consumer) is kind


def test_an_error_of_the_users_commit_is_not_blamed_on_the_coordinator():
    class Failing(FakeConsumer):
        def commit(self, offsets=None, timeout_ms=None):
            raise TypeError("my mistake")

        def commit_async(self, offsets=None, callback=None):
            raise TypeError("my mistake")

    _, error, _ = run(Failing)

    assert isinstance(error, CommitFailed)
    assert "my mistake" in str(error)
    assert "coordinator refused" not in str(error)


class Filtering(FakeConsumer):
    def poll(self, *arguments, **options):
        found = super().poll(*arguments, **options)
        return {partition: (r for r in records if r.offset % 4 == 3) for partition, records in found.items()}


def test_what_a_poll_of_the_user_filters_out_is_passed_as_on_the_bare_client():
    app, error, _ = run(Filtering)

    assert error is None
    assert app.handled == [3]
    assert app.committed == 6


class Nothing(FakeConsumer):
    def poll(self, *arguments, **options):
        return super().poll(*arguments, **options) or None


class Numbers(FakeConsumer):
    def poll(self, *arguments, **options):
        return dict.fromkeys(super().poll(*arguments, **options), 1)


@pytest.mark.parametrize("kind", [Nothing, Numbers])
def test_a_poll_of_the_user_that_returns_something_else_is_named(kind):
    _, error, _ = run(kind)

    assert isinstance(error, ConfigurationError)
    assert f"poll() of this {kind.__qualname__} returned" in str(error)


class Looking(FakeConsumer):
    def poll(self, *arguments, **options):
        found = super().poll(*arguments, **options)
        return {partition: [r for r in records if r.value["ok"]] for partition, records in found.items()}


def test_a_poll_of_the_user_that_looks_into_records_is_told_how_to():
    def deserialise(_):
        return {"ok": 1}

    _, error, _ = run(Looking, value_deserializer=deserialise)
    assert isinstance(error, ConfigurationError)
    assert "lazy_deserialization=False" in str(error)

    app = App()
    consumer = Looking(
        TOPIC, cluster=app.cluster, group_id=GROUP, auto_offset_reset="earliest", consumer_timeout_ms=400,
        value_deserializer=deserialise,
    )  # fmt: skip
    ParallelConsumer(consumer, lazy_deserialization=False, install_signal_handlers=False).run(
        app.handle(lambda _: None)
    )
    assert app.committed == 6


class ReturnsNothing(FakeConsumer):
    def commit_async(self, offsets=None, callback=None):
        super().commit_async(offsets, callback)


def test_a_commit_async_of_the_user_that_returns_nothing_commits_all_the_same():
    app, error, _ = run(ReturnsNothing, auto_commit_interval_ms=20)

    assert error is None
    assert app.committed == 6
