"""Kind: a handler that changes the list of headers of its record, which retries and dead letters still need."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kafka.consumer.fetcher import ConsumerRecord

from kafka_parallel import Batch, Retry, Skip, hookimpl
from kafka_parallel._runtime.client.own_headers import with_own_headers
from tests.runtime.app import PARTITION, TOPIC, App

HEADERS = [("trace", b"1"), ("tenant", None)]


def a_record(headers):
    fields = dict.fromkeys(ConsumerRecord._fields, 0)
    return ConsumerRecord(**{**fields, "topic": "t", "headers": headers})


def test_all_but_the_list_is_the_same():
    record = a_record([*HEADERS])
    own = with_own_headers(record)

    assert own == record
    assert type(own) is ConsumerRecord
    assert own.headers is not record.headers


def test_an_object_of_the_application_is_left_alone():
    record = SimpleNamespace(headers=[*HEADERS])

    assert with_own_headers(record) is record


class Deciding:
    """Retries once, then skips; notes the headers that a dead letter would have."""

    def __init__(self):
        self.raw = []

    @hookimpl
    def on_error(self, context):
        self.raw.append(list(context.raw.headers))
        return Retry(0) if context.attempt == 1 else Skip("noted")


class Wrapping:
    """Stands around each record."""

    @hookimpl(wrapper=True)
    def on_record(self, context):
        return (yield)


CHANGES = {
    "adds": lambda headers: headers.append(("attempted", 1)),
    "clears": list.clear,
}
OPTIONS = {
    "plain": {},
    "with deserialiser": {"consumer": {"value_deserializer": bytes.decode}},
    "deserialised in poll()": {"lazy_deserialization": False, "consumer": {"value_deserializer": bytes.decode}},
    "wrapped": {"plugins": [Wrapping()]},
    "with deadline": {"handler_timeout_ms": 60_000},
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("kind", ["plain", "async", "batch", "async batch"])
def test_each_attempt_and_the_plugins_see_them_as_kafka_delivered_them(kind, options, change):
    app, deciding, seen = App(0), Deciding(), []
    app.cluster.append(TOPIC, b"v", b"key", partition=PARTITION.partition, headers=[*HEADERS])

    def handle(given):
        record = given[0] if isinstance(given, list) else given
        seen.append(list(record.headers))
        CHANGES[change](record.headers)
        raise ValueError("on purpose")

    async def handle_async(given):
        handle(given)

    chosen = {**OPTIONS[options], "plugins": [*OPTIONS[options].get("plugins", []), deciding]}
    parallel = app.parallel(**chosen)
    parallel.run(handle_async if "async" in kind else handle, Batch(max_records=1) if "batch" in kind else None)

    assert seen == [HEADERS, HEADERS]
    assert deciding.raw == [HEADERS, HEADERS]
