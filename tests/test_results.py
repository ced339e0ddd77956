"""Some values of a handler are results; others are refused with words that say which to return."""

from __future__ import annotations

import asyncio
import pickle
from concurrent.futures import Future
from functools import partial

import pytest

from kafka_parallel import (
    BatchFailed,
    ConfigurationError,
    HandlerUnfinished,
    InvalidResult,
    Result,
    StateError,
    producing,
)
from kafka_parallel.results import RECORD_KEY


def judged(returned, count=None):
    """The results that are made of *returned*; with *count*, those of a batch handler of so many records."""
    made = producing(lambda _: returned).judged(is_batch=count is not None)
    return made([None] * (count or 0))


async def enrich(record):
    return b"enriched"


def handle(record):
    return [b"a", Result(b"b", key=None)]


class TestOneRecord:
    @pytest.mark.parametrize(
        ("returned", "results"),
        [
            (None, ()),
            ([], ()),
            (b"v", (Result(b"v"),)),
            (bytearray(b"v"), (Result(b"v"),)),
            (memoryview(b"v"), (Result(b"v"),)),
            (Result(None, key=b"k"), (Result(None, key=b"k"),)),
            ([b"v", None, Result(b"w", topic="t")], (Result(b"v"), Result(b"w", topic="t"))),
        ],
    )
    def test_nothing_bytes_results_and_lists_of_them_are_results(self, returned, results):
        assert judged(returned) == results

    @pytest.mark.parametrize(
        ("returned", "kind"),
        [("text", "a str"), (7, "an int"), (True, "a bool"), ({"a": 1}, "a dict"), ([b"v", "w"], "a str"),
         ([[b"v"]], "a list"), (object(), "an object")],
    )  # fmt: skip
    def test_anything_else_is_refused_by_the_name_of_its_type(self, returned, kind):
        with pytest.raises(InvalidResult, match=rf"returned {kind}: return None for no result, bytes, a Result"):
            judged(returned)

    @pytest.mark.parametrize("returned", [Future(), (b"v" for _ in "a"), [Future()]])
    def test_work_that_is_not_done_is_no_result(self, returned):
        with pytest.raises(HandlerUnfinished):
            judged(returned)

    def test_what_was_lent_is_copied(self):
        lent = bytearray(b"v")
        [result] = judged(Result(lent, key=lent))
        lent[:] = b"w"

        assert (result.value, result.key) == (b"v", b"v")

    def test_an_async_handler_is_awaited(self):
        assert asyncio.run(producing(enrich).judged(is_batch=False)(None)) == (Result(b"enriched"),)

    @pytest.mark.parametrize("returned", [(b"k", b"v"), [(b"k", b"v")], (Result(b"v"),), ()])
    def test_a_tuple_is_refused_for_it_may_be_a_key_and_a_value(self, returned):
        with pytest.raises(InvalidResult, match=r"returned a tuple: write Result\(value, key=key\)"):
            judged(returned)


class TestBatch:
    def test_each_record_has_results_or_an_error(self):
        error = ValueError("bad")

        assert judged([b"v", None, [b"w", b"x"], error], 4) == [
            (Result(b"v"),), (), (Result(b"w"), Result(b"x")), error,
        ]  # fmt: skip

    def test_none_is_none_for_each(self):
        assert judged(None, 2) == [(), ()]

    @pytest.mark.parametrize("returned", [b"v", Result(b"v"), [], [b"v"], [b"v"] * 3, {0: b"v"}])
    def test_another_number_of_items_is_refused(self, returned):
        with pytest.raises(InvalidResult, match="for 2 records: return None, or a list with an item for each record"):
            judged(returned, 2)

    def test_batch_failed_is_refused_for_it_has_no_results(self):
        def fail(records):
            raise BatchFailed({0: ValueError()})

        with pytest.raises(InvalidResult, match="raised BatchFailed, which has no results of the other records"):
            producing(fail).judged(is_batch=True)([None, None])

    def test_an_async_handler_is_awaited(self):
        async def each(records):
            return [b"v" for _ in records]

        assert asyncio.run(producing(each).judged(is_batch=True)([1, 2])) == [(Result(b"v"),), (Result(b"v"),)]


class TestResult:
    @pytest.mark.parametrize(
        ("fields", "said"),
        [
            ({"value": "text"}, "value='text'"),
            ({"value": b"", "key": "text"}, "key='text'"),
            ({"value": b"", "topic": b"t"}, "topic=a bytes"),
            ({"value": b"", "partition": -1}, "partition=-1"),
            ({"value": b"", "partition": True}, "partition=True"),
            ({"value": b"", "timestamp_ms": 1.5}, "timestamp_ms=1.5"),
            ({"value": b"", "partition": 2**31}, "partition=2147483648"),
            ({"value": b"", "timestamp_ms": -1}, "timestamp_ms=-1"),
            ({"value": b"", "timestamp_ms": 2**63}, "timestamp_ms=9223372036854775808"),
            ({"value": b"", "headers": [("\ud800", b"")]}, "surrogates not allowed"),
            ({"value": b"", "headers": {"a": b"b"}}, "headers=a dict"),
            ({"value": b"", "headers": {"a": b"b"}}, r"write list\(headers.items\(\)\)"),
            ({"value": b"", "headers": [("a", None)]}, "a header without a value"),
            ({"value": b"", "headers": [("a", "b")]}, "the value of 'a' is a str: encode it"),
            ({"value": b"", "headers": [(b"a", b"b")]}, "its name is a bytes: give a str"),
            ({"value": b"", "headers": ["ab"]}, "headers=...\\) has 'ab'"),
        ],
    )
    def test_what_kafka_cannot_store_is_refused(self, fields, said):
        with pytest.raises(InvalidResult, match=said):
            Result(**fields)

    def test_it_can_be_sent_from_another_process(self):
        result = Result(b"v", headers=[("a", b"b")])
        again = pickle.loads(pickle.dumps(result))

        assert again == result
        assert again.key is RECORD_KEY


class TestProducing:
    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"handler": None}, "give a function"),
            ({"handler": producing(handle)}, "producing already: leave one out"),
            ({"handler": "out", "topic": None}, r"comes first: producing\(handler, topic='out'\)"),
            ({"topic": b"t"}, "topic=a bytes"),
            ({"topic": ""}, "topic=''"),
            ({"timeout_ms": 0}, "timeout_ms=0"),
            ({"timeout_ms": float("inf")}, "timeout_ms=inf"),
            ({"producer_config": {"acks": 0}}, "must not set 'acks'"),
            ({"producer_config": {"linger": 5}}, "check its spelling"),
        ],
    )
    def test_what_cannot_work_is_refused(self, arguments, said):
        with pytest.raises(ConfigurationError, match=said):
            producing(**{"handler": handle, "topic": "t", **arguments})

    def test_outside_of_a_run_it_says_that_it_needs_one(self):
        with pytest.raises(StateError, match=r"producing\(handle, topic='t'\) was called outside of a run"):
            producing(handle, "t")(None)
        with pytest.raises(StateError, match="outside of a run"):
            asyncio.run(producing(enrich, "t")(None))

    @pytest.mark.parametrize("is_batch", [False, True])
    def test_its_handler_can_be_pickled_if_the_function_can(self, is_batch):
        again = pickle.loads(pickle.dumps(producing(handle).judged(is_batch=is_batch)))

        assert isinstance(again, partial)
        if not is_batch:
            assert again(None) == (Result(b"a"), Result(b"b", key=None))
