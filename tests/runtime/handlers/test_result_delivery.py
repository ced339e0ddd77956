"""A record counts when its results were acknowledged; one whose results were not has failed."""

from __future__ import annotations

import threading

import pytest
from kafka import TopicPartition
from kafka.errors import KafkaConnectionError, KafkaTimeoutError, MessageSizeTooLargeError

from kafka_parallel import (
    Batch,
    ConfigurationError,
    HandlerTimeout,
    InvalidResult,
    ParallelConsumer,
    RecordFailed,
    Result,
    ResultNotWritten,
    Skip,
    hookimpl,
    producing,
)
from kafka_parallel.testing import FakeProducer
from tests.runtime.app import App

OUT = "out"


class Skipping:
    """Skips each failed record, and keeps its error."""

    def __init__(self):
        self.errors = {}

    @hookimpl
    def on_error(self, error, context):
        self.errors[context.raw.offset] = error
        return Skip("a test")


class Producers:
    """Makes the producers of a cluster, and keeps them."""

    def __init__(self, cluster, kind=FakeProducer):
        self.cluster = cluster
        self.kind = kind
        self.made = []

    def __call__(self, **config):
        self.made.append(self.kind(cluster=self.cluster, **config))
        return self.made[-1]


class Slow(FakeProducer):
    """Nothing is acknowledged before `release` is set."""

    release = threading.Event()

    def send(self, topic, **record):
        sent = super().send(topic, **record)
        answer = sent.get
        sent.get = lambda timeout=None: Slow.release.wait(60) and answer()
        return sent


class Poisoned(FakeProducer):
    """As an idempotent producer of 3.x: after one record that is too large it fails all that are sent."""

    def __init__(self, **config):
        super().__init__(**config)
        self.error = None

    def send(self, topic, value=None, **record):
        if len(value) > 100:
            self.error = MessageSizeTooLargeError("too large")
        sent = super().send(topic, value=value, **record) if self.error is None else None
        if sent is None:
            from kafka_parallel.testing.fake.producer import Sent

            return Sent(self.error)
        return sent


@pytest.fixture
def app():
    app = App()
    app.cluster.create_topic(OUT, 2)
    return app


def written(app, topic=OUT):
    """The values in *topic*, by partition and offset."""
    partitions = [TopicPartition(topic, number) for number in app.cluster.partitions_of(topic)]
    return [record for partition in partitions for record in app.cluster.logs[partition].records]


def run(app, handler, topic=OUT, batch=None, producers=None, settings=None, **options):
    """Run until nothing comes any more; return the error of run()."""
    made = producing(handler, topic, make_producer=producers or Producers(app.cluster), **(settings or {}))
    try:
        app.parallel(**options).run(made, batch)
    except BaseException as error:
        return error
    return None


class TestOneRecord:
    def test_results_are_in_the_topic_with_the_key_of_their_record(self, app):
        assert run(app, lambda record: b"of " + record.value) is None

        assert sorted(record.value for record in written(app)) == [b"of %d" % number for number in range(6)]
        assert {record.key for record in written(app)} == {b"key"}
        assert app.committed == 6

    def test_a_result_may_say_all_about_itself(self, app):
        app.cluster.create_topic("other", 3)
        said = Result(b"v", key=b"k", topic="other", headers=[("h", b"1")], partition=2, timestamp_ms=1234)

        assert run(app, lambda record: said if record.offset == 0 else None) is None

        [record] = written(app, "other")
        assert (record.partition, record.key, record.value, record.timestamp) == (2, b"k", b"v", 1234)
        assert list(record.headers) == [("h", b"1")]
        assert written(app) == []

    def test_the_order_of_a_key_is_kept(self, app):
        assert run(app, lambda record: [b"%d a" % record.offset, b"%d b" % record.offset], workers=4) is None

        values = [record.value for record in written(app)]
        assert values == [b"%d %s" % (offset, part) for offset in range(6) for part in (b"a", b"b")]

    def test_no_key_and_no_value_can_be_written(self, app):
        assert run(app, lambda record: Result(None, key=None) if record.offset == 0 else None) is None

        assert [(record.key, record.value) for record in written(app)] == [(None, None)]

    def test_the_key_is_that_of_the_raw_record(self, app):
        consumer = {"key_deserializer": bytes.decode}
        assert run(app, lambda record: record.key.upper().encode(), consumer=consumer) is None

        assert {(record.key, record.value) for record in written(app)} == {(b"key", b"KEY")}

    def test_a_record_does_not_count_before_the_answer(self, app):
        Slow.release.clear()
        parallel = app.parallel()
        parallel.start(producing(lambda record: b"v", OUT, make_producer=Producers(app.cluster, Slow)))
        while not written(app):
            parallel.join(1)

        assert app.committed == 0
        Slow.release.set()
        parallel.join()
        assert app.committed == 6

    def test_junk_stops_the_run_and_names_its_type(self, app):
        skipping = Skipping()
        error = run(app, lambda record: "text", plugins=[skipping])

        assert isinstance(error, RecordFailed)
        assert isinstance(error.__cause__, InvalidResult)
        assert "returned a str" in str(error)
        assert skipping.errors == {}
        assert app.committed == 0
        assert written(app) == []

    def test_a_result_without_any_topic_stops_the_run(self, app):
        assert "names no topic" in str(run(app, lambda record: b"v", topic=None, plugins=[Skipping()]))


class TestFailures:
    def test_a_partition_that_the_topic_does_not_have_fails_the_record(self, app):
        skipping = Skipping()

        assert run(app, lambda _: Result(b"v", partition=99), plugins=[skipping]) is None
        assert len(skipping.errors) == 6
        assert "partition=99 is none of its partitions 0 to 1" in str(skipping.errors[0])
        assert written(app) == []

    def test_an_error_of_a_send_is_the_error_of_the_record(self, app):
        app.cluster.fail("send", TypeError("refused"), times=1)
        skipping = Skipping()

        assert run(app, lambda record: b"v", plugins=[skipping], workers=1) is None
        [(offset, error)] = skipping.errors.items()
        assert isinstance(error, ResultNotWritten)
        assert (offset, error.topic, str(error.__cause__)) == (0, OUT, "refused")
        assert len(written(app)) == 5

    def test_without_a_plugin_the_run_stops_and_the_record_is_not_committed(self, app):
        app.cluster.fail("send", TypeError("refused"))

        error = run(app, lambda record: b"v", workers=1)

        assert isinstance(error, RecordFailed)
        assert isinstance(error.__cause__, ResultNotWritten)
        assert app.committed == 0

    def test_an_error_that_may_pass_is_tried_again_with_all_that_were_behind(self, app):
        app.cluster.fail("send", KafkaConnectionError("gone"), moment="after")

        assert run(app, lambda record: [b"a", b"b"] if record.offset == 0 else None) is None

        assert [record.value for record in written(app)] == [b"a", b"b", b"a", b"b"]

    def test_a_record_that_is_too_large_fails_alone(self, app):
        skipping, producers = Skipping(), Producers(app.cluster, Poisoned)

        assert run(app, lambda record: b"x" * (200 if record.offset == 2 else 3), plugins=[skipping],
                   producers=producers) is None  # fmt: skip

        assert list(skipping.errors) == [2]
        assert isinstance(skipping.errors[2].__cause__, MessageSizeTooLargeError)
        assert "a value of 200 bytes: " in str(skipping.errors[2])
        assert "raise max.message.bytes of the topic" in str(skipping.errors[2])
        assert len(written(app)) == 5
        assert app.committed == 6

    def test_a_deadline_ends_a_wait(self, app):
        Slow.release.clear()
        skipping = Skipping()
        parallel = app.parallel(handler_timeout_ms=50, plugins=[skipping], workers=2)
        handler = producing(lambda record: b"v" if record.offset == 0 else None, OUT,
                            make_producer=Producers(app.cluster, Slow))  # fmt: skip
        parallel.start(handler)
        while not skipping.errors:
            parallel.join(1)
        Slow.release.set()
        parallel.join()

        assert isinstance(skipping.errors[0], HandlerTimeout)
        assert app.committed == 6


class TestBatches:
    def test_each_record_has_its_own_results_and_key(self, app):
        def double(records):
            return [record.value * 2 for record in records]

        assert run(app, double, batch=Batch(max_records=3)) is None

        assert [record.value for record in written(app)] == [b"%d%d" % (n, n) for n in range(6)]
        assert {record.key for record in written(app)} == {b"key"}
        assert app.committed == 6

    def test_an_error_in_the_place_of_a_record_fails_it_alone(self, app):
        skipping = Skipping()

        def all_but_one(records):
            return [ValueError("bad") if record.offset == 4 else record.value for record in records]

        assert run(app, all_but_one, batch=Batch(max_records=6), plugins=[skipping]) is None
        assert [(offset, str(error)) for offset, error in skipping.errors.items()] == [(4, "bad")]
        assert len(written(app)) == 5

    def test_a_result_that_is_not_written_fails_its_record_alone(self, app):
        skipping = Skipping()
        app.cluster.fail("send", TypeError("refused"))

        assert run(app, lambda records: [b"v" for _ in records], batch=Batch(max_records=6), plugins=[skipping]) is None
        assert [(offset, type(error)) for offset, error in skipping.errors.items()] == [(0, ResultNotWritten)]
        assert len(written(app)) == 5

    def test_a_list_of_another_length_stops_the_run(self, app):
        error = run(app, lambda records: [b"v"], batch=Batch(max_records=6), plugins=[Skipping()])

        assert isinstance(error.__cause__, InvalidResult)
        assert app.committed == 0


class TestRun:
    def test_the_producer_is_the_runs(self, app):
        producers = Producers(app.cluster)

        assert run(app, lambda record: b"v", producers=producers, settings={"timeout_ms": 5_000}) is None

        [producer] = producers.made
        assert producer._closed
        config = producer.config
        assert (config["acks"], config["enable_idempotence"], config["linger_ms"]) == ("all", True, 5)
        assert config["delivery_timeout_ms"] == 5_000
        assert config["client_id"].endswith("-producing")

    def test_settings_of_the_user_come_first(self, app):
        producers = Producers(app.cluster)
        settings = {"producer_config": {"linger_ms": 50, "compression_type": "gzip"}}

        assert run(app, lambda record: b"v", producers=producers, settings=settings) is None
        assert (producers.made[0].config["linger_ms"], producers.made[0].config["compression_type"]) == (50, "gzip")

    def test_the_topic_that_is_read_is_refused(self, app):
        """Kind: each result would come back as a new record, for ever."""
        error = run(app, lambda record: record.value, topic="t")

        assert isinstance(error, ConfigurationError)
        assert "this consumer reads itself" in str(error)

    def test_a_topic_that_is_missing_stops_the_start(self, app, caplog):
        error = run(app, lambda record: b"v", topic="missing")

        assert "topic 'missing' of producing() does not exist" in caplog.text
        assert isinstance(error, ConfigurationError)
        assert "producing() cannot reach its topic 'missing'" in str(error)
        assert app.committed == 0

    def test_a_cluster_that_tells_no_topics_stops_nothing(self, app, caplog):
        app.cluster.fail("topics", KafkaConnectionError("busy"))

        assert run(app, lambda record: b"v") is None
        assert "does not exist" not in caplog.text

    def test_an_executor_that_cannot_run_the_handler_names_both(self, app):
        async def enrich(record):
            return b"v"

        error = run(app, enrich, executor="thread-pool")

        assert "enrich is async def, which executor thread-pool cannot run" in str(error)

    def test_a_broker_that_does_not_answer_is_named_by_its_setting(self, app):
        app.cluster.fail("partitions_for", KafkaTimeoutError("Failed to update metadata after 30.0 secs."))

        error = run(app, lambda record: b"v")

        assert "producing() cannot reach its topic 'out': no broker told of it in time" in str(error)
        assert "check bootstrap_servers" in str(error)

    def test_two_runs_may_share_one(self, app):
        producers = Producers(app.cluster)
        handler = producing(lambda record: b"v", OUT, make_producer=producers)
        app.cluster.create_topic("u")
        app.cluster.append("u", b"v", b"k", partition=0)
        first = app.parallel()
        second = ParallelConsumer(app.consumer(), install_signal_handlers=False)
        first.start(handler)
        second.start(handler)
        first.join()
        second.join()

        assert len(written(app)) == 6
        assert [producer._closed for producer in producers.made] == [True, True]

    def test_a_start_that_was_refused_may_be_tried_in_another_way(self, app):
        parallel = app.parallel(explain_signal=None)
        handler = producing(lambda record: b"v", OUT, make_producer=Producers(app.cluster))
        with pytest.raises(ConfigurationError):
            parallel.run(handler, Batch(max_records=1_000_000))
        parallel.run(handler)

        assert len(written(app)) == 6

    def test_plugins_surround_the_delivery(self, app):
        seen = []

        class Watching:
            @hookimpl(wrapper=True)
            def on_record(self, record):
                results = yield
                seen.append((record.offset, results, len(written(app))))
                return results

        assert run(app, lambda record: b"v", plugins=[Watching()], workers=1) is None
        assert seen == [(offset, (Result(b"v"),), offset + 1) for offset in range(6)]
