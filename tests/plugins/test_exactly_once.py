"""Each result is seen once by readers with read_committed, or the consumer stops; some uses are refused."""

from __future__ import annotations

import threading
from collections import Counter

import pytest
from kafka import TopicPartition
from kafka.errors import (
    CommitFailedError,
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    ProducerFencedError,
)

from kafka_parallel import (
    Batch,
    CommitFailed,
    ConfigurationError,
    HandlerTimeout,
    KafkaParallelError,
    ParallelConsumer,
    Result,
    ResultNotWritten,
    Retry,
    Skip,
    hookimpl,
    producing,
)
from kafka_parallel.testing import FakeCluster, FakeConsumer, FakeProducer
from kafka_parallel_plugins.dlq import DeadLetterQueue
from kafka_parallel_plugins.exactly_once import ExactlyOnce
from tests.until import is_committed, run_until

TOPIC, OUT, GROUP = "t", "out", "g"


class App:
    """A topic with records of one key per partition, and one for results."""

    def __init__(self, records=10, partitions=1):
        self.cluster = FakeCluster()
        self.cluster.create_topic(TOPIC, partitions)
        self.cluster.create_topic(OUT, 1)
        for number in range(records):
            self.cluster.append(TOPIC, b"%d" % number, b"k%d" % (number % 5), partition=number % partitions)
        self.producers = []

    def plugin(self, **settings):
        return ExactlyOnce(make_producer=self.make_producer, interval_ms=settings.pop("interval_ms", 5), **settings)

    def make_producer(self, **config):
        self.producers.append(FakeProducer(cluster=self.cluster, **config))
        return self.producers[-1]

    def consumer(self, **config):
        usual = {"auto_offset_reset": "earliest", "isolation_level": "read_committed"}
        return FakeConsumer(TOPIC, cluster=self.cluster, group_id=GROUP, habits="3.x", **{**usual, **config})

    def parallel(self, *plugins, consumer=None, plugin=None, **options):
        options = {"workers": 4, "install_signal_handlers": False, **options}
        consumer = consumer or self.consumer()
        return ParallelConsumer(consumer, plugins=[plugin or self.plugin(), *plugins], **options)

    def run(self, handler, *plugins, batch=None, topic=OUT, **options):
        """Run until all is committed, or until it ends by itself; return the error of the run."""
        return self._ended(self.is_complete, handler, plugins, batch, topic, options)

    def fail(self, handler, *plugins, topic=OUT, **options):
        """Run until it ends by itself, whatever is committed; return the error of the run."""
        return self._ended(lambda: False, handler, plugins, None, topic, options)

    def _ended(self, may_stop, handler, plugins, batch, topic, options):
        try:
            run_until(may_stop, self.parallel(*plugins, **options), producing(handler, topic), batch)
        except KafkaParallelError as error:
            return error
        return None

    def is_complete(self):
        """True if all records of the source, and then all that it wrote to retry topics, are committed."""
        retries = {topic for topic in self.cluster.topics() if topic.startswith(f"{TOPIC}-{GROUP}-retry-")}
        return is_committed(self.cluster, GROUP, [TOPIC, *retries])

    def seen(self, topic=OUT):
        """The values that a reader with read_committed sees."""
        partitions = [TopicPartition(topic, number) for number in self.cluster.partitions_of(topic)]
        return [
            record.value
            for partition in partitions
            for record in self.cluster.logs[partition].read(0, 1_000_000, "read_committed")
        ]

    def committed(self, partition=0):
        found = self.cluster.committed(GROUP, TopicPartition(TOPIC, partition))
        return 0 if found is None else found.offset


@pytest.fixture
def app():
    return App()


def double(record):
    return [b"%s a" % record.value, b"%s b" % record.value]


DOUBLED = [b"%d %s" % (number, part) for number in range(10) for part in (b"a", b"b")]


class Answering:
    """Answers failures with what it is given, in turn, then skips; and keeps the errors."""

    def __init__(self, *answers):
        self.answers = [*answers]
        self.errors = []

    @hookimpl
    def on_error(self, error, context):
        self.errors.append((context.raw.offset, error))
        return self.answers.pop(0) if self.answers else Skip("a test")


class TestResults:
    def test_each_is_seen_once_in_the_order_of_offsets(self, app):
        assert app.run(double, ordering="unordered") is None

        assert app.seen() == DOUBLED
        assert app.committed() == 10

    def test_nothing_is_sent_while_a_handler_runs(self, app):
        """The first record of the partition holds the commit: all others have ended, and none of them is written."""
        others, may_end = threading.Semaphore(0), threading.Event()

        def wait(record):
            if record.offset == 0:
                for _ in range(9):
                    assert others.acquire(timeout=60)
                assert app.cluster.logs[TopicPartition(OUT, 0)].records == []
                may_end.set()
            else:
                others.release()
            return record.value

        assert app.run(wait, ordering="unordered", workers=10) is None
        assert may_end.is_set()
        assert app.seen() == [b"%d" % number for number in range(10)]

    def test_a_failed_attempt_has_no_results(self, app):
        """Results of an attempt that a wrapper fails afterwards are forgotten, and so are those of skipped records."""

        class FailingBehind:
            @hookimpl(wrapper=True)
            def on_record(self, record, context):
                yield
                if record.offset == 3 and context.attempt == 1:
                    raise ValueError("behind")
                if record.offset == 5:
                    raise ValueError("always")

        answering = Answering(*[Retry(0)] * 1)
        assert app.run(lambda record: record.value, FailingBehind(), answering, workers=1) is None

        assert app.seen() == [b"%d" % number for number in range(10) if number != 5]
        assert app.committed() == 10

    def test_a_handler_that_returns_after_its_deadline_has_no_results(self, app):
        is_late, late = threading.Event(), []

        class TriesAgain:
            @hookimpl
            def on_error(self, error, context):
                late.append((context.raw.offset, type(error)))
                if context.raw.offset == 0:
                    is_late.set()
                return Retry(0)

        def handle(record):
            if record.offset == 0 and not is_late.is_set():
                assert is_late.wait(60)
                return b"late"
            return record.value

        assert app.run(handle, TriesAgain(), handler_timeout_ms=50) is None
        assert (0, HandlerTimeout) in late
        assert app.seen() == [b"%d" % number for number in range(10)]

    def test_records_that_the_program_seeks_back_to_have_their_new_results(self, app):
        """The fifth record has failed once, and is handled again behind a jump before anything of it is committed."""
        calls, has_come_again = Counter(), threading.Event()
        consumer = app.consumer()

        def handle(record):
            calls[record.offset] += 1
            if record.offset == 0:
                assert has_come_again.wait(60)
            if record.offset == 4 and calls[4] == 1:
                raise ValueError("once")
            if record.offset == 9 and calls[9] == 1:
                consumer.seek(TopicPartition(TOPIC, 0), 4)
            elif record.offset == 9:
                has_come_again.set()
            return record.value

        assert app.run(handle, Answering(Retry(0)), consumer=consumer, ordering="unordered", workers=2) is None
        assert calls[4] == 3
        assert app.seen() == [b"%d" % number for number in range(10)]

    def test_batches_have_results_per_record(self, app):
        def handle(records):
            return [ValueError() if record.offset == 4 else record.value for record in records]

        assert app.run(handle, Answering(), batch=Batch(max_records=5)) is None
        assert app.seen() == [b"%d" % number for number in range(10) if number != 4]

    def test_async_handlers_too(self, app):
        async def handle(record):
            return record.value

        assert app.run(handle) is None
        assert app.seen() == [b"%d" % number for number in range(10)]

    def test_a_result_that_is_too_large_fails_its_record(self, app):
        answering = Answering()
        plugin = app.plugin(producer_config={"max_request_size": 1000})

        assert app.run(lambda record: b"x" * 2000 if record.offset == 1 else b"", answering, plugin=plugin) is None
        [(offset, error)] = answering.errors
        assert (offset, type(error)) == (1, ResultNotWritten)
        assert len(app.seen()) == 9

    def test_dead_letters_are_part_of_the_transaction(self, app):
        app.cluster.create_topic("t-dlq", 1)
        app.cluster.fail("commit_transaction", KafkaTimeoutError("x"))

        def handle(record):
            if record.offset in {2, 7}:
                raise ValueError("bad")
            return record.value

        assert isinstance(app.fail(handle, DeadLetterQueue()), CommitFailed)
        assert app.seen("t-dlq") == app.seen() == []
        app.cluster.transactions.expire(float("inf"))
        assert app.run(handle, DeadLetterQueue()) is None
        assert app.seen("t-dlq") == [b"2", b"7"]
        assert app.seen() == [b"%d" % number for number in range(10) if number not in {2, 7}]

    def test_a_dead_letter_that_is_too_large_has_less(self, app):
        app.cluster.create_topic("t-dlq", 1)
        plugin = app.plugin(producer_config={"max_request_size": 3000})

        def handle(record):
            raise ValueError("x" * 1500)

        assert app.run(handle, DeadLetterQueue(), plugin=plugin) is None
        assert app.seen("t-dlq") == [b"%d" % number for number in range(10)]

    def test_retry_topics_are_part_of_it(self, app):
        app.cluster.create_topic("t-g-retry-0", 1)
        tried = []

        def handle(record):
            tried.append(record.offset)
            if tried.count(record.offset) == 1 and record.offset == 3:
                raise ValueError("once")
            return record.value

        retries = ("retry-topics", {"delays_ms": [1]})
        assert app.run(handle, retries, ordering="unordered") is None
        assert sorted(app.seen()) == [b"%d" % number for number in range(10)]
        assert tried.count(3) == 2


class TestTransactions:
    @pytest.mark.parametrize("call", ["send", "send_offsets_to_transaction"])
    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_one_that_fails_is_aborted_and_its_results_are_in_the_next(self, app, call, moment):
        app.cluster.fail(call, KafkaConnectionError("gone"), moment=moment, times=2)

        assert app.run(double) is None
        assert app.seen() == DOUBLED
        assert app.committed() == 10

    def test_refused_contents_stop_the_consumer_after_three(self, app):
        app.cluster.fail("send", MessageSizeTooLargeError("9 bytes"), times=3)

        error = app.fail(double)

        assert isinstance(error, CommitFailed)
        assert "topic 'out' refused a result in 3 transactions" in str(error)
        assert "max_request_size" in str(error)
        assert app.seen() == []
        assert app.committed() == 0

    def test_a_broker_that_is_away_does_not(self, app):
        app.cluster.fail("send", KafkaTimeoutError("gone"), times=6)

        assert app.run(double) is None
        assert app.seen() == DOUBLED

    @pytest.mark.parametrize("moment", ["before", "after"])
    def test_a_commit_without_an_answer_stops_the_consumer_and_the_next_start_is_right(self, app, moment):
        app.cluster.fail("commit_transaction", KafkaTimeoutError("no answer"), moment=moment)

        error = app.fail(double)
        assert isinstance(error, CommitFailed)
        assert "did not say within 10 s whether a transaction was committed" in str(error)

        plugin = app.plugin(transactional_id="mine")
        app.cluster.transactions.expire(float("inf"))
        assert app.run(double, plugin=plugin) is None
        assert app.seen() == DOUBLED

    @pytest.mark.parametrize("call", ["send", "send_offsets_to_transaction", "commit_transaction"])
    def test_a_fenced_producer_stops_the_consumer(self, app, call):
        app.cluster.fail(call, ProducerFencedError("fenced"))

        error = app.fail(double)

        assert isinstance(error, CommitFailed)
        assert "another one uses the id" in str(error)
        assert "transactional_id='g-" in str(error)
        assert app.seen() == []
        app.cluster.transactions.expire(float("inf"))
        assert app.run(double) is None
        assert app.seen() == DOUBLED

    def test_a_second_producer_of_the_id_ends_the_first(self, app):
        app.cluster.create_topic("u")
        stolen = []

        def steal(record):
            if record.offset == 5 and not stolen:
                stolen.append(FakeProducer(cluster=app.cluster, transactional_id="mine"))
                stolen[0].init_transactions()
            return record.value

        assert isinstance(app.fail(steal, plugin=app.plugin(transactional_id="mine"), workers=1), CommitFailed)
        assert app.run(steal, plugin=app.plugin(transactional_id="mine")) is None
        assert app.seen() == [b"%d" % number for number in range(10)]

    def test_offsets_of_a_member_that_was_removed_are_refused(self, app):
        app.cluster.fail("send_offsets_to_transaction", CommitFailedError("IllegalGenerationError"), times=3)

        assert app.run(double) is None
        assert app.seen() == DOUBLED

    def test_the_membership_is_sent_with_the_offsets(self, app):
        told = []
        require = app.cluster.require_member
        app.cluster.require_member = lambda group, member: (told.append((group, member)), require(group, member))

        assert app.run(double) is None
        assert {group for group, _ in told} == {GROUP}
        assert all(member is not None and member[1] >= 1 for _, member in told)

    def test_an_abort_is_seen_by_no_reader(self, app):
        app.cluster.fail("send_offsets_to_transaction", KafkaConnectionError("gone"), moment="after", times=4)

        assert app.run(double) is None
        written = [record.value for record in app.cluster.logs[TopicPartition(OUT, 0)].records]
        assert len(written) > len(DOUBLED)
        assert app.seen() == DOUBLED


class Noting:
    """A throttle that notes the bounds it is given."""

    def __init__(self, throttle, bounds):
        self._throttle = throttle
        self._bounds = bounds

    def limit(self, in_flight):
        self._bounds.append(in_flight)
        self._throttle.limit(in_flight)

    def limit_rate(self, rate):
        self._throttle.limit_rate(rate)


class TestMemory:
    def test_few_records_start_while_much_waits(self):
        """The first record waits for its next attempt, below the results of others, until they are over the bound."""
        app, bounds = App(records=30), []

        class Noted(ExactlyOnce):
            @hookimpl
            def on_throttle(self, throttle):
                super().on_throttle(Noting(throttle, bounds))

        class TriesAgain:
            @hookimpl
            def on_error(self):
                return Retry(5)

        def handle(record):
            if record.offset == 0 and not bounds:
                raise ValueError("first")
            return b"x" * 200

        plugin = Noted(make_producer=app.make_producer, interval_ms=5, max_result_bytes=1000)
        assert app.run(handle, TriesAgain(), plugin=plugin, workers=1, ordering="unordered") is None

        assert bounds[:2] == [1, None]
        assert len(app.seen()) == 30


class TestRefusals:
    def test_assign(self, app):
        consumer = FakeConsumer(cluster=app.cluster, group_id=GROUP, habits="3.x", isolation_level="read_committed")
        consumer.assign([TopicPartition(TOPIC, 0)])

        error = app.fail(double, consumer=consumer)
        assert isinstance(error, ConfigurationError)
        assert "needs a subscription" in str(error)

    def test_no_group(self, app):
        consumer = FakeConsumer(TOPIC, cluster=app.cluster, habits="3.x")

        error = app.fail(double, consumer=consumer)
        assert isinstance(error, ConfigurationError)
        assert "needs a consumer group" in str(error)

    def test_kafka_python_2(self, app, monkeypatch):
        monkeypatch.setattr("kafka.__version__", "2.3.3")

        error = app.fail(double)
        assert isinstance(error, ConfigurationError)
        assert "needs kafka-python 3, and 2.3.3 is installed" in str(error)

    def test_a_transactional_id_that_is_in_use_in_this_process(self, app):
        first = app.parallel(plugin=app.plugin(transactional_id="mine"))
        first.start(producing(double, OUT))
        while first.state != "running":
            assert not first.join(1)

        error = app.fail(double, plugin=app.plugin(transactional_id="mine"))
        first.stop()
        first.join()

        assert isinstance(error, ConfigurationError)
        assert "another consumer of this process runs with transactional_id='mine'" in str(error)
        assert app.run(double, plugin=app.plugin(transactional_id="mine")) is None

    def test_one_plugin_object_in_two_runs(self, app):
        plugin = app.plugin()
        first = app.parallel(plugin=plugin)
        first.start(producing(double, OUT))
        while first.state != "running":
            assert not first.join(1)

        error = app.fail(double, plugin=plugin)
        first.stop()
        first.join()

        assert isinstance(error, ConfigurationError)
        assert "is in another run" in str(error)

    def test_a_topic_that_is_missing(self, app):
        error = app.fail(double, topic="missing")

        assert isinstance(error, ConfigurationError)
        assert "cannot reach topic 'missing'" in str(error)

    def test_a_second_writer_of_metadata(self, app):
        class Writing:
            writes_commit_metadata = True

            @hookimpl(wrapper=True)
            def on_commit(self):
                return (yield)

        error = app.fail(double, Writing())
        assert isinstance(error, ConfigurationError)
        assert "two plugins write commit metadata" in str(error)

    def test_a_time_limit_that_outlasts_the_membership_is_refused(self, app):
        consumer = app.consumer(isolation_level="read_committed", max_poll_interval_ms=300_000)

        error = app.fail(double, plugin=app.plugin(transaction_timeout_ms=100_001), consumer=consumer)

        assert isinstance(error, ConfigurationError)
        assert "transaction_timeout_ms=100001 is more than a third of the consumer's max_poll_interval_ms" in str(error)

    @pytest.mark.parametrize("own", [{"producer_config": {"linger_ms": 9}}, {"make_producer": dict}])
    def test_a_producer_of_results_alone_is_refused(self, app, own):
        with pytest.raises(ConfigurationError, match="has no effect beside a plugin that writes results in trans"):
            app.parallel().run(producing(double, OUT, **own))

    def test_it_warns_without_read_committed(self, app, caplog):
        assert app.run(double, consumer=app.consumer(isolation_level="read_uncommitted")) is None
        assert "no isolation_level='read_committed'" in caplog.text

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"transactional_id": ""}, "transactional_id of plugin exactly-once is ''"),
            ({"interval_ms": 0}, "interval_ms of plugin exactly-once is 0"),
            ({"transaction_timeout_ms": float("inf")}, "transaction_timeout_ms of plugin exactly-once is inf"),
            ({"max_result_bytes": 0}, "max_result_bytes of plugin exactly-once is 0"),
            ({"producer_config": {"transactional_id": "x"}}, "set transactional_id of the plugin"),
            ({"producer_config": {"max_block_ms": 1}}, "set transaction_timeout_ms of the plugin"),
            ({"producer_config": {"acks": 1}}, "must not set 'acks'"),
        ],
    )
    def test_settings_that_cannot_work(self, settings, said):
        with pytest.raises(ConfigurationError, match=said):
            ExactlyOnce(**settings)

    def test_its_settings(self, app):
        assert app.run(double, plugin=app.plugin(producer_config={"compression_type": "gzip"})) is None

        config = app.producers[0].config
        assert config["transactional_id"].startswith("g-kafka-python-")
        assert (config["transaction_timeout_ms"], config["retry_backoff_ms"]) == (10_000, 10)
        assert config["compression_type"] == "gzip"
        assert app.producers[0]._closed


def test_a_partition_that_the_topic_does_not_have_fails_its_record_alone(app):
    """Kind: in the transaction it would abort those of all others, until the consumer stops."""
    answering = Answering()

    def handler(record):
        return Result(b"v", partition=99 if record.offset == 3 else 0)

    assert app.run(handler, answering) is None
    assert [offset for offset, _ in answering.errors] == [3]
    assert "partition=99 is none of its partitions 0 to 0" in str(answering.errors[0][1])
    assert app.seen() == [b"v"] * 9
    assert app.committed() == 10
