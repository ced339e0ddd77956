"""The figures of a kill, and their table."""

from __future__ import annotations

from benchmarks.crashes.kills import Kill, kill_of
from benchmarks.crashes.lives import Consumer
from benchmarks.crashes.page import page, table
from kafka_parallel.testing.history import Entry, Kind, Produced, hash_of_key, hash_of_topic

MS = 1_000_000
OURS = Consumer("ours", "asyncio+offset-map")
JAVA = Consumer("Java", "PERIODIC_CONSUMER_SYNC", commit_interval_ms=1000)
FAST_JAVA = Consumer("Java", "PERIODIC_CONSUMER_SYNC", commit_interval_ms=100)
LEADER = Consumer("Java, asynchronous", "PERIODIC_CONSUMER_ASYNCHRONOUS", commit_interval_ms=1000)


def entry(ms, kind, run, offset, key=b"k"):
    return Entry(ms * MS, kind, run, hash_of_topic("t"), 0, offset, hash_of_key(key))


def handled(run, began, ended, offset, key=b"k"):
    return [entry(began, Kind.START, run, offset, key), entry(ended, Kind.END, run, offset, key)]


def killed(repeated):
    return Kill(finished=10, in_flight=2, recent=5, repeated=repeated, oldest_ms=90.0, lost=0, reordered=0)


def test_a_kill_is_counted_from_the_history():
    produced = Produced("t", {0: {0: b"a", 1: b"b", 2: b"c", 3: b"d", 4: b"e"}})
    first = [*handled(1, 0, 10, 1, b"b"), *handled(1, 10, 20, 2, b"c"), *handled(1, 100, 150, 3, b"d")]
    first = [*first, entry(200, Kind.START, 1, 0, b"a")]
    second = [*handled(2, 300, 301, 0, b"a"), *handled(2, 302, 303, 2, b"c"), *handled(2, 304, 305, 3, b"d")]

    found = kill_of([*first, *second], produced, run=1, interval_ms=100)

    assert found == Kill(finished=3, in_flight=1, recent=1, repeated=2, oldest_ms=180.0, lost=1, reordered=0)


def test_a_record_out_of_order_is_counted():
    produced = Produced("t", {0: {0: b"a", 1: b"a"}})

    found = kill_of([*handled(1, 0, 1, 1, b"a"), *handled(1, 2, 3, 0, b"a")], produced, run=1, interval_ms=100)

    assert (found.reordered, found.repeated, found.oldest_ms) == (1, 0, 0.0)


def test_ours_is_beside_the_best_java_that_commits_once_a_second():
    kills = {
        OURS: [killed(10), killed(20), killed(60)],
        JAVA: [killed(400), killed(300)],
        LEADER: [killed(100), killed(60)],
        FAST_JAVA: [killed(1)],
    }

    shown = table(kills).splitlines()

    assert shown[2] == "| ours | 100 | 3 | 10 (10-10) | 2 (2-2) | 20 (10-60) | 5 (5-5) | 90 | 0.25 | 0 | 0 |"
    assert [line.split("|")[9].strip() for line in shown[3:]] == ["4.38", "1.00", "0.01"]


def test_without_java_there_are_no_ratios():
    written = page({"work": {OURS: [killed(10)], JAVA: []}}, {"processor": "one"}, "2026-01-31")

    assert "| ours | 100 | 1 | 10 (10-10) | 2 (2-2) | 10 (10-10) | 5 (5-5) | 90 |  | 0 | 0 |" in written
    assert "| Java |" not in written
    assert "| processor | one |" in written
