"""Each number in the exposition is that of the records, the commits and the facts; by a clock that is moved by hand."""

from __future__ import annotations

import gc
import threading

import pluggy
import pytest
from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from kafka_parallel import (
    CommitContext,
    ConfigurationError,
    Halt,
    RecordContext,
    Retry,
    Settings,
    Skip,
    StateError,
    Statistics,
    hookspecs,
)
from kafka_parallel.errors import HandlerError
from kafka_parallel.facts import PartitionProgress
from kafka_parallel.metric_names import BUCKETS, COMMON_LABELS, METRICS
from kafka_parallel_plugins.prometheus import Prometheus
from kafka_parallel_plugins.prometheus.attempt_counts import DurationCounts
from tests.plugins.timing_consumer import Inner

prometheus_client = pytest.importorskip("prometheus_client")
PARSED = pytest.importorskip("prometheus_client.parser")

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
CONFIG = {"client_id": "billing-1"}


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def wall(self):
        return 1_000_000 + self.now


class Facts:
    """Answers as a run would; the test sets the answers."""

    def __init__(self):
        self.counts, self.partitions, self.error = Statistics(), {}, None

    def statistics(self):
        if self.error is not None:
            raise self.error
        return self.counts

    def progress(self):
        return self.partitions


class Consumer:
    """Calls a plugin as a consumer would."""

    def __init__(self, registry=None, *, config=CONFIG, topics=("orders",), **settings):
        self.clock, self.facts = Clock(), Facts()
        self.registry = prometheus_client.CollectorRegistry() if registry is None else registry
        self.plugin = Prometheus(registry=self.registry, wall_clock=self.clock.wall, **settings)
        self.manager = pluggy.PluginManager("kafka_parallel")
        self.manager.add_hookspecs(hookspecs)
        self.inner = Inner()
        self.manager.register(self.inner)
        self.manager.register(self.plugin)
        self.settings = Settings(
            4, "billing", frozenset(topics), None, sources={"orders-retry": "orders"}, consumer_config=config,
            clock=self.clock, facts=self.facts, executor="thread-pool", ordering="key",
        )  # fmt: skip
        self.manager.hook.on_start(settings=self.settings)

    def attempt(self, takes=0.0, *, topic="orders", waited=0.0, number=1, timestamp_ms=None, error=None, headers=()):
        raw = ConsumerRecord(topic, 0, -1, 5, timestamp_ms, 0, b"k", b"v", [*headers], None, 1, 1, -1)
        started = self.clock.now
        self.clock.now += takes
        return (raw, number, started - waited, started, self.clock.now, error)

    def handle(self, *args, **kwargs):
        self.tell(self.attempt(*args, **kwargs))

    def tell(self, *handled):
        self.manager.hook.on_handled(handled=handled, settings=self.settings)

    def fail(self, error, answer, *, topic="orders", live=True):
        self.inner.answer = answer
        raw = ConsumerRecord(topic, 0, -1, 5, None, 0, b"k", b"v", [], None, 1, 1, -1)
        context = RecordContext(raw, 1, 1, 0.0, None, assignment=Owned(live))
        return self.manager.hook.on_error(record=raw, error=error, context=context)

    def commit(self, takes=0.0, error=None, reason="interval"):
        def act():
            self.clock.now += takes
            if error is not None:
                raise error
            return True

        self.inner.act = act
        return self.manager.hook.on_commit(offsets={}, context=CommitContext(reason, 1000), finished_above={})

    def stop(self):
        self.manager.hook.on_stop(settings=self.settings, error=None)

    def value(self, name, **labels):
        """The value of one sample in the text that is served; ``None`` if there is none."""
        labels = {"group": "billing", "client_id": "billing-1", **labels}
        return values(self.registry).get((f"kafka_parallel_{name}", frozenset(labels.items())))


class Owned:
    def __init__(self, live):
        self.live = live

    def keeps(self, offset):
        return self.live


def families(registry):
    """The answer to a scrape, read by the library's own parser."""
    text = prometheus_client.generate_latest(registry).decode()
    return [*PARSED.text_string_to_metric_families(text)]


def values(registry):
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families(registry)
        for sample in family.samples
    }


@pytest.fixture
def consumer():
    return Consumer()


class TestTheTable:
    def test_every_metric_is_there_with_its_kind_its_labels_and_its_meaning(self, consumer):
        consumer.handle()
        consumer.fail(ValueError(), Retry(1))
        consumer.facts.counts = Statistics(
            since_poll_ms=1.0, rebalances={"assigned": 1}, plugin_errors={("dlq", "on_stop"): 1}
        )
        consumer.facts.partitions = {P0: PartitionProgress(5, 9, 3, 2, 2, 3, 0)}
        said = {family.name: family for family in families(consumer.registry)}

        for metric in METRICS:
            family = said[metric.name.removesuffix("_total")]
            assert family.type == metric.kind.replace("info", "gauge")
            assert family.documentation == metric.meaning
            assert family.samples, metric.name
            for sample in family.samples:
                assert {*sample.labels} - {"le"} == {*COMMON_LABELS, *metric.labels}
        assert len(said) == len(METRICS)

    def test_open_metrics_says_the_same(self, consumer):
        from prometheus_client.openmetrics import exposition, parser

        consumer.handle()

        text = exposition.generate_latest(consumer.registry).decode()

        assert len([*parser.text_string_to_metric_families(text)]) == len(METRICS)

    def test_nothing_is_collected_by_a_registration(self):
        registry = prometheus_client.CollectorRegistry(auto_describe=True)
        first = Consumer(registry)
        first.facts.error = AssertionError("collected")

        Consumer(registry)


class TestAttempts:
    def test_each_is_counted_in_its_bucket(self, consumer):
        for takes in (0.004, 0.005, 0.006, 0.3, 999.0):
            consumer.handle(takes=takes)

        counted = [
            consumer.value("process_duration_seconds_bucket", topic="orders", le=le)
            for le in ("0.005", "0.01", "0.25", "0.5", "300.0", "+Inf")
        ]
        assert counted == [2, 3, 3, 4, 4, 5]
        assert consumer.value("process_duration_seconds_count", topic="orders") == 5
        assert consumer.value("process_duration_seconds_sum", topic="orders") == pytest.approx(999.315)

    def test_a_bound_belongs_to_its_bucket(self):
        counts = DurationCounts((1.0, 2.0))

        counts.count_all([2.0, 0.5, 1.0, 2.5, 1.5])
        counts.count_all([1.0])

        assert (counts.counts, counts.total) == ([3, 2, 1], 8.5)

    def test_results_are_counted_by_topic(self, consumer):
        consumer.tell(
            consumer.attempt(),
            consumer.attempt(topic="bills"),
            consumer.attempt(error=ValueError()),
            consumer.attempt(number=2),
        )

        assert consumer.value("attempts_total", topic="orders", result="ok") == 2
        assert consumer.value("attempts_total", topic="orders", result="error") == 1
        assert consumer.value("attempts_total", topic="bills", result="ok") == 1
        assert consumer.value("records_total", topic="orders", outcome="handled") == 2

    def test_the_time_in_the_queue_is_that_of_first_attempts(self, consumer):
        consumer.tell(consumer.attempt(waited=0.03), consumer.attempt(waited=60.0, number=2))

        assert consumer.value("queue_duration_seconds_count", topic="orders") == 1
        assert consumer.value("queue_duration_seconds_sum", topic="orders") == pytest.approx(0.03)

    def test_end_to_end_is_from_the_timestamp_to_the_return(self, consumer):
        consumer.handle(takes=0.5, timestamp_ms=int(consumer.clock.wall() * 1000) - 1500)

        assert consumer.value("end_to_end_duration_seconds_sum", topic="orders") == pytest.approx(2.0)

    @pytest.mark.parametrize("timestamp_ms", [None, -1])
    def test_without_a_timestamp_or_after_an_error_there_is_no_end_to_end(self, consumer, timestamp_ms):
        consumer.handle(timestamp_ms=timestamp_ms)
        consumer.handle(timestamp_ms=5, error=ValueError())

        assert consumer.value("end_to_end_duration_seconds_count", topic="orders") == 0

    def test_a_timestamp_in_the_future_counts_as_no_delay(self, consumer):
        consumer.handle(timestamp_ms=10**13)

        assert consumer.value("end_to_end_duration_seconds_sum", topic="orders") == 0
        assert consumer.value("end_to_end_duration_seconds_bucket", topic="orders", le="0.005") == 1

    def test_one_that_was_interrupted_does_not_count(self, consumer):
        consumer.tell(consumer.attempt(error=KeyboardInterrupt()), consumer.attempt())

        assert consumer.value("attempts_total", topic="orders", result="ok") == 1
        assert consumer.value("attempts_total", topic="orders", result="error") == 0

    def test_threads_lose_no_count(self, consumer):
        attempts = [consumer.attempt(takes=0.001), consumer.attempt(takes=0.002, topic="bills")]

        together = threading.Barrier(8)

        def work():
            together.wait(60)
            for _ in range(250):
                consumer.tell(*attempts)
            together.wait(60)

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            families(consumer.registry)
        for thread in threads:
            thread.join()

        assert len(consumer.plugin._attempts.by_topic()["orders"]) == 8, "each thread has its own"
        for topic in ("orders", "bills"):
            assert consumer.value("records_total", topic=topic, outcome="handled") == 2000
            assert consumer.value("process_duration_seconds_count", topic=topic) == 2000

    def test_the_buckets_can_be_chosen(self):
        consumer = Consumer(buckets=[1, 2.5])
        consumer.handle(takes=2.0)

        counted = [consumer.value("process_duration_seconds_bucket", topic="orders", le=le) for le in ("1.0", "2.5")]
        assert counted == [0, 1]
        assert consumer.value("commit_duration_seconds_bucket", le="5.0") is None


class TestVerdicts:
    @pytest.mark.parametrize(
        ("answer", "outcome"),
        [
            (Skip("not needed"), "skipped"),
            (Skip("dead letter orders-dlq[0]@7", written_to="orders-dlq"), "dead_lettered"),
            (Halt("full"), "halted"),
            (None, "halted"),
        ],
    )
    def test_each_has_its_outcome(self, consumer, answer, outcome):
        assert consumer.fail(ValueError(), answer) == answer

        outcomes = ("handled", "skipped", "dead_lettered", "halted")
        counted = {name: consumer.value("records_total", topic="orders", outcome=name) for name in outcomes}
        assert counted == {**dict.fromkeys(outcomes, 0), outcome: 1}
        assert consumer.value("retries_total", topic="orders") == 0

    @pytest.mark.parametrize("answer", [Retry(5), Skip("later", written_to="orders-retry")])
    def test_a_record_that_is_tried_again_is_not_finished(self, consumer, answer):
        consumer.fail(ValueError(), answer)

        assert consumer.value("retries_total", topic="orders") == 1
        assert consumer.value("records_total", topic="orders", outcome="skipped") == 0

    def test_a_plugin_that_raises_in_on_error_is_a_halt(self, consumer):
        with pytest.raises(KeyError):
            consumer.fail(ValueError(), KeyError())

        assert consumer.value("records_total", topic="orders", outcome="halted") == 1

    def test_errors_are_counted_by_class(self, consumer):
        for error in (ValueError("a"), ValueError("b"), TimeoutError(), HandlerError("shop.errors.NoStock", "none")):
            consumer.fail(error, Retry(1))

        counted = [
            consumer.value("errors_total", topic="orders", error_type=name)
            for name in ("ValueError", "TimeoutError", "NoStock")
        ]
        assert counted == [2, 1, 1]

    def test_the_51st_class_and_later_ones_have_one_name(self, consumer):
        for number in range(60):
            consumer.fail(type(f"Error{number}", (Exception,), {})(), Retry(1))
        consumer.fail(type("Error0", (Exception,), {})(), Retry(1))

        assert consumer.value("errors_total", topic="orders", error_type="Error49") == 1
        assert consumer.value("errors_total", topic="orders", error_type="Error50") is None
        assert consumer.value("errors_total", topic="orders", error_type="_OTHER") == 10
        assert consumer.value("errors_total", topic="orders", error_type="Error0") == 2

    def test_one_that_does_not_count_is_not_counted(self, consumer):
        consumer.fail(ValueError(), Skip("no"), live=False)

        assert consumer.value("records_total", topic="orders", outcome="skipped") == 0
        assert consumer.value("errors_total", topic="orders", error_type="ValueError") is None


class TestCommits:
    def test_they_are_counted_by_result_and_reason_and_timed(self, consumer):
        assert consumer.commit(takes=0.02) is True
        consumer.commit(reason="stop")
        with pytest.raises(ValueError, match="moved"):
            consumer.commit(takes=4.0, error=ValueError("moved"), reason="revoke")

        assert consumer.value("commits_total", result="ok", reason="interval") == 1
        assert consumer.value("commits_total", result="ok", reason="stop") == 1
        assert consumer.value("commits_total", result="error", reason="revoke") == 1
        assert consumer.value("commits_total", result="error", reason="interval") == 0
        assert consumer.value("commit_duration_seconds_count") == 3
        assert consumer.value("commit_duration_seconds_bucket", le="2.5") == 2


class TestFacts:
    def test_each_gauge_is_its_fact(self, consumer):
        consumer.facts.counts = Statistics(
            in_flight=3, buffered=70, buffered_bytes=700, waiting=5, rate_limited=6, overdue=1, workers=4,
            longest_running_ms=2500.0, since_poll_ms=40.0, abandoned=8, backpressure_ms=1500.0,
            rebalances={"assigned": 2, "lost": 1}, plugin_errors={("dlq", "on_stop"): 9},
        )  # fmt: skip

        gauges = {
            "in_flight_records": 3, "buffered_records": 70, "buffered_bytes": 700, "retry_waiting_records": 5,
            "paced_records": 6, "overdue_handlers": 1, "workers": 4, "longest_running_seconds": 2.5,
            "seconds_since_poll": 0.04, "abandoned_records_total": 8, "backpressure_seconds_total": 1.5,
            "partitions_assigned": 0,
        }  # fmt: skip
        assert {name: consumer.value(name) for name in gauges} == gauges
        assert consumer.value("rebalances_total", kind="lost") == 1
        assert consumer.value("plugin_errors_total", plugin="dlq", hook="on_stop") == 9

    def test_before_the_first_poll_it_says_nothing_of_it(self, consumer):
        assert consumer.value("seconds_since_poll") is None

    def test_a_partition_has_all_its_numbers(self, consumer):
        head_ms = int(consumer.clock.wall() * 1000) - 90_000
        consumer.facts.partitions = {
            P1: PartitionProgress(
                position=50, log_end=80, committed=10, unfinished=7, span=40, head_offset=10, head_timestamp_ms=head_ms
            )
        }

        numbers = {
            "lag_records": 37, "committed_lag_records": 70, "uncommitted_span_offsets": 40, "committed_offset": 10,
            "position_offset": 50, "highwater_offset": 80, "unfinished_records": 7,
            "oldest_unfinished_age_seconds": 90,
        }  # fmt: skip
        said = {name: consumer.value(name, topic="orders", partition="1") for name in numbers}
        assert said == pytest.approx(numbers)
        assert consumer.value("partitions_assigned") == 1

    def test_a_number_that_is_not_known_is_left_out(self, consumer):
        consumer.facts.partitions = {P0: PartitionProgress(position=5, log_end=None, committed=None)}

        names = ("lag_records", "committed_lag_records", "highwater_offset", "committed_offset")
        assert [consumer.value(name, topic="orders", partition="0") for name in names] == [None] * 4
        assert consumer.value("position_offset", topic="orders", partition="0") == 5

    @pytest.mark.parametrize(
        ("head", "timestamp_ms", "age"), [(None, None, 0), (7, None, None), (7, -1, None), (7, 10**14, 0)]
    )
    def test_the_age_is_0_without_a_head_and_unknown_without_a_timestamp(self, consumer, head, timestamp_ms, age):
        consumer.facts.partitions = {P0: PartitionProgress(head_offset=head, head_timestamp_ms=timestamp_ms)}

        assert consumer.value("oldest_unfinished_age_seconds", topic="orders", partition="0") == age

    def test_pauses_are_counted_by_reason(self, consumer):
        consumer.facts.counts = Statistics(throttled={"circuit-breaker": 0, "rate-limit": 5})
        consumer.facts.partitions = {
            P0: PartitionProgress(paused_by=("records", "circuit-breaker")),
            P1: PartitionProgress(paused_by=("not due", "circuit-breaker")),
        }

        counts = {"records": 1, "bytes": 0, "uncommitted": 0, "not_due": 1, "user": 0, "unreadable": 0,
                  "circuit-breaker": 2, "rate-limit": 0}  # fmt: skip
        assert {reason: consumer.value("paused_partitions", reason=reason) for reason in counts} == counts

    def test_versions_and_choices_are_told(self, consumer):
        (info,) = [family for family in families(consumer.registry) if family.name == "kafka_parallel_info"]

        (sample,) = info.samples
        assert sample.value == 1
        assert sample.labels["executor"] == "thread-pool"
        assert sample.labels["ordering"] == "key"
        assert sample.labels["version"]
        assert sample.labels["kafka_python"]

    def test_without_partitions_there_are_sums_over_topics(self):
        consumer = Consumer(partitions=False)
        wall_ms = int(consumer.clock.wall() * 1000)
        consumer.facts.partitions = {
            P0: PartitionProgress(5, 9, 3, 2, 2, 3, wall_ms - 5000),
            P1: PartitionProgress(7, None, 5, 1, 2, 5, wall_ms - 8000),
        }

        assert consumer.value("lag_records", topic="orders") == 6
        assert consumer.value("unfinished_records", topic="orders") == 3
        assert consumer.value("uncommitted_span_offsets", topic="orders") == 4
        assert consumer.value("oldest_unfinished_age_seconds", topic="orders") == pytest.approx(8)
        assert consumer.value("committed_offset", topic="orders") is None
        assert not any("partition" in dict(labels) for _, labels in values(consumer.registry))


class TestSeveralConsumers:
    def test_two_of_one_registry_are_both_in_one_scrape(self):
        first = Consumer()
        second = Consumer(first.registry, config={"client_id": "billing-2"})
        first.handle()
        second.handle()
        second.handle()

        assert first.value("records_total", topic="orders", outcome="handled") == 1
        assert first.value("records_total", client_id="billing-2", topic="orders", outcome="handled") == 2

    def test_the_second_of_one_client_id_gets_a_number_and_a_warning(self, caplog):
        first = Consumer()
        second = Consumer(first.registry)
        second.handle()

        assert first.value("records_total", client_id="billing-1-2", topic="orders", outcome="handled") == 1
        assert first.value("records_total", topic="orders", outcome="handled") == 0
        assert "another consumer of this process has client_id='billing-1' in group 'billing'" in caplog.text

    def test_no_series_is_there_twice(self):
        first = Consumer()
        Consumer(first.registry)
        Consumer(first.registry)

        lines = prometheus_client.generate_latest(first.registry).decode().splitlines()
        series = [line.rpartition(" ")[0] for line in lines if not line.startswith("#")]
        assert len(series) == len({*series})

    def test_one_that_has_ended_keeps_its_counters_until_its_successor_comes(self, caplog):
        first = Consumer()
        first.handle()
        first.facts.partitions = {P0: PartitionProgress(5, 9, 3)}
        first.stop()

        assert first.value("records_total", topic="orders", outcome="handled") == 1
        assert first.value("lag_records", topic="orders", partition="0") is None
        assert first.value("workers") is None

        second = Consumer(first.registry)

        assert second.value("records_total", topic="orders", outcome="handled") == 0
        assert second.value("workers") == 0
        assert caplog.text == ""

    def test_one_that_is_gone_is_not_shown(self):
        first = Consumer()
        registry = first.registry
        first.stop()
        del first
        gc.collect()  # pluggy's objects hold each other

        assert values(registry) == {}

    def test_one_object_counts_for_one_consumer(self):
        first = Consumer()
        other = Settings(1, "g", frozenset({"t"}), None, clock=first.clock)

        with pytest.raises(StateError, match="make one for each consumer"):
            first.plugin.on_start(other)
        first.plugin.on_stop(other)

        assert first.value("workers") == 0

    def test_a_forked_child_shows_nothing(self, monkeypatch):
        consumer = Consumer()
        monkeypatch.setattr("os.getpid", lambda: -1)

        assert values(consumer.registry) == {}


class TestHostile:
    def test_facts_that_raise_cost_only_their_own_numbers(self, caplog):
        first = Consumer()
        second = Consumer(first.registry, config={"client_id": "billing-2"})
        first.facts.error = RuntimeError("closed")
        first.handle()

        for _ in range(3):
            assert first.value("workers", client_id="billing-2") == 0
            assert first.value("records_total", topic="orders", outcome="handled") == 1
        assert first.value("workers") is None
        assert caplog.text.count("a scrape lacks metrics") == 1
        second.stop()

    def test_names_that_are_no_text_are_made_one(self):
        consumer = Consumer(config={"client_id": 'a"b\\c\n\udc80'})
        consumer.fail(type('Bad"\n', (Exception,), {})(), Retry(1))

        assert consumer.value("errors_total", client_id='a"b\\c\n?', topic="orders", error_type='Bad"\n') == 1

    @pytest.mark.parametrize("name", [["no", "text"], None, 7])
    def test_an_error_whose_class_has_no_text_as_its_name_is_skipped_all_the_same(self, consumer, name):
        class Named(type):
            __name__ = property(lambda cls: name)

        class OddError(Exception, metaclass=Named):
            pass

        answer = Skip("not needed")
        assert consumer.fail(OddError(), answer) is answer

        assert consumer.value("errors_total", topic="orders", error_type="OddError") == 1
        assert consumer.value("records_total", topic="orders", outcome="skipped") == 1

    def test_a_signal_handler_may_scrape_while_an_event_is_counted(self, consumer, monkeypatch):
        count_all, scraped = DurationCounts.count_all, []

        def interrupted(counts, seconds):
            scraped.append(values(consumer.registry))
            count_all(counts, seconds)

        monkeypatch.setattr(DurationCounts, "count_all", interrupted)
        counting = threading.Thread(target=consumer.commit, daemon=True)
        counting.start()
        counting.join(60)

        assert not counting.is_alive(), "the scrape waits for the count that it has interrupted"
        assert len(scraped) == 1

    def test_a_registry_that_has_the_names_refuses_the_start(self):
        registry = prometheus_client.CollectorRegistry()
        prometheus_client.Counter("kafka_parallel_records_total", "the user's own", registry=registry)

        with pytest.raises(ConfigurationError, match="has metrics of these names from elsewhere"):
            Consumer(registry)

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"port": -1}, "port of plugin prometheus is -1"),
            ({"port": 65_536}, "from 0 to 65535"),
            ({"port": True}, "port of plugin prometheus is True"),
            ({"port": "9100"}, "port of plugin prometheus is '9100'"),
            ({"host": None}, "host of plugin prometheus is None"),
            ({"host": ""}, "an address or a name of this machine"),
            ({"host": "0.0.0.0"}, "without port serves nothing: set port"),
            ({"registry": object()}, "registry of plugin prometheus is an object"),
            ({"partitions": "no"}, "partitions of plugin prometheus is 'no'"),
            ({"buckets": []}, "buckets of plugin prometheus is a list"),
            ({"buckets": [2, 1.5]}, "buckets of plugin prometheus are 2, 1.5: they must be rising finite numbers"),
            ({"buckets": [1, 1]}, "rising finite numbers"),
            ({"buckets": [0, 1]}, "above 0"),
            ({"buckets": [1, float("inf")]}, "without the last one"),
            ({"buckets": ["1"]}, "rising finite numbers"),
            ({"buckets": "123"}, "rising finite numbers"),
            ({"buckets": 5}, "buckets of plugin prometheus is 5"),
        ],
    )
    def test_a_setting_that_cannot_work_is_refused(self, settings, said):
        with pytest.raises(ConfigurationError, match=said):
            Prometheus(**settings)

    def test_the_usual_buckets_are_those_of_the_table(self):
        assert Prometheus()._attempts.bounds == BUCKETS
