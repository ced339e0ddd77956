"""The pace that top shows is that of the last seconds, and its quantiles are near the exact ones."""

from __future__ import annotations

import statistics
import threading
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_parallel_plugins.top.recent_times import LONGEST_GAP, MOST_KEYS, WINDOW, Pace, RecentTimes


def ended(*seconds, topic="orders", partition=0, error=None, key=None):
    """Attempts that took so long."""
    record = SimpleNamespace(topic=topic, partition=partition, key=key)
    return [(record, 1, 0.0, 100.0, 100.0 + took, error) for took in seconds]


def test_before_a_second_has_passed_there_is_no_pace():
    times = RecentTimes()
    times.add(ended(0.01))

    assert times.read(0.0) == ({}, {})


def test_attempts_are_counted_by_topic_and_by_partition():
    times = RecentTimes()
    times.read(0.0)
    times.add(ended(0.01, 0.01))
    times.add([*ended(0.01, partition=1), *ended(0.01, topic="payments", error=ValueError())])

    topics, places = times.read(2.0)

    assert {topic: pace[:2] for topic, pace in topics.items()} == {"orders": (1.5, 0.0), "payments": (0.5, 0.5)}
    assert {place: pace.per_second for place, pace in places.items()} == {
        ("orders", 0): 1.0, ("orders", 1): 0.5, ("payments", 0): 0.5,
    }  # fmt: skip


@given(st.lists(st.floats(1e-6, 1e4), min_size=1, max_size=200))
def test_quantiles_are_within_three_percent(seconds):
    times = RecentTimes()
    times.read(0.0)
    times.add(ended(*seconds))

    pace = times.read(1.0)[0]["orders"]

    assert pace.p50_ms == pytest.approx(statistics.median_low(seconds) * 1000, rel=0.03)
    ordered = sorted(seconds)
    assert pace.p99_ms == pytest.approx(ordered[-(-99 * len(ordered) // 100) - 1] * 1000, rel=0.03)


def test_a_duration_of_zero_or_below_is_no_error():
    times = RecentTimes()
    times.read(0.0)
    times.add(ended(0.0, -1.0))

    assert times.read(1.0)[0]["orders"].per_second == 2.0


def test_only_the_last_seconds_count():
    times = RecentTimes()
    times.read(0.0)
    times.add(ended(*[5.0] * 100))
    paces = [times.read(float(second))[0].get("orders", Pace()) for second in range(1, WINDOW + 2)]

    assert [pace.per_second for pace in paces] == [
        *(pytest.approx(100 / second) for second in range(1, WINDOW + 1)), 0.0
    ]  # fmt: skip


def test_after_a_gap_it_begins_anew():
    times = RecentTimes()
    times.read(0.0)
    times.add(ended(1.0))
    times.read(1.0)
    times.add(ended(1.0))

    assert times.read(1.1 + LONGEST_GAP) == ({}, {})


def test_workers_may_add_while_it_is_read():
    times, threads, per_thread = RecentTimes(), 4, 2000
    times.read(0.0)

    def add():
        for _ in range(per_thread):
            times.add(ended(0.01))

    adding = [threading.Thread(target=add) for _ in range(threads)]
    for thread in adding:
        thread.start()
    found = 0
    while any(thread.is_alive() for thread in adding):
        found += sum(durations.buckets.total() for durations in times._take_waiting().values())
    found += sum(durations.buckets.total() for durations in times._take_waiting().values())

    assert found == threads * per_thread


# The keys that took the time


def slowest(*hand_overs, now=1.0):
    times = RecentTimes(with_keys=True)
    times.read(0.0)
    for handled in hand_overs:
        times.add(handled)
    times.read(now)
    return times.slowest_keys()


def test_the_slowest_keys_come_first_with_their_share_of_all_time():
    found = slowest(ended(3.0, key=b"a"), ended(1.0, key=b"b", partition=1), ended(2.0, key=b"a"), ended(4.0))

    assert [(each.partition, each.key) for each in found] == [(0, b"a"), (1, b"b")]
    assert [each.handling_ms for each in found] == pytest.approx([5000, 1000])
    assert [each.share for each in found] == pytest.approx([0.5, 0.1])


def test_the_records_of_a_batch_share_its_time():
    [found] = slowest([*ended(8.0, key=b"a"), *ended(8.0), *ended(8.0), *ended(8.0)])

    assert (found.handling_ms, found.share) == (pytest.approx(2000), pytest.approx(0.25))


def test_few_keys_are_told_and_they_are_the_heaviest_of_many():
    many = [ended(0.001, key=b"%d" % number) for number in range(1000)]

    found = slowest(*many, ended(5.0, key=b"slow"))

    assert len(found) == MOST_KEYS
    assert found[0].key == b"slow"


def test_a_key_of_a_megabyte_is_not_kept():
    [found] = slowest(ended(1.0, key=b"k" * 1_000_000))

    assert len(found.key) < 100


def test_keys_are_forgotten_after_the_last_seconds_and_after_a_gap():
    times = RecentTimes(with_keys=True)
    times.read(0.0)
    times.add(ended(1.0, key=b"a"))
    found = [(times.read(float(second)), times.slowest_keys())[1] != [] for second in range(1, WINDOW + 2)]
    assert found == [True] * WINDOW + [False]

    times.add(ended(1.0, key=b"a"))
    times.read(WINDOW + 2.0)
    assert times.slowest_keys() != []
    times.read(WINDOW + 3.0 + LONGEST_GAP)
    assert times.slowest_keys() == []


def test_without_the_setting_no_key_is_kept():
    times = RecentTimes()
    times.read(0.0)
    times.add(ended(1.0, key=b"a"))
    times.read(1.0)

    assert times.slowest_keys() == []
