"""The answers of health beside a real broker: one that is killed, members that come and go, and one that is fenced."""

from __future__ import annotations

import threading
import time
from contextlib import closing, contextmanager, nullcontext

import pytest
from kafka import KafkaConsumer

from kafka_parallel import MemberFenced, ParallelConsumer
from kafka_parallel.testing.pytest_plugin import broker_or_skip, topic_name
from kafka_parallel_plugins.health import Health
from tests.integration.kafka_app import KEYS, consume, produce, wait_for
from tests.plugins.test_health import ask, failing

pytestmark = pytest.mark.broker

FOREVER = {"consumer_timeout_ms": float("inf")}
HAS_STATIC = "group_instance_id" in KafkaConsumer.DEFAULT_CONFIG


@contextmanager
def member(bootstrap, topic, handler=lambda _: None, *, config=None, health=None, fails_with=None, **options):
    """A member that runs, and its plugin."""
    consumer = consume(bootstrap, topic, "g-" + topic, **FOREVER, **(config or {}))
    with closing(Health(port=0, **(health or {}))) as plugin:
        parallel = ParallelConsumer(consumer, plugins=[plugin], **options)
        parallel.start(handler)
        try:
            wait_for(lambda: plugin.address is not None, "the plugin to listen")
            yield parallel, plugin
        finally:
            parallel.stop()
            with pytest.raises(fails_with) if fails_with else nullcontext():
                assert parallel.join(60_000)


def waits_for_handlers(parallel):
    """True if a rebalance, and no slow machine, has kept the loop from a poll for longer than is normal."""
    return parallel._engine.facts.is_rebalancing and parallel.statistics().since_poll_ms > 1500


def wait_until_ready(plugin):
    wait_for(lambda: failing(plugin, "/readyz") == [], "it to be ready")


def test_a_broker_that_is_down_is_no_reason_to_restart():
    stall_s = 3.0
    with broker_or_skip("jvm") as broker:
        name = topic_name("down")
        broker.create_topic(name, 2)
        produce(broker.bootstrap_servers, name, 50, keys=KEYS)
        settings = {"poll_stall_ms": stall_s * 1000, "partition_stall_ms": 60_000}
        with member(broker.bootstrap_servers, name, health=settings) as (parallel, plugin):
            wait_until_ready(plugin)
            wait_for(lambda: parallel.statistics().processed == 50, "the records")
            broker.kill()

            down_until, answers = time.monotonic() + 3 * stall_s, 0
            while time.monotonic() < down_until:
                assert failing(plugin, "/livez") == failing(plugin, "/readyz") == []
                answers += 1
                time.sleep(0.1)
            assert answers > 10

            parallel.stop(timeout_ms=0)
            assert "stop" in failing(plugin, "/readyz")


def test_a_member_for_which_no_partition_is_left_is_ready(kafka_broker, topic):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(1)
    with member(bootstrap, name) as (_, owner):
        wait_until_ready(owner)
        with member(bootstrap, name) as (standby, plugin):
            wait_until_ready(plugin)
            wait_for(
                lambda: sum(ask(each, "/livez")[1]["partitions"] for each in (owner, plugin)) == 1,
                "one of them to have it",
            )
            for each in (owner, plugin):
                assert failing(each, "/livez") == failing(each, "/startupz") == failing(each, "/readyz") == []
            assert standby.state == "running"


def test_a_rebalance_that_waits_for_slow_handlers_is_no_reason_to_restart(kafka_broker, topic):
    bootstrap, name, begun, go_on = kafka_broker.bootstrap_servers, topic(2), threading.Event(), threading.Event()
    produce(bootstrap, name, 20, keys=KEYS)

    def handle(_):
        begun.set()
        go_on.wait(60)

    slow = {"health": {"poll_stall_ms": 1_000}, "revoke_timeout_ms": 60_000}
    with member(bootstrap, name, handle, **slow) as (first, plugin):
        assert begun.wait(60)
        wait_until_ready(plugin)
        with member(bootstrap, name) as (_, second):
            wait_for(lambda: waits_for_handlers(first), "the rebalance to wait for the handlers")
            assert failing(plugin, "/livez") == failing(plugin, "/readyz") == []
            assert failing(second, "/livez") == []
            assert failing(second, "/startupz") == ["assignment"]
            go_on.set()
            wait_until_ready(second)


def test_lag_is_no_reason_to_restart(kafka_broker, topic):
    bootstrap, name, go_on = kafka_broker.bootstrap_servers, topic(1), threading.Event()
    produce(bootstrap, name, 5000)
    settings = {"partition_stall_ms": 60_000}
    with member(bootstrap, name, lambda _: go_on.wait(60), health=settings, workers=1, max_buffered_records=10) as (
        parallel,
        plugin,
    ):
        wait_for(lambda: [found.lag for found in parallel.progress().values()] == [5000], "the lag")
        assert failing(plugin, "/livez") == failing(plugin, "/readyz") == []
        go_on.set()


@pytest.mark.skipif(not HAS_STATIC, reason="2.2 has no static members")
def test_a_member_that_was_fenced_is_dead(kafka_broker, topic):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(1)
    config = {"group_instance_id": "payments-1", "heartbeat_interval_ms": 300, "session_timeout_ms": 10_000}
    with member(bootstrap, name, config=config, fails_with=MemberFenced) as (parallel, plugin):
        wait_until_ready(plugin)
        younger = consume(bootstrap, name, "g-" + name, **config, **FOREVER)
        try:
            wait_for(lambda: younger.poll(200) or younger.assignment(), "the second member to take its place")
            wait_for(lambda: failing(plugin, "/livez") == ["run"], "the first one to be dead")
        finally:
            younger.close()
        [run] = [check for check in ask(plugin, "/livez")[1]["checks"] if check["name"] == "run"]
        assert run["detail"] == "MemberFenced"
        assert isinstance(parallel.error, MemberFenced)
        assert failing(plugin, "/readyz") == ["run", "stop"]
