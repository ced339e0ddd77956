"""User code with unexpected behaviour, on the real broker: none of its records is committed unhandled."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor

import pytest

from kafka_parallel import ConfigurationError, HandlerUnfinished, ParallelConsumer, RecordFailed
from tests.integration.kafka_app import committed, consume, produce

pytestmark = pytest.mark.broker
ODD, RECORDS = 5, 10


async def save(record):
    """A coroutine that a handler forgets to await."""


async def forget_to_await(record):
    return save(record) if record.offset == ODD else None


def return_a_generator(record):
    return (part for part in (1, 2)) if record.offset == ODD else None


def has_a_yield(record):
    yield


def fail_at(value, kind, data):
    """A deserialiser, as ``next(... for ... if ...)`` fails where nothing is found."""
    if data == value:
        raise kind
    return data


@pytest.mark.filterwarnings("ignore:.*does not implement kafka.serializer.Deserializer")
def test_a_stop_iteration_of_a_deserialiser_fails_its_record_whatever_the_handler(kafka_broker, topic):
    """The kind: an exception with a meaning for Python gets that meaning."""
    bootstrap, name = kafka_broker.bootstrap_servers, topic(1)
    produced = produce(bootstrap, name, ODD)
    produce(bootstrap, name, 1, value=b"odd")
    produce(bootstrap, name, RECORDS - ODD - 1)
    deserializer = functools.partial(fail_at, b"odd", StopIteration)

    with pytest.raises(RecordFailed, match=f"@{ODD} failed: StopIteration") as caught:
        ParallelConsumer(consume(bootstrap, name, "ours", value_deserializer=deserializer)).run(save)
    bare = consume(bootstrap, name, "bare", value_deserializer=deserializer, enable_auto_commit=False)
    with pytest.raises((StopIteration, RuntimeError)):  # as the version has it
        list(iter(lambda: bare.poll(1000), None))
    bare.close(autocommit=False)

    assert isinstance(caught.value.__cause__, StopIteration)
    assert committed(bootstrap, "ours", produced) == {0: ODD}


@pytest.mark.parametrize("executor", ["thread-pool", "asyncio", "process-pool"])
def test_a_handler_that_returns_its_work_has_not_handled_the_record(kafka_broker, topic, executor):
    """The kind: work that never runs, or is not waited for; the bare loop would drop it just so, and commit it."""
    bootstrap, name = kafka_broker.bootstrap_servers, topic(1)
    produced = produce(bootstrap, name, RECORDS, keys=[b"a"])

    with ThreadPoolExecutor(1) as pool:
        handlers = {
            "thread-pool": lambda record: pool.submit(print) if record.offset == ODD else None,
            "asyncio": forget_to_await,
            "process-pool": return_a_generator,
        }
        with pytest.raises(RecordFailed, match=f"@{ODD} failed: HandlerUnfinished") as caught:
            ParallelConsumer(
                consume(bootstrap, name, "g", consumer_timeout_ms=60_000), executor=executor, workers=2
            ).run(handlers[executor])

    assert isinstance(caught.value.__cause__, HandlerUnfinished)
    assert committed(bootstrap, "g", produced) == {0: ODD}


def test_a_generator_function_is_refused_before_anything_is_taken(kafka_broker, topic):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(1)
    produced = produce(bootstrap, name, RECORDS)

    consumer = consume(bootstrap, name, "g")
    with pytest.raises(ConfigurationError, match="has_a_yield has a yield in it"):
        ParallelConsumer(consumer).run(has_a_yield)
    consumer.close()

    assert committed(bootstrap, "g", produced) == {0: 0}
