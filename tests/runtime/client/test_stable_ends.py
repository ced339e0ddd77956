"""A client that asks for the ends of logs as a broker does is found by the request that it makes."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import kafka
import pytest

from kafka_parallel._runtime.client.process_guards import check_process
from kafka_parallel._runtime.client.stable_ends import asks_as_broker, installed_fetcher
from kafka_parallel.testing import FakeCluster, FakeConsumer, ManualClock

# 3.0.12's list of changes names it.
AS_BROKER = kafka.__version__.startswith("3.0.") and int(kafka.__version__.split(".")[2]) < 12


def consumer_of(send, isolation="read_committed"):
    """A consumer whose fetcher asks by *send*."""
    kind = type("Fetcher", (), {"_send_list_offsets_request": send, "_manager": None})
    return SimpleNamespace(_fetcher=kind(), config={"isolation_level": isolation})


async def as_broker(self, node_id, _):
    return await self._manager.send(SimpleNamespace(replica_id=0), node_id=node_id)


async def as_reader(self, node_id, _):
    return await self._manager.send(SimpleNamespace(replica_id=-1), node_id=node_id)


async def without_replicas(self, node_id, _):
    return await self._manager.send(SimpleNamespace(), node_id=node_id)


async def by_another_method(self, node_id, _):
    return await self._manager.call(SimpleNamespace(replica_id=0), node_id)


async def of_one_argument(self, _):
    return await self._manager.send(SimpleNamespace(replica_id=0))


def of_2x(self, node_id, _):
    raise AssertionError("it would send something")


@pytest.mark.parametrize(
    ("send", "is_broker"),
    [
        (as_broker, True),
        (as_reader, False),
        (without_replicas, False),
        (by_another_method, False),
        (of_one_argument, False),
        (of_2x, False),
    ],
)
def test_the_request_tells_who_asks(send, is_broker):
    consumer = consumer_of(send)

    assert asks_as_broker(consumer._fetcher) is is_broker
    assert consumer._fetcher._manager is None  # the one in use has its connections still


def test_the_installed_client_is_judged_by_its_own_request():
    """Of 3.1 and later, either is right: the contract holds the judgement to a real broker."""
    found = asks_as_broker(installed_fetcher())

    assert found == AS_BROKER or kafka.__version__.startswith("3.1.")


@pytest.mark.parametrize("habits", ["2.x", "3.x"])
def test_a_fake_consumer_is_a_reader(habits):
    consumer = FakeConsumer(cluster=FakeCluster(ManualClock()), habits=habits)

    assert not asks_as_broker(consumer._fetcher)
    consumer.close()


def test_a_run_that_reads_what_is_committed_is_warned(caplog):
    check_process(consumer_of(as_broker))

    [line] = caplog.messages
    assert line.startswith(f"kafka-python {kafka.__version__} asks for the ends of logs as a broker does: ")
    assert "lie behind the records of open transactions" in line
    assert "pip install kafka-python==3.0.12" in line


@pytest.mark.parametrize(
    "consumer", [consumer_of(as_reader), consumer_of(as_broker, "read_uncommitted"), consumer_of(as_broker, None)]
)
def test_others_are_not_warned(caplog, consumer):
    caplog.set_level(logging.DEBUG)

    check_process(consumer)

    assert caplog.messages == []
