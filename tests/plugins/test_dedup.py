"""Records that were handled before are left out, as far as Redis knows; and the ways in which it does not."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import threading
from types import SimpleNamespace

import pytest

from kafka_parallel import Batch, ConfigurationError, Halt, RecordFailed, Retry, Skip, hookimpl
from kafka_parallel.inbox import InvalidMessageId, header
from kafka_parallel_plugins import dedup
from kafka_parallel_plugins.dedup import Dedup, RedisUnavailable
from kafka_parallel_plugins.dedup.leases import LeaseHeld, Leases
from kafka_parallel_plugins.dedup.outages import PAUSE, Outages
from tests.inbox.databases import redis_port
from tests.plugins.test_dlq import Clock, context, settings
from tests.runtime.app import App

__all__ = ["redis_port"]

EXECUTORS = ["thread-pool", "asyncio"]


@pytest.fixture
def client(redis_port):
    redis = pytest.importorskip("redis")
    with redis.Redis(port=redis_port, socket_timeout=30) as made:
        made.flushall()
        yield made


def key(offset, group="g", topic="t"):
    return f"kafka-parallel:dedup:{group}:{topic}/0/{offset}"


# With a Redis


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_record_that_was_handled_before_is_left_out(client, executor):
    first, second = App(executor=executor), App(executor=executor)

    assert first.run(plugins=[("dedup", {"redis": client})]) is None
    client.delete(key(2))
    assert second.run(plugins=[("dedup", {"redis": client})]) is None

    assert (first.handled, second.handled) == ([0, 1, 2, 3, 4, 5], [2])
    assert client.get(key(3)) == b"done"
    assert 86_000_000 < client.pttl(key(3)) <= 86_400_000


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_record_that_failed_is_handled_again_at_once(client, executor):
    app, seen = App(records=3, executor=executor), []

    def handler(record):
        seen.append(record.offset)
        if len(seen) == 1:
            raise OSError

    assert app.run(handler, plugins=[("dedup", {"redis": client}), ("retry", {"delay_ms": 0})]) is None

    assert seen == [0, 0, 1, 2]
    assert [client.get(key(offset)) for offset in range(3)] == [b"done"] * 3


class RaisingBehind:
    """A wrapper that raises behind the handler, once for each record: an audit that could not be written."""

    def __init__(self):
        self.raised = set()

    @hookimpl(wrapper=True)
    def on_record(self, record):
        result = yield
        if record.offset not in self.raised:
            self.raised.add(record.offset)
            raise OSError
        return result


@pytest.mark.parametrize("executor", EXECUTORS)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_record_that_a_wrapper_fails_behind_the_handler_is_handled_again(client, executor, is_first):
    app, raising = App(records=3, executor=executor), RaisingBehind()
    deduping = ("dedup", {"redis": client})
    plugins = [raising, deduping] if is_first else [deduping, raising]

    assert app.run(plugins=[*plugins, ("retry", {"delay_ms": 0})]) is None

    assert sorted(app.handled) == [0, 0, 1, 1, 2, 2]


class Ended:
    """Ends the lease of another, in the given way, when a record has met it."""

    def __init__(self, end):
        self.end, self.answers = end, []

    @hookimpl(wrapper=True, tryfirst=True)
    def on_error(self):
        self.answers.append((yield))
        self.end()
        return self.answers[-1]


@pytest.mark.parametrize("executor", EXECUTORS)
def test_a_record_that_another_works_on_waits_for_the_end_of_its_lease(client, executor):
    app, others = App(records=3, executor=executor), Ended(lambda: client.delete(key(1)))
    client.set(key(1), "another")

    assert app.run(plugins=[("dedup", {"redis": client, "lease_ms": 100}), others], ordering="unordered") is None

    assert (sorted(app.handled), others.answers) == ([0, 1, 2], [Retry(100)])


def test_a_record_that_another_finishes_meanwhile_is_left_out(client):
    app, others = App(records=3), Ended(lambda: client.set(key(0), "done"))
    client.set(key(0), "another")

    assert app.run(plugins=[("dedup", {"redis": client, "lease_ms": 100}), others]) is None

    assert (app.handled, others.answers) == ([1, 2], [Retry(100)])


def test_a_batch_gets_the_records_that_are_not_done(client):
    app, seen = App(), []
    client.set(key(1), "done")
    client.set(key(4), "done")

    parallel = app.parallel(plugins=[("dedup", {"redis": client})])
    parallel.run(lambda records: seen.extend(record.offset for record in records), batch=Batch(max_wait_ms=5))

    assert sorted(seen) == [0, 2, 3, 5]
    assert client.get(key(0)) == b"done"


def test_a_handler_in_another_process_is_asked_for_here(client):
    app = App(records=3)
    client.set(key(1), "done")

    assert (
        app.run_coroutine(fails_at_2, executor="process-pool", plugins=[("dedup", {"redis": client}), Skipping()])
        is None
    )

    assert [client.get(key(offset)) for offset in range(3)] == [b"done", b"done", None]


def fails_at_2(record):
    if record.offset == 2:
        raise OSError


class Skipping:
    @hookimpl
    def on_error(self):
        return Skip("on purpose")


def test_each_group_and_each_message_id_is_apart(client):
    client.set(key(0, group="other"), "done")
    client.set("kafka-parallel:dedup:g:17", "done")
    app = App(records=2)

    app.run(plugins=[("dedup", {"redis": client, "id": lambda record: str(17 + record.offset)})])

    assert app.handled == [1]


def leases(client, clock=None, lease_ms=60_000):
    return Leases(client, lease_ms, 86_400_000, clock or Clock())


def test_a_lease_that_has_ended_is_not_taken_from_the_next_owner(client):
    one, other = leases(client), leases(client)
    lost = one.claim("m")
    client.delete("m")
    held = other.claim("m")

    one.give_back("m", lost)
    assert client.get("m").decode() == held

    one.mark_done("m")
    assert other.claim("m") is None, "the effect has happened, under another lease"


def test_a_released_message_is_free(client):
    found = leases(client)

    found.give_back("m", found.claim("m"))

    assert found.claim("m")


@pytest.mark.parametrize("is_text", [False, True])
def test_the_holder_is_named_and_the_rest_of_its_lease(redis_port, client, is_text):
    from redis import Redis

    client.set("m", "host-1", px=40_000)

    with Redis(port=redis_port, decode_responses=is_text) as other, pytest.raises(LeaseHeld, match="host-1") as error:
        leases(other).claim("m")

    assert 30_000 < error.value.delay_ms <= 40_000


@pytest.mark.parametrize("jump", ["no end", "set back"])
def test_a_lease_that_never_ends_is_taken_when_it_should_have_ended(client, jump):
    clock = Clock()
    found = leases(client, clock)
    client.set("m", "dead", px=None if jump == "no end" else 10**9)

    with pytest.raises(LeaseHeld) as error:
        found.claim("m")
    assert error.value.delay_ms == 60_000
    clock.now += 59.9
    with pytest.raises(LeaseHeld):
        found.claim("m")
    clock.now += 0.2

    assert found.claim("m")
    assert 0 < client.pttl("m") <= 60_000


def test_the_time_of_one_owner_is_not_counted_for_the_next(client):
    clock = Clock()
    found = leases(client, clock)
    client.set("m", "first")
    with pytest.raises(LeaseHeld):
        found.claim("m")
    clock.now += 60
    client.set("m", "second")

    with pytest.raises(LeaseHeld, match="second"):
        found.claim("m")
    clock.now += 30
    with pytest.raises(LeaseHeld, match="second"):
        found.claim("m")
    clock.now += 31

    assert found.claim("m")


def test_owners_that_were_seen_are_forgotten_with_their_partitions(client):
    clock = Clock()
    found = leases(client, clock)
    client.set("m", "first")
    for _ in range(2):
        with pytest.raises(LeaseHeld):
            found.claim("m")
        found.forget_owners()
        clock.now += 61


# Without one


def away(port=1):
    redis = pytest.importorskip("redis")
    return redis.Redis(port=port, socket_timeout=1, retry=None)


@pytest.mark.parametrize("executor", EXECUTORS)
def test_without_redis_records_are_handled_with_one_warning(executor, caplog):
    app = App(executor=executor)

    with caplog.at_level(logging.WARNING, "kafka_parallel_plugins.dedup"):
        assert app.run(plugins=[("dedup", {"redis": away()})]) is None

    assert app.handled == [0, 1, 2, 3, 4, 5]
    (line,) = [each.getMessage() for each in caplog.records if each.name == "kafka_parallel_plugins.dedup"]
    assert line.startswith("Redis at localhost:1 does not answer (ConnectionError): records are handled without it")


@pytest.mark.parametrize("executor", EXECUTORS)
def test_without_redis_it_may_stop(executor):
    app = App(executor=executor)

    error = app.run(plugins=[("dedup", {"redis": away(), "on_unavailable": "halt"}), "retry"])

    assert isinstance(error, RedisUnavailable)
    assert str(error) == "Redis at localhost:1 does not answer (ConnectionError)"
    assert app.handled == []


@pytest.mark.parametrize("executor", EXECUTORS)
def test_an_outage_during_the_run_may_stop_it(executor):
    app, flaky = App(executor=executor), Flaky(Answering())
    flaky.is_away = True

    error = app.run(plugins=[("dedup", {"redis": flaky, "on_unavailable": "halt"}), "retry"])

    assert isinstance(error, RecordFailed)
    assert isinstance(error.__cause__, RedisUnavailable)
    assert str(error).count("Redis does not answer (ConnectionError)") == 1
    assert app.handled == []


def test_a_wrong_host_is_told_before_any_record(caplog):
    app = App(records=0)

    assert app.run(plugins=[("dedup", {"redis": away()})]) is None

    assert "Redis at localhost:1 does not answer (ConnectionError): records are handled without it" in caplog.text


def test_a_redis_that_says_nothing_is_not_waited_for(caplog, monkeypatch):
    monkeypatch.setattr(dedup, "START_TIMEOUT", 0.01)
    app, silent, over = App(records=0), Answering(), threading.Event()
    silent.execute_command = lambda *_: over.wait(60)

    assert app.run(plugins=[("dedup", {"redis": silent})]) is None
    over.set()

    assert "Redis does not answer (TimeoutError): records are handled without it" in caplog.text


class Flaky:
    """A client whose calls can be told to fail."""

    def __init__(self, client):
        self.client, self.is_away, self.times_asked = client, False, 0
        self.execute_command = client.execute_command

    def register_script(self, script):
        found = self.client.register_script(script)
        return lambda **given: self.asked(found, **given)

    def set(self, *args, **given):
        return self.asked(self.client.set, *args, **given)

    def asked(self, call, *args, **given):
        self.times_asked += 1
        if self.is_away:
            raise ConnectionError
        return call(*args, **given)


def test_an_outage_fails_no_record_and_its_end_is_told(caplog):
    clock, flaky = Clock(), Flaky(Answering())
    plugin = started(flaky, clock)
    flaky.is_away = True

    with caplog.at_level(logging.WARNING, "kafka_parallel_plugins.dedup"):
        assert [plugin.on_record(context().raw, context()) for _ in range(3)] == [None, None, None]
        clock.now += 5.1
        assert plugin.on_record(context().raw, context()) is None
        flaky.is_away = False
        clock.now += 5.1
        assert isinstance(plugin.on_record(context().raw, context()), Skip)

    found = [record.getMessage().split(":")[0] for record in caplog.records if "dedup" in record.name]
    assert found == ["Redis does not answer (ConnectionError)", "Redis answers again"]


def test_in_an_outage_redis_is_asked_once_in_five_seconds():
    clock, flaky = Clock(), Flaky(Answering())
    plugin = started(flaky, clock)
    flaky.is_away = True

    asked = []
    for seconds in (0, 0, 4.9, 0.2, 0, 4.9, 0.2):
        clock.now += seconds
        plugin.on_record(context().raw, context())
        asked.append(flaky.times_asked)

    assert asked == [1, 1, 1, 2, 2, 2, 3]


def test_in_an_outage_one_thread_asks_again():
    outages = Outages(clock := Clock())
    assert outages.began()
    clock.now += PAUSE

    assert [outages.may_ask() for _ in range(3)] == [True, False, False]


def test_the_password_of_redis_is_in_no_message(caplog):
    redis = pytest.importorskip("redis")
    app = App(records=1)

    with caplog.at_level(logging.WARNING):
        client = redis.Redis(port=1, username="reader", password="hush", retry=None)
        assert app.run(plugins=[("dedup", {"redis": client})]) is None

    assert "Redis at localhost:1" in caplog.text
    assert "hush" not in caplog.text


class Answering:
    """A Redis to which each message is done."""

    def register_script(self, script):
        return lambda **_: (0, 0, "")

    def execute_command(self, *_):
        """Be plain, as the client of redis is, and answer."""


def started(client, clock):
    plugin = Dedup(redis=client)
    plugin.on_start(dataclasses.replace(settings(), clock=clock))
    return plugin


# Decisions, and settings that cannot be


def test_it_decides_about_its_own_errors_only():
    plugin = Dedup(redis=client_of_nothing())

    assert plugin.on_error(LeaseHeld("o", 17.5)) == Retry(17.5)
    assert plugin.on_error(RedisUnavailable("away")) == Halt("on_unavailable of plugin dedup is 'halt'")
    assert plugin.on_error(ValueError()) is None


def client_of_nothing():
    return SimpleNamespace(register_script=lambda _: None, execute_command=lambda *_: None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"redis": None}, {"redis": object()}, {"redis": "nowhere"}, {"ttl_ms": 0}, {"ttl_ms": 1.5}, {"ttl_ms": True},
        {"lease_ms": 0}, {"lease_ms": "1"}, {"ttl_ms": 10, "lease_ms": 20}, {"on_unavailable": "skip"},
        {"id": "header"},
    ],
)  # fmt: skip
def test_a_setting_that_cannot_work_is_refused(wrong):
    with pytest.raises(ConfigurationError, match=next(iter(wrong))):
        Dedup(**{"redis": client_of_nothing(), **wrong})


def test_a_url_is_not_shown():
    with pytest.raises(ConfigurationError) as error:
        Dedup(redis="http://user:hush@host")

    assert "hush" not in str(error.value)


def test_a_client_of_asyncio_is_refused():
    redis = pytest.importorskip("redis.asyncio")

    with pytest.raises(ConfigurationError, match=r"not of redis\.asyncio"):
        Dedup(redis=redis.Redis())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"group_id": None}, "consumer group"),
        ({"handler_timeout_ms": 61_000.0}, "lease_ms=60000 of plugin dedup is below handler_timeout_ms=61000"),
        ({"executor": "asyncio", "batch": Batch()}, "would hold up the event loop"),
        ({"transactions": object()}, "Redis knows a record as done before its results are written"),
    ],
)
def test_a_consumer_that_it_does_not_fit_is_refused(changes, words):
    with pytest.raises(ConfigurationError, match=words):
        Dedup(redis=client_of_nothing()).on_start(dataclasses.replace(settings(), **changes))


def test_a_record_without_an_id_has_failed():
    plugin = Dedup(redis=client_of_nothing(), id=header("id"))
    plugin.on_start(settings())

    with pytest.raises(InvalidMessageId):
        plugin.on_record(context().raw, context())


def test_a_cancelled_handler_gives_its_lease_back(client):
    """As ``handler_timeout_ms`` cancels it: its record is handled again at once, not when the lease ends."""
    app, seen = App(records=1, executor="asyncio"), []

    async def handler(record):
        seen.append(record.offset)
        if len(seen) == 1:
            await asyncio.sleep(600)

    options = {"handler_timeout_ms": 50, "plugins": [("dedup", {"redis": client}), ("retry", {"delay_ms": 0})]}
    assert app.run_coroutine(handler, executor="asyncio", **options) is None

    assert seen == [0, 0]
