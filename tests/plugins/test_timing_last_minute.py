"""The last minute forgets what is older, and names the partitions and keys that took the time."""

from __future__ import annotations

import threading

import pytest

from kafka_parallel import ConfigurationError
from kafka_parallel.facts import RunningRecord
from kafka_parallel_plugins.heavy_hitters import CAPACITY
from kafka_parallel_plugins.key_names import hash_of
from kafka_parallel_plugins.timing_metrics import TimingMetrics
from kafka_parallel_plugins.timing_metrics.recorders import PERIODS
from tests.plugins.timing_consumer import Consumer, raw


def about(milliseconds):
    """A time that was sampled: a millisecond more or less."""
    return pytest.approx(milliseconds, abs=1.5)


def places(takers):
    return [(taker.topic, taker.partition, taker.key_hash) for taker in takers]


class TestWindow:
    def test_nothing_happened_yet(self):
        last_minute = Consumer().last_minute

        assert (last_minute.seconds, last_minute.topics) == (0.0, {})
        assert (last_minute.slowest_partitions, last_minute.slowest_keys) == ((), ())

    def test_it_is_as_long_as_the_run_at_first(self):
        consumer = Consumer()

        consumer.handle(takes=2.0)
        consumer.spend(2.0)

        assert consumer.last_minute.seconds == 4.0
        assert consumer.last_minute.topics["orders"].per_second == consumer.orders.per_second == 0.25

    @pytest.mark.parametrize("idle", [1.0, 59.0, 60.0])
    def test_what_is_younger_than_a_minute_is_in_it(self, idle):
        consumer = Consumer()
        consumer.handle()

        consumer.spend(idle)

        assert consumer.last_minute.topics["orders"].handled == 1

    @pytest.mark.parametrize("idle", [70.0, 1_000.0])
    def test_what_is_older_is_in_the_totals_only(self, idle):
        consumer = Consumer()
        consumer.handle(takes=0.25)

        consumer.spend(idle)

        assert 60 <= consumer.last_minute.seconds <= 70
        assert consumer.last_minute.topics == {}
        assert consumer.last_minute.slowest_partitions == consumer.last_minute.slowest_keys == ()
        assert consumer.orders.handled == 1

    def test_totals_lose_nothing_when_periods_pass(self):
        consumer = Consumer()
        for number in range(300):
            consumer.handle(takes=1.0, error=ValueError() if number % 3 == 0 else None)

        assert (consumer.orders.handled, consumer.orders.failed, consumer.orders.halted) == (200, 100, 100)
        assert (consumer.orders.handler_ms.count, consumer.orders.queue_ms.count) == (300, 300)
        recent = consumer.last_minute.topics["orders"]
        assert recent.handled + recent.failed == pytest.approx(consumer.last_minute.seconds, abs=1.1)
        assert recent.handled == pytest.approx(2 * recent.halted, abs=2)

    def test_quantiles_are_those_of_the_minute(self):
        consumer = Consumer()
        for _ in range(1_000):
            consumer.handle(takes=0.5)
        consumer.spend(70.0)
        for _ in range(10):
            consumer.handle(takes=0.001)

        assert consumer.last_minute.topics["orders"].handler_ms.max == pytest.approx(1, abs=0.01)
        assert consumer.orders.handler_ms.p50 == pytest.approx(500, rel=0.01)

    def test_a_thread_keeps_no_more_periods_than_a_minute_has(self):
        consumer = Consumer()

        for _ in range(100):
            consumer.handle(takes=5.0)

        assert len(consumer.metrics._recorders.mine("orders").periods) == PERIODS + 2

    def test_it_ends_when_the_consumer_stops(self):
        consumer = Consumer()
        consumer.handle(takes=3.0)
        consumer.stop()
        before = consumer.metrics.snapshot()

        consumer.spend(1_000.0)

        assert consumer.metrics.snapshot() == before
        assert before.last_minute.seconds == 3.0


class TestSlowest:
    def test_partitions_and_keys_are_told_the_worst_first(self):
        consumer = Consumer()
        for key, partition, takes in [(b"a", 0, 0.1), (b"b", 1, 0.5), (b"c", 0, 0.2), (b"a", 0, 0.05)]:
            consumer.handle(takes=takes, key=key, partition=partition)

        slowest = consumer.last_minute

        assert places(slowest.slowest_partitions) == [("orders", 1, None), ("orders", 0, None)]
        assert [taker.took_ms for taker in slowest.slowest_partitions] == [about(500), about(350)]
        assert places(slowest.slowest_keys) == [
            ("orders", partition, hash_of(key)) for partition, key in [(1, b"b"), (0, b"c"), (0, b"a")]
        ]
        assert [taker.took_ms for taker in slowest.slowest_keys] == [about(500), about(200), about(150)]
        assert slowest.slowest_keys[0].share == pytest.approx(0.5 / 0.85, abs=0.01)
        assert {taker.error_ms for taker in slowest.slowest_keys} == {0.0}

    def test_a_key_is_shown_only_if_asked_for(self):
        silent, open_ = Consumer(), Consumer(keys=True)
        for consumer in (silent, open_):
            consumer.handle(takes=1.0, key=b"alice")

        (hidden,), (shown,) = silent.last_minute.slowest_keys, open_.last_minute.slowest_keys
        assert (hidden.key, shown.key) == (None, b"alice")
        assert hidden.key_hash == shown.key_hash
        assert "alice" not in repr(hidden) + repr(shown)
        kept = [list(period.takers.keys.weights()) for period in silent.metrics._recorders.mine("orders").periods]
        assert "alice" not in repr(kept)

    def test_the_same_key_in_two_partitions_and_topics_is_not_one(self):
        consumer = Consumer()
        for topic, partition in [("orders", 0), ("orders", 1), ("bills", 0)]:
            consumer.handle(takes=1.0, topic=topic, partition=partition)

        assert len(consumer.last_minute.slowest_keys) == 3

    def test_a_record_without_a_key_counts_for_its_partition_only(self):
        consumer = Consumer()

        consumer.handle(takes=1.0, key=None)

        assert consumer.last_minute.slowest_partitions[0].took_ms == about(1_000)
        assert consumer.last_minute.slowest_keys == ()

    def test_failed_attempts_count_and_interrupted_ones_do_not(self):
        consumer = Consumer()
        consumer.handle(takes=1.0, error=ValueError())
        consumer.handle(takes=5.0, error=KeyboardInterrupt())

        assert consumer.last_minute.slowest_partitions[0].took_ms == about(1_000)

    def test_an_interrupted_attempt_among_others_is_left_out(self):
        consumer = Consumer()
        consumer.tell(
            (raw(partition=1), 1, 0.0, 0.0, 9.0, KeyboardInterrupt()), (raw(partition=2), 1, 0.0, 10.0, 11.0, None)
        )

        assert places(consumer.last_minute.slowest_partitions) == [("orders", 2, None)]

    def test_at_most_ten_are_told(self):
        consumer = Consumer()
        for number in range(30):
            consumer.handle(takes=0.1, key=b"%d" % number, partition=number)

        assert len(consumer.last_minute.slowest_partitions) == len(consumer.last_minute.slowest_keys) == 10

    def test_a_hot_key_is_found_among_any_number_of_others(self):
        consumer = Consumer(keys=True)
        for number in range(5_000):
            consumer.handle(takes=0.005, key=b"other-%d" % number)
            if number % 10 == 0:
                consumer.handle(takes=0.01, key=b"hot")

        hot = consumer.last_minute.slowest_keys[0]
        assert hot.key == b"hot"
        all_ms = consumer.last_minute.slowest_partitions[0].took_ms
        exact = hot.took_ms + hot.error_ms
        assert hot.took_ms - 5 <= all_ms / 6 <= exact + 5 + all_ms / CAPACITY

    def test_keys_that_are_no_bytes_do_no_harm(self):
        consumer = Consumer(keys=True)
        for key in ({"id": 1}, ["unhashable"], "text", 7, object(), b"x" * 10_000_000):
            consumer.handle(takes=1.0, key=key)

        shown = [taker.key for taker in consumer.last_minute.slowest_keys]
        assert {b"text", b"7", b"a dict", b"a list", b"an object"} < set(shown)
        assert max(map(len, shown)) < 100

    @pytest.mark.parametrize("keys", [1, "yes", None])
    def test_a_setting_that_is_no_choice_is_refused(self, keys):
        with pytest.raises(ConfigurationError, match="keys="):
            TimingMetrics(keys=keys)


class TestBatches:
    def batch(self, *records, start=100.0, seconds=1.0):
        """Each record is noted a little after the one before, as batches are."""
        return [(record, 1, 99.0, start, start + seconds + n * 1e-6, None) for n, record in enumerate(records)]

    def test_records_share_the_time_of_their_batch(self):
        consumer = Consumer()

        consumer.tell(*self.batch(*[raw(key=b"%d" % (number % 4)) for number in range(100)]))

        assert consumer.last_minute.slowest_partitions[0].took_ms == about(1_000)
        assert [taker.took_ms for taker in consumer.last_minute.slowest_keys] == [pytest.approx(250, abs=25)] * 4

    def test_a_batch_of_several_topics_is_one(self):
        consumer = Consumer()

        consumer.tell(*self.batch(raw("orders"), raw("bills"), raw("bills"), raw("bills")))

        took = {taker.topic: taker.took_ms for taker in consumer.last_minute.slowest_partitions}
        assert took == {"orders": about(250), "bills": about(750)}

    def test_batches_that_are_told_together_are_kept_apart(self):
        consumer = Consumer()
        first = self.batch(raw(partition=1), raw(partition=1))
        second = self.batch(*[raw(partition=2)] * 4, start=200.0, seconds=2.0)

        consumer.tell(*first, *second)

        assert [taker.took_ms for taker in consumer.last_minute.slowest_partitions] == [about(2_000), about(1_000)]

    def test_a_batch_among_single_records_is_seen(self):
        consumer = Consumer()
        consumer.tell(*self.batch(raw(), raw()))  # from now on it is known that there are batches

        consumer.tell(
            *self.batch(raw(partition=1), start=200.0),
            *self.batch(*[raw(partition=2)] * 50, start=300.0),
            *self.batch(raw(partition=3), start=400.0),
        )

        took = {taker.partition: taker.took_ms for taker in consumer.last_minute.slowest_partitions}
        assert took == {number: about(1_000) for number in range(4)}


class TestRunning:
    def test_records_that_still_run_count_with_the_time_so_far(self):
        consumer = Consumer(keys=True)
        consumer.handle(takes=1.0, key=b"a")
        consumer.facts.records = [RunningRecord("orders", 3, 7, b"stuck", running_ms=900.0)]

        slowest = consumer.last_minute

        assert [(taker.key, taker.took_ms) for taker in slowest.slowest_keys] == [(b"a", about(1_000)), (b"stuck", 900)]
        assert (slowest.slowest_partitions[1].partition, slowest.slowest_partitions[1].took_ms) == (3, 900)

    def test_only_the_part_within_the_minute_counts(self):
        consumer = Consumer()
        consumer.spend(1_000.0)
        consumer.facts.records = [RunningRecord("orders", 3, 7, None, running_ms=900_000.0)]

        assert 60_000 <= consumer.last_minute.slowest_partitions[0].took_ms <= 70_000
        assert consumer.last_minute.slowest_keys == ()

    def test_one_plugin_for_two_consumers_tells_of_both(self):
        first = Consumer(keys=True)
        second = Consumer(first.clock, first.metrics)
        first.facts.records = [RunningRecord("orders", 1, 7, b"a", running_ms=100.0)]
        second.facts.records = [RunningRecord("bills", 2, 7, b"b", running_ms=200.0)]
        first.handle(takes=1.0, key=b"c")

        assert [taker.key for taker in second.last_minute.slowest_keys] == [b"c", b"b", b"a"]

        first.stop()
        assert [taker.key for taker in second.last_minute.slowest_keys] == [b"c", b"b"]
        first.spend(1.0)
        assert second.last_minute.seconds == 2.0

        second.stop()
        assert [taker.key for taker in second.last_minute.slowest_keys] == [b"c"]


class TestThreads:
    def test_time_of_all_threads_is_added(self):
        consumer = Consumer()
        everyone = threading.Barrier(8)

        def work(number):
            everyone.wait()
            for _ in range(200):
                consumer.tell((raw(key=b"%d" % number, partition=number % 2), 1, 100.0, 100.0, 100.01, None))

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            assert consumer.last_minute.seconds == 0.0
        for thread in threads:
            thread.join()

        assert [taker.took_ms for taker in consumer.last_minute.slowest_partitions] == [pytest.approx(8_000, abs=8)] * 2
        assert [taker.took_ms for taker in consumer.last_minute.slowest_keys] == [about(2_000)] * 8

    def test_a_snapshot_never_counts_back_while_periods_pass(self):
        consumer = Consumer()
        seen = [0]

        def work():
            for _ in range(3_000):
                consumer.handle(takes=0.5)

        thread = threading.Thread(target=work)
        thread.start()
        while thread.is_alive():
            topics = consumer.metrics.snapshot().topics
            seen.append(topics["orders"].handler_ms.count if topics else 0)
        thread.join()

        assert seen == sorted(seen)
        assert consumer.orders.handled == 3_000


class TestMemory:
    def test_distinct_keys_are_not_kept(self):
        consumer, kept = Consumer(), []
        for chunk in range(40):
            now = consumer.clock.now
            consumer.tell(
                *[
                    (raw(key=b"%d-%d" % (chunk, n)), 1, now, now + n * 0.002, now + n * 0.002 + 0.002, None)
                    for n in range(1_000)
                ]
            )
            consumer.spend(2.0)
            periods = consumer.metrics._recorders.mine("orders").periods
            kept.append(sum(len(period.takers.keys.weights()) for period in periods))

        assert max(kept) <= CAPACITY * (PERIODS + 1)
        assert max(kept[20:]) == max(kept[35:])
