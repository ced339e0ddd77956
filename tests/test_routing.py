"""The router: each record to the handler that is for it, and mistakes said before the first record."""

from __future__ import annotations

import json
import pickle
import re
from collections import defaultdict
from dataclasses import dataclass

import msgspec
import pydantic
import pytest

from kafka_parallel import (
    AsyncRouter,
    Batch,
    ConfigurationError,
    NoRoute,
    NotHandedOver,
    ParallelConsumer,
    RecordFailed,
    Router,
    Skip,
    hookimpl,
    producing,
)
from kafka_parallel.testing import FakeCluster, FakeConsumer, FakeProducer

TOPICS = ("orders", "payments")


@dataclass
class Order:
    id: int
    note: str = ""


class Model(pydantic.BaseModel):
    id: int


class Struct(msgspec.Struct):
    id: int


handled = defaultdict(list)


@pytest.fixture(autouse=True)
def _nothing_handled():
    handled.clear()


def order(record):
    handled["order"].append(record.value)


def payment(record):
    handled["payment"].append(record.value)


def other(record):
    handled["other"].append(record.value)


async def order_async(record):
    order(record)


async def payment_async(record):
    payment(record)


def no_argument():
    """It cannot be called with a record."""


class Decisions:
    """Skips every failed record, and keeps what it was told."""

    def __init__(self):
        self.told = []

    @hookimpl
    def on_error(self, record, error, context):
        self.told.append((record.offset, type(error), context.stage))
        return Skip("a test")


def cluster_of(topics=TOPICS, **records):
    cluster = FakeCluster()
    for topic in topics:
        cluster.create_topic(topic)
        for value, *headers in records.get(topic, ()):
            cluster.append(topic, value, b"key", partition=0, headers=headers)
    return cluster


def run(handler, cluster, topics=TOPICS, pattern=None, batch=None, consumer=None, **options):
    config = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 300, **(consumer or {})}
    reads = FakeConsumer(cluster=cluster, group_id="g", **config)
    reads.subscribe(topics=topics if pattern is None else (), pattern=pattern)
    parallel = ParallelConsumer(reads, workers=2, install_signal_handlers=False, **options)
    parallel.run(handler, batch)
    return parallel


def refused(handler, *, match, **given):
    """The run is refused before a record was taken."""
    cluster = cluster_of(orders=[(b"1",)], payments=[(b"2",)])
    with pytest.raises(ConfigurationError, match=match):
        run(handler, cluster, **given)
    assert handled == {}


class TestDispatch:
    @pytest.mark.parametrize("executor", ["thread-pool", "process-pool"])
    def test_each_topic_has_its_handler(self, executor):
        cluster = cluster_of(orders=[(b"1",), (b"2",)], payments=[(b"3",)])

        parallel = run(Router().on("orders", order).on("payments", payment), cluster, executor=executor)

        assert parallel.statistics().processed == 3
        if executor == "thread-pool":
            assert handled == {"order": [b"1", b"2"], "payment": [b"3"]}

    def test_async_handlers_have_a_router_of_their_own(self):
        cluster = cluster_of(orders=[(b"1",)], payments=[(b"2",)])

        run(AsyncRouter().on("orders", order_async).on("payments", payment_async), cluster)

        assert handled == {"order": [b"1"], "payment": [b"2"]}

    @pytest.mark.parametrize("router", [Router().on("orders", order), AsyncRouter().on("orders", order_async)])
    def test_the_rest_can_be_skipped(self, router):
        cluster = cluster_of(orders=[(b"1",)], payments=[(b"2",)])

        parallel = run(router.otherwise("skip"), cluster)

        assert handled == {"order": [b"1"]}
        assert parallel.statistics().processed == 2

    def test_a_name_goes_before_patterns_and_the_rest_to_otherwise(self):
        topics = ("orders", "orders-eu", "payments")
        cluster = cluster_of(topics, **{topic: [(topic.encode(),)] for topic in topics})
        router = Router().on(re.compile("orders.*"), payment).on("orders", order).otherwise(other)

        run(router, cluster, topics=topics)

        assert handled == {"order": [b"orders"], "payment": [b"orders-eu"], "other": [b"payments"]}

    def test_the_first_one_whose_conditions_hold_has_the_record(self):
        created, paid = ("type", b"created"), ("type", b"paid")
        cluster = cluster_of(("orders",), orders=[(b"1", created), (b"22", paid), (b"333", ("x", b""), paid), (b"4",)])
        router = Router().on("orders", order, headers={"type": "created"})
        router.on("orders", payment, headers={"type": b"paid"}, when=lambda record: len(record.value) < 3)
        router.on("orders", other)

        run(router, cluster, topics=("orders",))

        assert handled == {"order": [b"1"], "payment": [b"22"], "other": [b"333", b"4"]}

    def test_results_of_a_router_are_produced(self):
        cluster = cluster_of(("orders", "out"), orders=[(b"1",)])
        router = Router().on("orders", lambda record: b"of " + record.value)
        make_producer = lambda **config: FakeProducer(cluster=cluster, **config)  # noqa: E731

        run(producing(router, "out", make_producer=make_producer), cluster, topics=("orders",))

        assert [record.value for log in cluster.logs.values() for record in log.records][-1] == b"of 1"

    def test_it_serves_several_runs_and_can_be_sent(self):
        router = pickle.loads(pickle.dumps(Router().on("orders", order, value=Order).on("payments", payment)))

        for _ in range(2):
            run(router, cluster_of(orders=[(b'{"id": 1}',)]))

        assert handled == {"order": [Order(1)] * 2}


class TestFailures:
    def run(self, router, *records, **options):
        decisions = Decisions()
        run(router, cluster_of(("orders",), orders=records), topics=("orders",),
            plugins=["retry", decisions], **options)  # fmt: skip
        return decisions.told

    def test_a_record_without_a_handler_is_decided_about_and_not_tried_again(self):
        router = Router().on("orders", order, headers={"type": "created"})

        assert self.run(router, (b"1",), (b"2", ("type", b"created"))) == [(0, NoRoute, "prepare")]
        assert handled == {"order": [b"2"]}

    def test_without_a_decision_it_stops_the_run(self):
        router = Router().on("orders", order, when=lambda record: False)

        with pytest.raises(RecordFailed) as stopped:
            run(router, cluster_of(("orders",), orders=[(b"1",)]), topics=("orders",))
        assert isinstance(stopped.value.__cause__, NoRoute)

    @pytest.mark.parametrize("executor", ["thread-pool", "process-pool"])
    def test_a_value_that_cannot_be_decoded_fails_with_its_own_error(self, executor):
        router = Router().on("orders", order, value=json.loads)

        told = self.run(router, (b"{",), (b'{"a": 1}',), executor=executor)

        assert told == [(0, json.JSONDecodeError, "prepare")]

    def test_so_it_does_on_an_event_loop(self):
        router = AsyncRouter().on("orders", order_async, value=json.loads)

        assert self.run(router, (b"{",), (b"1",)) == [(0, json.JSONDecodeError, "prepare")]
        assert handled == {"order": [1]}

    def test_a_condition_that_raises_fails_the_record(self):
        router = Router().on("orders", order, when=lambda record: record.nothing)

        assert self.run(router, (b"1",)) == [(0, AttributeError, "prepare")]

    def test_the_error_of_a_handler_is_the_handlers(self):
        def fails(record):
            raise TypeError

        assert self.run(Router().on("orders", fails), (b"1",)) == [(0, TypeError, "handle")]

    def test_an_error_that_cannot_be_sent_is_stood_in_for(self):
        class LocalError(Exception):
            pass

        sent = pickle.loads(pickle.dumps(NotHandedOver(LocalError("why"))))

        assert "why" in str(sent.error)


class TestValues:
    @pytest.mark.parametrize(
        ("kind", "made"),
        [
            (Order, Order(7)),
            (Model, Model(id=7)),
            (Struct, Struct(7)),
            (json.loads, {"id": 7}),
            (bytes.decode, '{"id": 7}'),
        ],
    )
    def test_values_become_objects(self, kind, made):
        run(Router().on("orders", order, value=kind), cluster_of(("orders",), orders=[(b'{"id": 7}',)]),
            topics=("orders",))  # fmt: skip

        assert handled == {"order": [made]}

    def test_a_tombstone_stays_one(self):
        run(Router().on("orders", order, value=Order), cluster_of(("orders",), orders=[(None,)]), topics=("orders",))

        assert handled == {"order": [None]}

    @pytest.mark.parametrize("kind", [Order, Model, Struct])
    @pytest.mark.parametrize("value", [b"", b"[]", b"{}", b"\xff", b"7"])
    def test_other_values_fail(self, kind, value):
        decisions = Decisions()
        run(Router().on("orders", order, value=kind), cluster_of(("orders",), orders=[(value,)]),
            topics=("orders",), plugins=[decisions])  # fmt: skip

        assert [stage for _, _, stage in decisions.told] == ["prepare"]
        assert handled == {}

    @pytest.mark.parametrize("kind", [Order, Model, Struct])
    def test_a_router_with_a_class_can_be_sent(self, kind):
        pickle.loads(pickle.dumps(Router().on("orders", order, value=kind)))


class TestMistakes:
    @pytest.mark.parametrize(
        ("call", "match"),
        [
            (lambda: Router().on("", order), "give the name of a topic"),
            (lambda: Router().on(re.compile(b"o"), order), "give the name of a topic"),
            (lambda: Router().on(["orders"], order), "give the name of a topic"),
            (lambda: Router().on("orders", None), "give a function of one record"),
            (lambda: Router().on("orders", Router()), "give a function of one record"),
            (lambda: Router().on("orders", no_argument), "cannot be called with one argument"),
            (lambda: Router().on("orders", order_async), "is async def.*AsyncRouter"),
            (lambda: AsyncRouter().on("orders", order), "is a plain function.*use Router"),
            (lambda: Router().on("orders", order).on("orders", payment), "two handlers are for all records of topic"),
            (
                lambda: Router().on("orders", order).on("orders", payment, headers={"a": "b"}),
                "second one would get none",
            ),
            (lambda: Router().on("orders", order, value="json"), "it is not a function"),
            (lambda: Router().on("orders", order, value=str), "for text write bytes.decode"),
            (lambda: Router().on("orders", order, value=order_async), "runs nothing"),
            (lambda: Router().on("orders", order, value=no_argument), "too many positional"),
            (lambda: Router().on("orders", order, headers=["type"]), "give {name: value}"),
            (lambda: Router().on("orders", order, headers={}), "give {name: value}"),
            (lambda: Router().on("orders", order, headers={"type": 3}), "is no name with"),
            (lambda: Router().on("orders", order, when=True), "give a plain function"),
            (lambda: Router().on("orders", order, when=order_async), "give a plain function"),
            (lambda: Router().on("orders", order, when=no_argument), "cannot be called with one argument"),
            (lambda: Router().otherwise("ignore"), "give 'skip', 'fail' or a function"),
            (lambda: Router().otherwise("skip").otherwise("fail"), "called twice"),
            (lambda: Router().otherwise(order_async), "AsyncRouter"),
        ],
    )
    def test_some_are_said_where_they_are_made(self, call, match):
        with pytest.raises(ConfigurationError, match=match):
            call()

    def test_a_router_is_no_decorator(self):
        for call in (
            lambda: Router().on("orders"),
            lambda: Router().on(order),
            lambda: Router().on("orders", to=order),
        ):
            with pytest.raises(ConfigurationError, match=r"^on\(.*write router\.on\(topic, handler\).*no decorator"):
                call()

    def test_others_are_said_at_the_start(self):
        both = Router().on("orders", order).on("payments", payment)
        refused(Router(), match="the router has no handler")
        refused(Router().on("orders", order), match="no handler of the router is for topic 'payments'")
        refused(Router().on("order", order).on("payments", payment), match="topic 'orders'.*did you mean 'order'")
        refused(Router().on("odrers", order).otherwise("skip"), match="'odrers'.*does not read.*did you mean 'orders'")
        refused(both, batch=Batch(), match="leave batch= out")
        refused(
            Router().on(re.compile("o.*"), order).on(re.compile(".*"), payment), match="'orders', which '.*' matches"
        )
        refused(Router().on("bills", order).otherwise("skip"), pattern="orders|payments", match="the pattern")
        decoding = Router().on("orders", order, value=Order).on("payments", payment)
        refused(decoding, consumer={"value_deserializer": json.loads}, match="both decode")

    def test_otherwise_fail_allows_topics_without_a_handler(self):
        decisions = Decisions()
        cluster = cluster_of(orders=[(b"1",)], payments=[(b"2",)])

        run(Router().on("orders", order).otherwise("fail"), cluster, plugins=[decisions])

        assert decisions.told == [(0, NoRoute, "prepare")]

    def test_two_patterns_for_a_topic_that_came_later_are_a_fault_of_the_program(self):
        router = Router().on(re.compile("o.*"), order).on(re.compile(".*s"), payment)

        with pytest.raises(RecordFailed, match="fault of the program"):
            run(router, cluster_of(orders=[(b"1",)]), pattern=".*")


class Counting:
    """A handler that is a plugin, too."""

    def __init__(self):
        self.started = 0

    def __call__(self, record):
        order(record)

    @hookimpl
    def on_start(self, settings):
        self.started += 1


class TestHandlersWithHooks:
    @pytest.mark.parametrize("is_given", [False, True])
    def test_a_handler_with_hooks_hears_them_once(self, is_given):
        handler = Counting()

        run(handler, cluster_of(orders=[(b"1",)]), plugins=[handler] if is_given else [])

        assert handler.started == 1
        assert handled == {"order": [b"1"]}

    def test_a_start_that_was_refused_leaves_nothing_behind(self):
        cluster = cluster_of(orders=[(b"1",)], payments=[(b"2",)])
        reads = FakeConsumer(*TOPICS, cluster=cluster, group_id="g", auto_offset_reset="earliest",
                             consumer_timeout_ms=300)  # fmt: skip
        parallel = ParallelConsumer(reads, install_signal_handlers=False)
        with pytest.raises(ConfigurationError, match="batch"):
            parallel.run(Counting(), batch=Batch(max_records=100_000))

        handler = Counting()
        parallel.run(handler)

        assert handler.started == 1
