"""The numbers are those of the records, by a clock that is moved by hand."""

import subprocess
import sys
import threading

import pytest
from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from kafka_parallel import ConfigurationError, Halt, Retry, Skip
from kafka_parallel_plugins.key_names import hash_of
from kafka_parallel_plugins.timing_metrics import Distribution, TimingMetrics
from kafka_parallel_plugins.timing_metrics.buckets import RELATIVE_ERROR
from tests.plugins.timing_consumer import Consumer

NOTHING = Distribution(0, 0.0, 0.0, 0.0, 0.0)
P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)


def only(milliseconds, count=1):
    return Distribution(count, *[pytest.approx(milliseconds, rel=RELATIVE_ERROR, abs=0.001)] * 4)


class TestRecords:
    def test_nothing_happened_yet(self):
        snapshot = Consumer().metrics.snapshot()

        assert snapshot.topics == {}
        assert snapshot.commits.duration_ms == NOTHING
        assert snapshot.backpressure_ms == 0

    def test_the_handler_is_timed(self):
        consumer = Consumer()

        consumer.handle(takes=0.25)

        assert consumer.orders.handler_ms == only(250)
        assert (consumer.orders.handled, consumer.orders.failed) == (1, 0)

    def test_the_time_in_the_queue_ends_when_the_handler_starts(self):
        consumer = Consumer()

        consumer.handle(takes=1.0, waited=0.03)

        assert consumer.orders.queue_ms == only(30)

    def test_a_retry_does_not_count_as_time_in_the_queue(self):
        consumer = Consumer()

        consumer.handle(waited=60.0, attempt=2)

        assert consumer.orders.queue_ms == NOTHING

    def test_end_to_end_is_from_the_timestamp_to_the_end_of_the_handler(self):
        consumer = Consumer()
        wall_ms = int((1_000_000 + consumer.clock.now) * 1000)

        consumer.handle(takes=0.5, timestamp_ms=wall_ms - 1_500)

        assert consumer.orders.end_to_end_ms == only(2_000)

    @pytest.mark.parametrize("timestamp_ms", [None, -1])
    def test_a_record_without_a_timestamp_has_no_end_to_end(self, timestamp_ms):
        consumer = Consumer()

        consumer.handle(timestamp_ms=timestamp_ms)

        assert consumer.orders.end_to_end_ms == NOTHING

    def test_a_timestamp_in_the_future_counts_as_no_delay(self):
        consumer = Consumer()

        consumer.handle(timestamp_ms=10**13)

        assert consumer.orders.end_to_end_ms == Distribution(1, 0.0, 0.0, 0.0, 0.0)

    def test_quantiles_are_those_of_all_records(self):
        consumer = Consumer()

        for milliseconds in range(1, 101):
            consumer.handle(takes=milliseconds / 1000)

        spread = consumer.orders.handler_ms
        assert (spread.p50, spread.p95, spread.p99) == pytest.approx((50, 95, 99), rel=RELATIVE_ERROR)
        assert spread.max == pytest.approx(100, abs=0.0011)

    def test_no_quantile_is_above_the_longest(self):
        consumer = Consumer()

        consumer.handle(takes=0.001024)

        assert consumer.orders.handler_ms.p99 <= consumer.orders.handler_ms.max

    def test_attempts_that_are_told_together_count_each_for_itself(self):
        consumer = Consumer()
        raws = [
            ConsumerRecord(topic, 0, -1, 5, timestamp, 0, b"k", b"v", [], None, 1, 1, -1)
            for topic, timestamp in [("orders", 0), ("bills", 0), ("orders", -1), ("orders", 0)]
        ]
        times = [(100.0, 100.1, None), (100.1, 101.0, None), (100.2, 100.4, None), (100.4, 100.8, ValueError())]

        consumer.tell(
            *[(raw, attempt, 99.9, *rest) for attempt, (raw, rest) in enumerate(zip(raws, times, strict=True), 1)]
        )

        orders, bills = consumer.orders, consumer.metrics.snapshot().topics["bills"]
        assert (orders.handled, orders.failed, bills.handled, bills.failed) == (2, 1, 1, 0)
        assert orders.queue_ms == only(100)
        assert bills.queue_ms == NOTHING
        assert bills.handler_ms == only(900)
        assert (orders.handler_ms.count, orders.handler_ms.max) == (3, pytest.approx(400, abs=0.001))
        assert orders.end_to_end_ms.count == 1

    def test_topics_are_kept_apart_and_sorted(self):
        consumer = Consumer()

        for topic in ("orders", "bills", "orders"):
            consumer.handle(topic=topic)

        handled = {topic: timings.handled for topic, timings in consumer.metrics.snapshot().topics.items()}
        assert list(handled.items()) == [("bills", 1), ("orders", 2)]

    def test_a_snapshot_does_not_change(self):
        consumer = Consumer()
        consumer.handle()
        before = consumer.metrics.snapshot()

        consumer.handle()

        assert before.topics["orders"].handled == 1
        with pytest.raises(TypeError):
            before.topics["bills"] = None

    def test_threads_lose_no_count(self):
        consumer = Consumer()
        raw = ConsumerRecord("orders", 0, -1, 5, None, 0, b"k", b"v", [], None, 1, 1, -1)

        def work():
            for _ in range(250):
                consumer.tell((raw, 1, 100.0, 100.0, 100.1, None), (raw, 1, 100.0, 100.1, 100.2, None))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            consumer.metrics.snapshot()
        for thread in threads:
            thread.join()

        assert consumer.orders.handled == consumer.orders.queue_ms.count == 4_000


class TestOutcomes:
    @pytest.mark.parametrize(
        ("answer", "outcome"),
        [(Retry(5), "retried"), (Skip("dead letter"), "skipped"), (Halt("full"), "halted"), (None, "halted")],
    )
    def test_a_failure_and_its_answer_are_counted(self, answer, outcome):
        consumer = Consumer()

        answered = consumer.handle(takes=0.1, error=ValueError(), answer=answer)

        assert answered == answer
        counted = {name: getattr(consumer.orders, name) for name in ("retried", "skipped", "halted")}
        assert counted == {"retried": 0, "skipped": 0, "halted": 0, outcome: 1}
        assert (consumer.orders.handled, consumer.orders.failed) == (0, 1)
        assert consumer.orders.handler_ms == only(100)
        assert consumer.orders.end_to_end_ms == NOTHING

    def test_a_plugin_that_raises_in_on_error_is_a_halt(self):
        consumer = Consumer()

        with pytest.raises(KeyError):
            consumer.handle(error=ValueError(), answer=KeyError())

        assert consumer.orders.halted == 1

    def test_an_interrupted_handler_is_not_counted(self):
        consumer = Consumer()

        consumer.handle(error=KeyboardInterrupt())
        assert consumer.metrics.snapshot().topics == {}

        consumer.handle()
        consumer.handle(error=KeyboardInterrupt())
        assert (consumer.orders.handled, consumer.orders.failed) == (1, 0)


class TestCommits:
    def test_they_are_counted_and_timed(self):
        consumer = Consumer()

        result = consumer.commit(takes=0.007)

        commits = consumer.metrics.snapshot().commits
        assert result == "done"
        assert (commits.count, commits.failures, commits.duration_ms) == (1, 0, only(7))

    def test_a_failure_is_counted_and_passed_on(self):
        consumer = Consumer()

        with pytest.raises(ValueError, match="moved"):
            consumer.commit(takes=0.5, error=ValueError("moved"))

        commits = consumer.metrics.snapshot().commits
        assert (commits.count, commits.failures, commits.duration_ms) == (0, 1, only(500))


class TestBackpressure:
    def test_the_time_counts_once_while_any_partition_is_paused(self):
        consumer = Consumer()

        consumer.pressure(paused=[P0])
        consumer.spend(1.0)
        consumer.pressure(paused=[P1])
        consumer.spend(1.0)
        consumer.pressure(resumed=[P0])
        consumer.spend(1.0)
        consumer.pressure(resumed=[P1])
        consumer.spend(1.0)

        assert consumer.metrics.snapshot().backpressure_ms == pytest.approx(3_000)

    def test_a_pause_that_goes_on_counts_up_to_now(self):
        consumer = Consumer()

        consumer.pressure(paused=[P0])
        consumer.spend(0.5)

        assert consumer.metrics.snapshot().backpressure_ms == pytest.approx(500)

    @pytest.mark.parametrize("end", ["revoke", "stop"])
    def test_a_pause_ends_when_the_partition_leaves(self, end):
        consumer = Consumer()
        consumer.pressure(paused=[P0])
        consumer.spend(0.5)

        if end == "revoke":
            consumer.manager.hook.on_revoke(partitions=frozenset({P0}), settings=consumer.settings, lost=True)
        else:
            consumer.stop()
        consumer.spend(9.0)

        assert consumer.metrics.snapshot().backpressure_ms == pytest.approx(500)

    def test_resuming_what_was_not_paused_changes_nothing(self):
        consumer = Consumer()

        consumer.pressure(resumed=[P0])
        consumer.spend(1.0)

        assert consumer.metrics.snapshot().backpressure_ms == 0


class TestLog:
    def test_it_is_written_once_per_interval(self, caplog):
        caplog.set_level("INFO")
        consumer = Consumer(log_interval_ms=1_000)

        for _ in range(23):
            consumer.handle(takes=0.125)

        written = [line for line in caplog.messages if line.startswith("orders: ")]
        assert [line.split(";")[0] for line in written] == [
            "orders: handled 8, failed 0, retried 0, skipped 0, halted 0",
            "orders: handled 16, failed 0, retried 0, skipped 0, halted 0",
        ]

    def test_the_last_numbers_are_written_at_the_end(self, caplog):
        caplog.set_level("INFO")
        consumer = Consumer(log_interval_ms=1_000)
        consumer.handle(takes=0.01)
        consumer.commit(takes=0.007)

        consumer.stop()

        nothing, ten = "p50 0 ms p95 0 ms p99 0 ms max 0 ms", "p50 10.0 ms p95 10.0 ms p99 10.0 ms max 10.0 ms"
        assert caplog.messages[0] == (
            f"orders: handled 1, failed 0, retried 0, skipped 0, halted 0; queue {nothing}; "
            f"handler {ten}; end-to-end {nothing}"
        )
        assert caplog.messages[2] == (
            "commits 1, failures 0, p50 7.00 ms p95 7.00 ms p99 7.00 ms max 7.00 ms; back-pressure 0 ms"
        )

    def test_without_an_interval_it_stays_silent(self, caplog, capfd):
        caplog.set_level("INFO")
        consumer = Consumer()

        consumer.handle(takes=1e6)
        consumer.stop()

        assert caplog.messages == []
        assert capfd.readouterr() == ("", "")

    def test_the_last_minute_has_lines_of_its_own(self, caplog):
        caplog.set_level("INFO")
        consumer = Consumer(log_interval_ms=1_000_000)
        consumer.handle(takes=30.0)
        consumer.handle(takes=10.0, topic="bills", partition=2)

        consumer.stop()

        assert "orders, last 40.0 s: handled 0.025/s; queue p50 0 ms" in caplog.text
        assert "handler p50 30.0 s p95 30.0 s p99 30.0 s max 30.0 s" in caplog.text
        (line,) = [line for line in caplog.messages if line.startswith("time of handlers")]
        assert line == (
            "time of handlers in the last 40.0 s: orders[0] 30.0 s (75 %), bills[2] 10.0 s (25 %), "
            f"orders[0] key #{hash_of(b'k')} 30.0 s (75 %), bills[2] key #{hash_of(b'k')} 10.0 s (25 %)"
        )

    @pytest.mark.parametrize("interval", [0, -1, float("inf"), float("nan"), "5"])
    def test_an_interval_that_is_no_time_is_refused(self, interval):
        with pytest.raises(ConfigurationError, match=f"log_interval_ms={interval!r}"):
            TimingMetrics(log_interval_ms=interval)


class TestReport:
    def test_it_goes_to_standard_error_when_the_consumer_stops(self, capfd):
        pytest.importorskip("rich")
        consumer = Consumer(report=True)
        consumer.handle(takes=0.25)
        consumer.handle(error=ValueError(), answer=Skip("dead letter"))
        consumer.commit(takes=0.007)

        consumer.stop()

        out, err = capfd.readouterr()
        rows = {}
        for line in err.splitlines():
            if line.startswith("│"):
                name, *cells = (cell.strip() for cell in line.strip("│").split("│"))
                rows.setdefault(name, cells)
        assert out == ""
        assert rows["orders handler"].count("250 ms") == 3
        assert rows["commit"].count("7.00 ms") == 4
        assert rows["orders"] == ["1", "1", "0", "1", "0"]
        assert rows["orders[0]"][1] == rows[f"orders[0] key #{hash_of(b'k')}"][1] == "100 %"
        assert "commits 1, failures 0; back-pressure 0 ms" in err

    def test_no_number_is_cut_at_80_columns(self, capfd, monkeypatch):
        pytest.importorskip("rich")
        monkeypatch.setenv("COLUMNS", "80")
        consumer, topic = Consumer(report=True), "t" * 249
        consumer.handle(takes=1.234, topic=topic)
        recorder = consumer.metrics._recorders.mine(topic)
        for name in ("retried", "skipped", "halted"):
            setattr(recorder.periods[-1], name, 9_876_543_210)
        recorder.periods[-1].handler.counts[1] = 9_876_543_209

        consumer.stop()

        err = capfd.readouterr().err
        assert err.count("9876543210") == 6
        assert "1.23 s" in err
        assert "…" not in err
        assert max(map(len, err.splitlines())) <= 80
        assert err.count("t" * 10) > 20

    def test_a_narrow_terminal_cuts_no_number_either(self, capfd, monkeypatch):
        pytest.importorskip("rich")
        monkeypatch.setenv("COLUMNS", "20")
        consumer = Consumer(report=True)
        consumer.handle(takes=1.234)

        consumer.stop()

        err = capfd.readouterr().err
        assert "…" not in err
        assert "end-to-end" in err

    def test_a_key_that_looks_like_markup_is_shown_as_it_is(self, capfd):
        pytest.importorskip("rich")
        consumer = Consumer(report=True, keys=True)
        consumer.handle(takes=1.0, key=b"[bold]x[/nonsense]\x1b[2J")

        consumer.stop()

        assert r"key b'[bold]x[/nonsense]\x1b[2J'" in capfd.readouterr().err

    def test_a_share_of_less_than_a_hundredth_is_not_told(self, capfd):
        pytest.importorskip("rich")
        consumer = Consumer(report=True)
        consumer.handle(takes=1.0)
        consumer.handle(takes=0.005, partition=7)

        consumer.stop()

        err = capfd.readouterr().err
        assert "orders[0]" in err
        assert "orders[7]" not in err

    def test_without_rich_the_extra_is_named(self):
        script = (
            "import sys; sys.modules['rich'] = sys.modules['rich.console'] = None\n"
            "from kafka_parallel_plugins.timing_metrics import TimingMetrics\n"
            "TimingMetrics()\n"
            "TimingMetrics(report=True)\n"
        )

        run = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=False
        )

        assert "ConfigurationError: timing-metrics: report=True needs the package rich" in run.stderr
        assert "kafka-parallel[metrics]" in run.stderr
