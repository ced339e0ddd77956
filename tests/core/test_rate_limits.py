"""The starts that a rate limit allows, the records that wait for it, and those that do not."""

from __future__ import annotations

from collections import defaultdict

import hypothesis.strategies as st
import pytest
from hypothesis import assume, given

from kafka_parallel._core.rate_limits import TokenBuckets
from kafka_parallel.values import Retry
from tests.core import test_batch_queue as batching
from tests.core.test_scheduler import feed, offsets_of, scheduler

# Numbers that floats compute with exactly, so that the model need not allow for anything.
RATES = st.sampled_from([0.25, 0.5, 1.0, 2.0, 8.0])
BURSTS = st.integers(1, 4)
STEPS = st.sampled_from([0.0, 0.0, 0.125, 0.5, 1.0, 8.0])


def allows(starts, rate, burst, now):
    """Rule 1, literally: with one more start now, no time since an earlier start has seen too many."""
    return all(sum(at >= since for at in starts) + 1 <= burst + rate * (now - since) for since in starts)


@given(RATES, BURSTS, st.lists(st.tuples(st.sampled_from("abcdef"), STEPS), max_size=60))
def test_a_bucket_opens_exactly_when_the_rule_allows_it(rate, burst, wishes):
    buckets, starts, now = TokenBuckets(rate, burst), defaultdict(list), 0.0
    for place, passes in wishes:
        now += passes
        is_open = buckets.earliest_start(place) <= now

        assert is_open == allows(starts[place], rate, burst, now)
        if is_open:
            buckets.count_starts(place, 1, now)
            starts[place].append(now)


@given(RATES, BURSTS, st.lists(STEPS, max_size=9), STEPS, STEPS)
def test_what_fits_is_what_starts_when_everything_wants_to(rate, burst, past, passes, left):
    buckets, now = TokenBuckets(rate, burst), 0.0
    for wait in past:
        now += wait
        if buckets.earliest_start("a") <= now:
            buckets.count_starts("a", 1, now)
    now += passes
    foreseen, started = buckets.fits("a", now, now + left), 0

    while (at := max(now, buckets.earliest_start("a"))) <= now + left:
        buckets.count_starts("a", 1, at)
        started += 1

    assert foreseen == started


@given(st.integers(1, 50), BURSTS)
def test_what_is_full_again_is_forgotten(keys, burst):
    buckets = TokenBuckets(1.0, burst)
    for key in range(keys):
        buckets.count_starts(("p", key), 1, 0.0)
    assert len(buckets) == keys

    for number in range(keys):
        buckets.count_starts(("p", "busy"), 1, 100.0 + number)

    assert len(buckets) == 1


def test_a_million_keys_leave_no_more_behind_than_started_while_a_bucket_fills():
    buckets = TokenBuckets(10.0, burst=1)
    sizes = set()
    for number in range(20_000):
        buckets.count_starts(("p", number), 1, number / 1000)
        sizes.add(len(buckets))

    assert max(sizes) <= 101, "100 start in the tenth of a second that a bucket takes"


@given(RATES, RATES, BURSTS, BURSTS, st.lists(STEPS, max_size=9))
def test_another_rate_takes_over_what_is_missing_in_the_bucket(rate, other, burst, other_burst, past):
    before, after, now = TokenBuckets(rate, burst), TokenBuckets(other, other_burst), 0.0
    for wait in past:
        now += wait
        if before.earliest_start("a") <= now:
            before.count_starts("a", 1, now)
    missing = max(0.0, before.earliest_start("a") + (burst - 1) / rate - now) * rate

    after.continue_from(before, now)

    # A start needs a whole record in the bucket.
    assert after.earliest_start("a") <= now + max(0.0, missing + 1 - other_burst) / other
    assert (after.earliest_start("a") <= now) == (missing + 1 <= other_burst)


def limited(*partitions, overall=None, by_key=None, burst=1):
    found = scheduler(*partitions)
    if overall is not None:
        found.throttles.rates.set_overall("x", TokenBuckets(overall, burst), 0.0)
    if by_key is not None:
        found.throttles.rates.set_by_lane("x", TokenBuckets(by_key, burst), 0.0)
    return found


class Started(list):
    """The offset of a record whose handler has begun: it cannot be stolen any more."""

    def __init__(self, chunk):
        self.chunk, self.task = chunk, next(iter(chunk))
        super().__init__([self.task.offset])


def start(found, now, limit=9):
    """Take one record and begin with it, if it may start."""
    chunk = found.dispatch.next_chunk(limit, now)
    return None if chunk is None else Started(chunk)


def end(found, started, now, outcome=None):
    started.chunk.settle(started.task, outcome)
    found.dispatch.take_in_outcomes(started.chunk, now)


def test_no_more_start_than_the_pace_allows_and_it_is_known_when_the_next_one_may():
    found = limited("p", overall=2, burst=2)
    feed(found, "p", *((offset, None) for offset in range(5)))

    assert [start(found, 0.0) for _ in range(3)] == [[0], [1], None], "one at a time: it starts when it is taken"
    assert (found.dispatch.next_due, found.dispatch.rate_limited(0.0), found.dispatch.rate_limited(0.5)) == (0.5, 3, 0)
    assert start(found, 0.4999) is None
    assert start(found, 0.5) == [2]


def test_a_fast_pace_is_taken_by_the_millisecond():
    found = limited("p", overall=4000, burst=100)
    feed(found, "p", *((offset, None) for offset in range(9)))

    assert offsets_of(found.dispatch.next_chunk(9, 0.0)) == [0, 1, 2, 3]


def test_a_paced_key_waits_without_a_worker_while_others_go_on():
    found = limited("p", by_key=0.5)
    feed(found, "p", (0, "a"), (1, "a"), (2, "b"), (3, None), (4, None), (5, "a"))
    end(found, start(found, 0.0), 0.0)

    assert [start(found, 0.0) for _ in range(4)] == [[2], [3], [4], None]
    assert (found.dispatch.next_due, found.dispatch.rate_limited(0.0), found.dispatch.ready) == (2.0, 1, 0)
    assert start(found, 1.9) is None
    second = start(found, 2.0)
    assert second == [1]
    assert found.dispatch.next_due is None, "its key is busy"
    end(found, second, 2.5)
    assert start(found, 2.5) is None
    assert found.dispatch.next_due == 4.0
    assert start(found, 4.0) == [5]


def test_both_paces_of_all_plugins_have_to_allow_it():
    found = limited("p", overall=1, by_key=0.25)
    found.throttles.rates.set_overall("y", TokenBuckets(0.5, 1), 0.0)
    feed(found, "p", (0, "a"), (1, "a"), (2, "b"))
    end(found, start(found, 0.0), 0.0)

    assert start(found, 1.0) is None
    assert found.dispatch.next_due == 2.0
    assert start(found, 2.0) == [2]
    assert start(found, 3.9) is None
    assert found.dispatch.next_due == 4.0
    assert start(found, 4.0) == [1]


def test_a_retry_is_a_start_and_takes_no_share_of_the_retries_while_it_waits_for_its_pace():
    found = limited("p", by_key=0.125)
    found.throttles.limit_retries("retry", 1)
    feed(found, "p", (0, "a"), (1, "b"), (2, None))
    end(found, start(found, 0.0), 1.0, Retry(0))
    end(found, start(found, 1.0), 1.0)
    end(found, start(found, 1.0), 1.0, Retry(0))

    assert start(found, 1.0) == [2], "the retry without a key is not limited"
    assert start(found, 7.9) is None
    assert found.dispatch.next_due is None, "and takes the one place that retries have"


def test_a_retry_waits_for_its_pace():
    found = limited("p", by_key=0.125)
    feed(found, "p", (0, "a"), (1, "a"))
    end(found, start(found, 0.0), 1.0, Retry(2_000))

    assert (found.dispatch.next_due, found.dispatch.waiting) == (8.0, 1)
    assert start(found, 7.9) is None
    assert start(found, 8.0) == [0]


def test_a_pace_that_is_taken_back_lets_everything_start():
    found = limited("p", overall=0.001, by_key=0.001)
    feed(found, "p", (0, "a"), (1, "a"), (2, "b"))
    end(found, start(found, 0.0), 0.0)
    found.throttles.rates.set_overall("x", None, 1.0)
    assert [start(found, 1.0) for _ in range(2)] == [[2], None]

    found.throttles.rates.set_by_lane("x", None, 1.0)

    assert found.dispatch.next_due == float("-inf"), "at once"
    assert start(found, 1.0) == [1]


def test_a_key_keeps_its_pace_when_its_partition_comes_back():
    found = limited("p", by_key=0.5)
    feed(found, "p", (0, "a"), (1, "a"))
    end(found, start(found, 0.0), 0.0)
    assert start(found, 0.0) is None
    found.end_assignments(["p"])
    found.assign(["p"])
    feed(found, "p", (1, "a"))

    assert start(found, 1.9) is None
    assert start(found, 2.0) == [1]


def test_leaving_does_not_wait_for_a_key_whose_pace_starts_it_later():
    found = limited("p", by_key=0.01)
    feed(found, "p", (0, "a"), (1, "a"), (2, "b"), (3, "a"), (4, "c"))
    for _ in range(2):
        end(found, start(found, 0.0), 0.0)
    running = start(found, 0.0)

    found.drain(end=30.0, now=0.0)

    assert running == [4]
    assert not found.is_drained(), "the running record is waited for"
    assert start(found, 30.0) is None
    end(found, running, 1.0)
    assert found.is_drained()
    assert found.snapshot().offsets == {"p": (1, 3)}


def test_leaving_does_wait_for_what_its_pace_starts_in_time():
    found = limited("p", by_key=0.1)
    feed(found, "p", (0, "a"), (1, "a"), (2, "b"), (3, "a"))
    for _ in range(2):
        end(found, start(found, 0.0), 0.0)

    found.drain(end=30.0, now=0.0)

    assert not found.is_drained()
    end(found, start(found, 10.0), 10.0)
    assert found.is_drained()
    assert found.snapshot().offsets == {"p": (3, 3)}


def test_leaving_counts_how_many_may_start_in_time():
    found = limited("p", "q", overall=0.1, burst=8)
    for partition in ("p", "q"):
        feed(found, partition, *((offset, "a") for offset in range(5)), (5, "b"), (6, "c"))
    begun = [start(found, 0.0) for _ in range(6)]
    for started in begun:
        end(found, started, 0.0)

    found.drain(end=20.0, now=0.0)

    assert begun == [[0], [0], [5], [5], [6], [6]], "both partitions take turns"
    assert found.backpressure.total().records == 4, (
        "2 are left in the bucket, 2 more fall into it: two of each, which take turns"
    )
    for now in (0.0, 0.0, 10.0, 20.0):
        end(found, start(found, now), now)
    assert found.is_drained()
    assert found.snapshot().offsets == {"p": (3, 3), "q": (3, 3)}


def test_leaving_does_not_wait_for_a_record_that_fails_meanwhile_and_whose_pace_is_slower():
    found = limited("p", overall=0.01)
    feed(found, "p", (0, "a"), (1, "a"))
    failing = start(found, 0.0)

    found.drain(end=30.0, now=0.0)
    end(found, failing, 1.0, Retry(0))

    assert found.is_drained()
    assert found.snapshot().offsets == {"p": (0, -1)}


PACES = st.one_of(st.none(), st.tuples(RATES, BURSTS))
RECORDS = st.lists(st.sampled_from([None, "a", "b", "c"]), min_size=1, max_size=25)


class Walk:
    """A scheduler beside the plainest model of it: which record may start now, by rule 1 and the order of arrival."""

    def __init__(self, records, overall, by_key):
        self.found, self.overall, self.by_key = limited("p"), overall, by_key
        rates = self.found.throttles.rates
        for bound, set_rate in ((overall, rates.set_overall), (by_key, rates.set_by_lane)):
            set_rate("x", None if bound is None else TokenBuckets(*bound), 0.0)
        feed(self.found, "p", *enumerate(records))
        self.left = dict(enumerate(records))
        self.starts, self.running, self.now = defaultdict(list), [], 0.0

    def allowed(self):
        """The first record that may start."""
        if self.overall is not None and not allows(self.starts["all of them"], *self.overall, self.now):
            return None
        busy = {started.task.key for started in self.running} - {None}
        for offset, key in sorted(self.left.items()):
            is_free = key is None or self.by_key is None or allows(self.starts[key], *self.by_key, self.now)
            if key not in busy and is_free:
                return [offset]
            busy |= {key} - {None}
        return None

    def take(self, limit):
        expected, started = self.allowed(), start(self.found, self.now, limit)
        assert started == expected
        if started is None:
            return False
        self.running.append(started)
        for counted in ("all of them", self.left.pop(started.task.offset)):
            self.starts[counted].append(self.now)
        return True

    def finish(self, which, *, fails):
        started = self.running.pop(which)
        if fails:
            self.left[started.task.offset] = started.task.key
        end(self.found, started, self.now, Retry(0) if fails else None)

    def wait(self):
        """Let the time pass until something may start; false if nothing will."""
        due = self.found.dispatch.next_due
        if due is not None:
            assert due > self.now
            self.now = due
        return due is not None


@given(RECORDS, PACES, PACES, st.integers(1, 3), st.sampled_from([1, 9]), st.data())
def test_everything_starts_as_soon_as_the_rule_allows_it_and_no_sooner(records, overall, by_key, workers, limit, data):
    assume(overall or by_key)
    walk = Walk(records, overall, by_key)

    for _ in range(1000):
        if not walk.left and not walk.running:
            return
        if len(walk.running) < workers and walk.take(limit):
            continue
        ends = len(walk.running) == workers or (walk.running and data.draw(st.booleans(), "one ends"))
        if ends or not walk.wait():
            assert walk.running, "nothing will ever look again"
            which = data.draw(st.integers(0, len(walk.running) - 1), "which")
            walk.finish(which, fails=data.draw(st.sampled_from([False, False, True]), "it fails"))
    pytest.fail("it does not come to an end")


def paced_batches(*, overall=None, by_key=None, scope="mixed"):
    found = batching.scheduler(scope, records=3, partitions=["p"])
    rates = found.throttles.rates
    for bound, set_rate in ((overall, rates.set_overall), (by_key, rates.set_by_lane)):
        set_rate("x", None if bound is None else TokenBuckets(*bound), 0.0)
    return found


def test_a_batch_starts_when_one_record_may_and_all_of_its_records_count():
    found = paced_batches(overall=(2.0, 1))
    batching.feed(found, "p", *((offset, None) for offset in range(7)))

    assert batching.offsets(found.dispatch.next_chunk(1, 0.0)) == [("p", 0), ("p", 1), ("p", 2)]
    assert found.dispatch.next_chunk(1, 0.0) is None
    assert found.dispatch.next_due == 1.5, "not before, although a full batch is there"
    assert batching.offsets(found.dispatch.next_chunk(1, 1.5)) == [("p", 3), ("p", 4), ("p", 5)]
    assert found.dispatch.next_chunk(1, 1.5) is None
    assert found.dispatch.next_due == 3.0, "not when the last one has waited long enough for others"


def test_a_key_that_has_to_wait_is_left_out_of_the_batch():
    found = paced_batches(by_key=(0.5, 1))
    batching.feed(found, "p", (0, "a"), (1, "b"), (2, None))
    batching.settle(found, found.dispatch.next_chunk(1, 0.0))
    batching.feed(found, "p", (3, "a"), (4, None), (5, "c"), (6, "b"))

    assert batching.offsets(found.dispatch.next_chunk(1, 0.0)) == [("p", 4), ("p", 5)]
    assert found.dispatch.next_chunk(1, 1.9) is None
    assert found.dispatch.next_due == 2.0
    assert batching.offsets(found.dispatch.next_chunk(1, 2.0)) == [("p", 3), ("p", 6)]


@given(RECORDS, PACES, PACES, st.sampled_from(["key", "partition", "mixed"]), st.integers(1, 3), st.data())
def test_batches_exceed_a_burst_by_no_more_than_one_of_them_and_none_is_left_over(
    records, overall, by_key, scope, workers, data
):
    found, now = paced_batches(overall=overall, by_key=by_key, scope=scope), 0.0
    batching.feed(found, "p", *enumerate(records))
    running, starts, done, latest = [], defaultdict(list), set(), {}
    for _ in range(1000):
        if len(done) == len(records):
            break
        chunk = found.dispatch.next_chunk(1, now) if len(running) < workers else None
        if chunk is not None:
            running.append((chunk, batching.batch_of(chunk).tasks))
            for task in running[-1][1]:
                for place in ("all of them", task.key) if task.key else ("all of them",):
                    starts[place].append(now)
                assert task.key is None or task.offset > latest.get(task.key, -1)
                latest[task.key] = task.offset
        elif running and (
            found.dispatch.next_due is None or len(running) == workers or data.draw(st.booleans(), "one ends")
        ):
            chunk, tasks = running.pop(data.draw(st.integers(0, len(running) - 1), "which"))
            chunk.settle_all(dict.fromkeys(tasks))
            found.dispatch.take_in_outcomes(chunk, now)
            done |= {task.offset for task in tasks}
        else:
            assert found.dispatch.next_due is not None, "nothing will ever look again"
            assert found.dispatch.next_due > now
            now = found.dispatch.next_due

    assert len(done) == len(records)
    for place, times in starts.items():
        bound = overall if place == "all of them" else by_key
        if bound is not None:
            rate, burst = bound
            for index, since in enumerate(times):
                begun = [at for at in times[index:] if at <= since + 8.0]
                assert len(begun) <= burst + 2 + rate * (begun[-1] - since) + 1e-6
