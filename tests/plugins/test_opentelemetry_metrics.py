"""Measurements have the names, units, buckets and attributes of the conventions, and count what has happened."""

from __future__ import annotations

import json

from kafka import TopicPartition
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from kafka_parallel import Skip, Statistics
from kafka_parallel.facts import PartitionProgress
from kafka_parallel.metric_names import METRICS
from kafka_parallel_plugins.opentelemetry.conventions import DURATION_BUCKETS
from kafka_parallel_plugins.opentelemetry.gauges import READINGS, Gauges, Observed
from kafka_parallel_plugins.opentelemetry.instruments import MOST_ERROR_TYPES
from kafka_parallel_plugins.opentelemetry.once import LoggedOnce
from tests.plugins.test_opentelemetry import Decide, again, fail
from tests.plugins.traces import Traced, metrics_of, points_of
from tests.runtime.app import TOPIC

COMMON = {"messaging.system": "kafka", "messaging.consumer.group.name": "g"}
PROCESS = {**COMMON, "messaging.operation.name": "process", "messaging.destination.name": TOPIC}
P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)


def counts(points):
    return {point.attributes.get("error.type"): point.count for point in points}


class TestMeasurements:
    def test_every_attempt_is_in_the_histogram_once(self):
        app = Traced()
        for _ in range(5):
            app.append()

        app.trace(lambda record: record.offset == 3 and fail(record), plugins=[again(1)])

        points = app.metrics["messaging.process.duration"]
        assert counts(points) == {None: 4, "ValueError": 2}
        assert [dict(point.attributes) for point in points if not point.attributes.get("error.type")] == [PROCESS]
        assert points[0].explicit_bounds == DURATION_BUCKETS
        assert all(0 <= point.sum < 3600 for point in points)

    def test_a_record_is_consumed_once_whatever_comes_of_it(self):
        app = Traced()
        for value in (b"1", b"{", b"2"):
            app.append(value=value)

        app.trace(
            lambda record: record.value == 2 and fail(record),
            plugins=[again(1)],
            consumer={"value_deserializer": json.loads},
        )

        [point] = app.metrics["messaging.client.consumed.messages"]
        assert point.value == 3
        assert point.attributes == {**COMMON, "messaging.operation.name": "poll", "messaging.destination.name": TOPIC}

    def test_partitions_are_told_apart_if_asked_for(self):
        together, apart = Traced(), Traced(partitions=True)
        for app in (together, apart):
            app.append()
            app.trace()

        for name in ("messaging.process.duration", "messaging.client.consumed.messages"):
            assert "messaging.destination.partition.id" not in together.metrics[name][0].attributes
            assert apart.metrics[name][0].attributes["messaging.destination.partition.id"] == "0"

    def test_a_commit_is_an_operation_of_the_client_and_handling_is_none(self):
        app = Traced()
        app.append()

        app.trace()

        points = app.metrics["messaging.client.operation.duration"]
        assert [dict(point.attributes) for point in points] == [
            {
                **COMMON,
                "messaging.operation.name": "commit",
                "messaging.operation.type": "settle",
                "messaging.destination.name": TOPIC,
            }
        ]
        assert points[0].explicit_bounds == DURATION_BUCKETS

    def test_many_classes_of_errors_are_one(self):
        app = Traced()
        errors = [type(f"Error{number}", (Exception,), {}) for number in range(MOST_ERROR_TYPES + 5)]
        for _ in errors:
            app.append()

        def handle(record):
            raise errors[record.offset]

        app.trace(handle, plugins=[Decide(lambda context: Skip("enough"))], workers=1)

        found = counts(app.metrics["messaging.process.duration"])
        assert len(found) == MOST_ERROR_TYPES + 1
        assert found["_OTHER"] == 5

    def test_units_are_those_of_the_conventions(self):
        app = Traced()
        app.append()

        app.trace()

        units = {metric.name: metric.unit for metric in metrics_of(app.reader)}
        assert units["messaging.process.duration"] == units["messaging.client.operation.duration"] == "s"
        assert units["messaging.client.consumed.messages"] == "{message}"


class Facts:
    def __init__(self, statistics=None, progress=None):
        self._statistics = statistics or Statistics()
        self._progress = progress or {}

    def statistics(self):
        return self._statistics

    def progress(self):
        return self._progress


def observed(facts, *, partitions=False, client="one"):
    return Observed(
        facts, {**COMMON, "messaging.client.id": client}, LoggedOnce(), partitions=partitions, wall_clock=lambda: 1000.0
    )


def read(*consumers):
    """The values of all gauges: name -> the attributes beyond the consumer's own -> value."""
    reader = InMemoryMetricReader()
    gauges = Gauges(MeterProvider([reader]).get_meter("kafka_parallel"))
    gauges.consumers.update(consumers)
    return points_of(reader)


def values(points, *attributes):
    return {tuple(point.attributes.get(name) for name in attributes): point.value for point in points}


PROGRESS = {
    P0: PartitionProgress(position=8, log_end=10, unfinished=3, head_offset=5, head_timestamp_ms=990_000),
    P1: PartitionProgress(position=20, log_end=20, paused_by=("records", "not due")),
    TopicPartition("other", 0): PartitionProgress(position=1, log_end=None, unfinished=1, paused_by=("records",)),
}


class TestGauges:
    def test_the_gauges_are_those_of_the_table(self):
        assert READINGS.keys() == {metric.opentelemetry for metric in METRICS if metric.opentelemetry}

    def test_by_topic(self):
        found = read(consumer := observed(Facts(progress=PROGRESS)))

        place = ["messaging.destination.name", "messaging.destination.partition.id"]
        assert values(found["kafka_parallel.lag"], *place) == {("orders", None): 5}, "that of other is not known"
        assert values(found["kafka_parallel.unfinished"], *place) == {("orders", None): 3, ("other", None): 1}
        assert values(found["kafka_parallel.oldest_unfinished.age"], *place) == {
            ("orders", None): 10.0,
            ("other", None): 0.0,
        }
        assert values(found["kafka_parallel.paused_partitions"], "kafka_parallel.pause.reason") == {
            ("records",): 2,
            ("not_due",): 1,
        }
        assert consumer is not None

    def test_by_partition(self):
        found = read(consumer := observed(Facts(progress=PROGRESS), partitions=True))

        place = ["messaging.destination.name", "messaging.destination.partition.id"]
        assert values(found["kafka_parallel.lag"], *place) == {("orders", "0"): 5, ("orders", "1"): 0}
        assert consumer is not None

    def test_an_age_that_is_not_known_is_left_out_and_one_in_the_future_is_0(self):
        progress = {
            P0: PartitionProgress(unfinished=1, head_offset=5),
            P1: PartitionProgress(unfinished=1, head_offset=5, head_timestamp_ms=1_001_000),
        }

        found = read(consumer := observed(Facts(progress=progress), partitions=True))

        ages = values(found["kafka_parallel.oldest_unfinished.age"], "messaging.destination.partition.id")
        assert ages == {("1",): 0.0}
        assert consumer is not None

    def test_of_the_consumer_as_a_whole(self):
        found = read(consumer := observed(Facts(Statistics(in_flight=4, buffered_bytes=77))))

        assert [point.value for point in found["kafka_parallel.in_flight"]] == [4]
        assert [point.value for point in found["kafka_parallel.buffered.bytes"]] == [77]
        assert consumer is not None

    def test_two_consumers_and_one_that_raises(self, caplog):
        class Broken(Facts):
            def statistics(self):
                raise OSError("gone")

        consumers = [observed(Facts(), client="one"), observed(Broken(), client="bad"), observed(Facts(), client="two")]

        found = read(*consumers)

        assert values(found["kafka_parallel.in_flight"], "messaging.client.id") == {("one",): 0, ("two",): 0}
        assert caplog.text.count("could not observe a consumer") == 1

    def test_a_run_is_observed_while_it_lasts(self):
        app = Traced()
        app.append()
        seen = []

        app.trace(lambda _: seen.append(app.metrics))

        assert values(seen[0]["kafka_parallel.unfinished"], "messaging.destination.name") == {(TOPIC,): 1}
        assert "kafka_parallel.unfinished" not in app.metrics

    def test_two_consumers_of_one_process_share_the_instruments(self, caplog):
        one = Traced()
        two = Traced(meters=one)
        for app in (one, two):
            app.append()
        seen = []

        one.trace(lambda _: two.trace(lambda _: seen.append(one.metrics), consumer={"client_id": "two"}))

        found = values(seen[0]["kafka_parallel.in_flight"], "messaging.client.id")
        assert len(found) == 2
        assert ("two",) in found
        assert [point.count for point in one.metrics["messaging.process.duration"]] == [2]
        assert not [line for line in caplog.records if line.name.startswith("opentelemetry")]
