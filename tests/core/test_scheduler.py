"""From poll() to commit: random walks of the scheduler against the plainest model, and the meaning of each rule."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.chunk import TaskChunk
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.dispatch import STEAL_AFTER
from kafka_parallel._core.finished_before import FinishedBefore
from kafka_parallel._core.lane_scope import by_partition
from kafka_parallel._core.outcome import Failure
from kafka_parallel._core.rate_limits import TokenBuckets
from kafka_parallel._core.scheduler import Repeated, Scheduler
from kafka_parallel._core.task import Task
from kafka_parallel.values import Retry, Skip

LIMITS = BufferLimits(1000, 100_000, 1000)
# How many offsets a random walk may have uncommitted.
LIMIT = 8


def scheduler(*partitions, limits=LIMITS, lane_scope=by_partition):
    found = Scheduler(limits, commits=CommitRules(), lane_scope=lane_scope)
    found.assign(partitions)
    return found


def feed(found, partition, *records):
    tasks = [Task(None, offset, key, 1, 0.0) for offset, key in records]
    found.learn_positions({partition: tasks[0].offset})
    return found.feed({partition: tasks}, {partition: [(tasks[0].offset, 3)]}).get(partition)


def tasks_of(chunk):
    """The offsets of a chunk, without claiming it."""
    return [task for unit in reversed(chunk._units) for task in unit.tasks]


def offsets_of(chunk):
    return [task.offset for task in tasks_of(chunk)]


def run(found, chunk, outcome=None, now=0.0):
    for task in chunk:
        chunk.settle(task, outcome)
    return found.dispatch.take_in_outcomes(chunk, now)


def test_an_idle_worker_steals_what_a_stuck_one_has_not_begun():
    found = scheduler("p")
    feed(found, "p", (0, None), (1, None), (2, None))
    stuck = found.dispatch.next_chunk(3, 0.0)
    next(iter(stuck))

    assert found.dispatch.next_chunk(3, STEAL_AFTER / 2) is None
    assert found.dispatch.steal_due == STEAL_AFTER
    stolen = found.dispatch.next_chunk(3, STEAL_AFTER)

    assert offsets_of(stolen) == [2]
    assert found.dispatch.in_flight == 3


def test_what_is_stolen_is_in_flight_already_and_needs_no_room():
    found = scheduler("p")
    found.throttles.limit("bound", 3)
    feed(found, "p", (0, None), (1, None), (2, None), (3, None))
    next(iter(found.dispatch.next_chunk(9, 0.0)))

    assert offsets_of(found.dispatch.next_chunk(9, STEAL_AFTER)) == [2]
    assert found.dispatch.in_flight == 3


def test_nothing_is_stolen_while_nothing_may_start():
    """A plugin that closes a throttle (a circuit breaker) lets a worker go on with its chunk, and no other begin."""
    found = scheduler("p")
    feed(found, "p", (0, None), (1, "a"), (2, None))
    next(iter(found.dispatch.next_chunk(9, 0.0)))

    found.throttles.limit("breaker", 0)
    found.throttles.limit("breaker", 2, since=1.0)
    assert found.dispatch.next_chunk(9, STEAL_AFTER) is None
    assert found.dispatch.steal_due is None, "or an idle worker would look for it without a pause"
    assert found.dispatch.next_due == 1.0

    assert offsets_of(found.dispatch.next_chunk(9, 1.0)) == [1]
    assert found.dispatch.in_flight == 2, "@2 has gone back: three were more than may be in flight"


def test_records_of_a_stuck_worker_block_no_other_when_fewer_may_be_in_flight():
    found = scheduler("p")
    feed(found, "p", *((offset, None) for offset in range(9)))
    next(iter(found.dispatch.next_chunk(9, 0.0)))
    found.throttles.limit("bound", 2)
    done = []

    while (chunk := found.dispatch.next_chunk(9, STEAL_AFTER)) is not None:
        done += offsets_of(chunk)
        assert found.dispatch.in_flight == 2
        run(found, chunk)

    assert sorted(done) == [*range(1, 9)]
    assert found.dispatch.in_flight == 1


def test_what_is_stolen_starts_as_its_pace_allows():
    """It was counted when it was taken, if it was at all: the rate limit may be younger."""
    found = scheduler("p")
    feed(found, "p", (0, None), (1, "a"), (2, "a"), (3, "b"))
    next(iter(found.dispatch.next_chunk(9, 0.0)))
    found.throttles.rates.set_by_lane("slow", TokenBuckets(1.0, 1), 0.0)

    started = [offsets_of(found.dispatch.next_chunk(9, 1.0)) for _ in range(2)]
    assert started == [[3], [1]]
    assert found.dispatch.next_chunk(9, 1.0) is None
    assert found.dispatch.in_flight == 3


def test_a_retry_that_is_taken_away_after_its_assignment_ended_runs_no_more():
    """It would take the place of another one for ever, if plugins bound how many run at once."""
    found = scheduler("p")
    feed(found, "p", (0, "a"), (1, "b"))
    for chunk in (found.dispatch.next_chunk(1, 0.0), found.dispatch.next_chunk(1, 0.0)):
        run(found, chunk, Retry(1))
    current = next(iter(found.dispatch.next_chunk(9, 1.0)))

    found.end_assignments(["p"])
    found.dispatch.detach_stuck(current, 1.0)

    assert [task.offset for task in found._backlog.retries.running] == [current.offset]


def test_a_retry_frees_the_worker_and_holds_its_key():
    found = scheduler("p")
    feed(found, "p", (0, "a"), (1, "a"), (2, "b"))

    run(found, found.dispatch.next_chunk(1, 0.0), Retry(1000))

    assert offsets_of(found.dispatch.next_chunk(5, 0.5)) == [2]
    assert found.dispatch.waiting == 1
    assert [(task.offset, task.attempt) for task in tasks_of(found.dispatch.next_chunk(1, 1.0))] == [(0, 2)]


def test_leaving_fills_the_holes_and_drops_the_rest():
    found = scheduler("p")
    feed(found, "p", (0, "a"), (1, "a"), (2, "b"), (3, "c"))
    hot = found.dispatch.next_chunk(1, 0.0)
    run(found, found.dispatch.next_chunk(1, 0.0))

    found.drain()
    run(found, hot)

    assert found.backpressure.total().records == 1
    assert offsets_of(found.dispatch.next_chunk(9, 0.0)) == [1]


def test_what_finishes_after_its_assignment_changes_nothing():
    found = scheduler("p")
    feed(found, "p", (0, "a"), (1, "b"))
    late = found.dispatch.next_chunk(1, 0.0)
    for task in late:
        late.settle(task, None)

    ended = found.end_assignments(["p"])
    found.assign(["p"])
    feed(found, "p", (0, "a"), (1, "b"))
    found.dispatch.take_in_outcomes(late, 0.0)

    assert ended["p"].resume_at == 0
    assert ended["p"].running == 1
    assert found.dispatch.totals.processed == 0
    assert found.snapshot().offsets == {"p": (0, -1)}


def test_a_key_waits_for_its_record_of_an_earlier_assignment():
    found = scheduler("p")
    feed(found, "p", (0, "a"), (1, "b"))
    late = found.dispatch.next_chunk(1, 0.0)
    claimed = next(iter(late))

    found.end_assignments(["p"])
    found.assign(["p"])
    feed(found, "p", (0, "a"), (1, "b"))

    assert offsets_of(found.dispatch.next_chunk(9, 0.0)) == [1]
    late.settle(claimed, None)
    found.dispatch.take_in_outcomes(late, 0.0)
    assert offsets_of(found.dispatch.next_chunk(9, 0.0)) == [0]


def test_leaving_tells_what_is_finished_above_a_retry_that_is_due_too_late():
    found = scheduler("p", "q")
    for partition in "pq":
        feed(found, partition, (0, None), (1, None), (2, None), (3, None))
    fails = {("p", 1): Retry(60_000), ("q", 0): Retry(1)}
    while chunk := found.dispatch.next_chunk(1, 0.0):
        for task in chunk:
            chunk.settle(task, fails.get((task.assignment.partition, task.offset)))
        found.dispatch.take_in_outcomes(chunk, 0.0)

    assert found.drain(end=30.0, now=0.0) == {"p": Repeated(1, 2)}
    assert found.drain(end=30.0, now=0.0) == {}, "it is told once"


def test_a_record_that_stops_the_consumer_stays_unfinished():
    found = scheduler("p")
    feed(found, "p", (0, None), (1, None), (2, None))

    failures = run(found, found.dispatch.next_chunk(1, 0.0), Failure(ValueError(), "why"))

    assert [task.offset for task, _ in failures] == [0]
    assert found.dispatch.next_chunk(9, 0.0) is None
    assert found.is_drained()
    assert found.snapshot().offsets == {"p": (0, -1)}


def test_nothing_is_taken_in_above_a_record_that_stops_the_consumer():
    found = scheduler("p", "q")
    feed(found, "p", (0, None), (1, "a"))
    feed(found, "q", (0, None))
    chunk = found.dispatch.next_chunk(1, 0.0)
    [retry] = [found.dispatch.next_chunk(1, 0.0)]
    run(found, retry, Retry(1000))
    run(found, chunk, Failure(ValueError(), "why"))

    feed(found, "p", (2, "a"), (3, None))  # the records of a poll() that was under way
    feed(found, "q", (1, None))

    assert [(task.assignment.partition, task.offset) for task in tasks_of(found.dispatch.next_chunk(9, 9.0))] == [
        ("q", 0),
        ("q", 1),
    ], "@1 was dropped, so the tasks behind it in its lane must not run"


def test_attempts_survive_an_assignment():
    found = scheduler("p")
    feed(found, "p", (0, "a"))
    run(found, found.dispatch.next_chunk(1, 0.0), Retry(60_000))

    found.end_assignments(["p"])
    found.assign(["p"])
    feed(found, "p", (0, "a"))

    assert [task.attempt for task in tasks_of(found.dispatch.next_chunk(1, 0.0))] == [2]


def test_a_jump_back_begins_a_new_assignment():
    found = scheduler("p")
    feed(found, "p", (10, None), (11, None))
    old = found.dispatch.next_chunk(2, 0.0)

    feed(found, "p", (5, None))
    run(found, old)

    assert found.snapshot().offsets == {"p": (5, -1)}


def test_offsets_that_are_done_already_finish_on_arrival():
    found = Scheduler(LIMITS, commits=CommitRules())
    found.assign(["p"], {"p": FinishedBefore([(0, 2)])})

    feed(found, "p", (0, None), (1, None), (2, None))

    assert offsets_of(found.dispatch.next_chunk(9, 0.0)) == [2]


def test_the_leader_epoch_is_that_of_the_last_record_below_the_commit():
    found = scheduler("p")
    tasks = [Task(None, offset, None, 1, 0.0) for offset in range(3)]
    found.learn_positions({"p": 0})
    found.feed({"p": tasks}, {"p": [(0, 7), (2, 8)]})

    run(found, found.dispatch.next_chunk(1, 0.0))
    assert found.snapshot().offsets == {"p": (1, 7)}
    run(found, found.dispatch.next_chunk(9, 0.0))
    assert found.snapshot().offsets == {"p": (3, 8)}


def test_only_full_partitions_pause_and_the_room_bounds_the_next_poll():
    found = scheduler("full", "other", limits=BufferLimits(10, 100_000, 1000))
    feed(found, "full", *[(offset, None) for offset in range(6)])

    decision = found.backpressure.decide_pauses(["full"], 0.0)

    assert decision.pause == {"full": "records"}
    assert decision.room == 3, "one is kept free for the other, which holds nothing"
    assert not decision.is_all_paused


def test_a_task_that_is_claimed_must_be_run():
    found = scheduler("p")
    feed(found, "p", (0, None))
    claims = iter(found.dispatch.next_chunk(1, 0.0))
    next(claims)

    with pytest.raises(ValueError, match="claimed but not run"):
        next(claims)


def test_a_task_can_only_be_settled_while_it_is_claimed():
    found = scheduler("p")
    feed(found, "p", (0, None), (1, None))
    chunk, other = found.dispatch.next_chunk(1, 0.0), found.dispatch.next_chunk(1, 0.0)

    with pytest.raises(ValueError, match="not the task that was claimed"):
        chunk.settle(tasks_of(other)[0], None)


def test_units_that_were_claimed_together_cannot_be_stolen_until_they_are_given_back():
    found = scheduler("p")
    feed(found, "p", (0, "a"), (1, "b"), (2, "b"), (3, "c"))
    chunk = found.dispatch.next_chunk(9, 0.0)
    first, second, third = chunk.claim_all()

    assert found.dispatch.next_chunk(9, 0.0) is None
    assert chunk.settle_next(first, None) is False
    assert chunk.settle_next(second, None) is True
    chunk.unclaim([third])

    assert offsets_of(found.dispatch.next_chunk(9, 0.0)) == [3]
    assert found.dispatch.take_in_outcomes(chunk, 0.0) == []
    assert found.dispatch.in_flight == 2


def test_a_commit_becomes_urgent_long_after_the_records_came():
    found = scheduler("p", limits=BufferLimits(1000, 100_000, 8))
    feed(found, "p", (0, None))
    run(found, found.dispatch.next_chunk(1, 0.0))
    found.confirm_commit(found.snapshot())
    feed(found, "p", *((offset, None) for offset in range(1, 6)))
    found.backpressure.decide_pauses(["p"], 0.0)
    assert not found.backpressure.commit_makes_room()

    found.backpressure.decide_pauses([], 1.0)
    run(found, found.dispatch.next_chunk(9, 1.0))
    assert found.backpressure.commit_makes_room()

    found.confirm_commit(found.snapshot())
    assert not found.backpressure.commit_makes_room()


def test_a_record_that_was_kept_out_and_has_room_again_makes_no_commit_urgent():
    found = scheduler("p", limits=BufferLimits(1000, 100_000, 8))
    feed(found, "p", *((offset, None) for offset in range(6)))
    assert feed(found, "p", (6, None), (7, None), (8, None)) == 8
    found.backpressure.decide_pauses(["p"], 0.0)
    run(found, found.dispatch.next_chunk(5, 0.0))
    found.confirm_commit(found.snapshot())
    assert found.backpressure.decide_pauses([], 0.0).resume == {"p"}

    run(found, found.dispatch.next_chunk(9, 0.0))
    assert not found.backpressure.commit_makes_room()
    assert feed(found, "p", (8, None), (9, None)) is None


class Walk(RuleBasedStateMachine):
    """Random walks; the model knows offsets and keys and nothing of lanes, ledgers or chunks."""

    PARTITIONS = ("p", "q")
    LANE_SCOPE = staticmethod(by_partition)

    def __init__(self):
        super().__init__()
        self.now = 0.0
        limits = BufferLimits(1000, 100_000, LIMIT)
        self.found = scheduler(*self.PARTITIONS, limits=limits, lane_scope=self.LANE_SCOPE)
        self.new = set()
        self.next = dict.fromkeys(self.PARTITIONS, 0)
        self.fed = {partition: {} for partition in self.PARTITIONS}
        self.done = {partition: set() for partition in self.PARTITIONS}
        self.epoch = dict.fromkeys(self.PARTITIONS, 0)
        self.base = dict.fromkeys(self.PARTITIONS)
        self.kept_out = set()
        self.draining = set()
        self.out: list[tuple[TaskChunk, list]] = []
        self.running = {}
        self.started = {}

    @rule(
        partition=st.sampled_from(PARTITIONS),
        keys=st.lists(st.sampled_from("ab0"), min_size=1, max_size=6),
        gap=st.integers(0, 2),
    )
    def feed_some(self, partition, keys, gap):
        if partition in self.draining:
            return
        first = self.next[partition] + gap
        records = [(first + place, None if key == "0" else key) for place, key in enumerate(keys)]
        base = self.base[partition] = first if self.base[partition] is None else self.base[partition]
        kept_out = feed(self.found, partition, *records)
        nothing_is_uncommitted = base >= max(self.fed[partition], default=-1) + 1
        most = (first if nothing_is_uncommitted else base) + LIMIT
        taken = [(offset, key) for offset, key in records if offset < most]
        assert kept_out == (None if taken == records else records[len(taken)][0])
        self.new.add(partition)
        (self.kept_out.discard if kept_out is None else self.kept_out.add)(partition)
        self.fed[partition].update(dict(taken))
        self.next[partition] = records[-1][0] + 1 if kept_out is None else kept_out

    @rule(limit=st.integers(1, 4))
    def take_some(self, limit):
        chunk = self.found.dispatch.next_chunk(limit, self.now)
        if chunk is not None:
            self.out.append((chunk, iter(chunk)))

    @precondition(lambda self: self.out)
    @rule(data=st.data(), outcome=st.sampled_from(["done", "done", "done", "retry", "skip"]), hands_over=st.booleans())
    def run_one(self, data, outcome, hands_over):
        place = data.draw(st.integers(0, len(self.out) - 1))
        chunk, claims = self.out[place]
        task = next(claims, None)
        if task is None:
            self.found.dispatch.take_in_outcomes(chunk, self.now)
            del self.out[place]
            return
        self.check_start(task)
        chunk.settle(task, {"done": None, "retry": Retry(5), "skip": Skip("x")}[outcome])
        partition = task.assignment.partition
        if outcome != "retry" and task.assignment.live:
            self.done[partition].add(task.offset)
        if hands_over:
            self.found.dispatch.take_in_outcomes(chunk, self.now)

    @precondition(lambda self: self.out)
    @rule(
        data=st.data(),
        outcomes=st.lists(st.sampled_from(["done", "done", "retry", "skip"]), min_size=1, max_size=4),
        gives_back=st.booleans(),
    )
    def run_all_elsewhere(self, data, outcomes, gives_back):
        """Claim the rest of a chunk at once; maybe give half of it back."""
        chunk, _ = self.out[data.draw(st.integers(0, len(self.out) - 1))]
        units = chunk.claim_all()
        begun = (len(units) + 1) // 2 if gives_back else len(units)
        chunk.unclaim(units[begun:])
        for number, unit in enumerate(units[:begun]):
            goes_on = True
            while goes_on:
                task, outcome = unit.tasks[0], outcomes[number % len(outcomes)]
                self.check_start(task)
                goes_on = chunk.settle_next(unit, {"done": None, "retry": Retry(5), "skip": Skip("x")}[outcome])
                if outcome != "retry" and task.assignment.live:
                    self.done[task.assignment.partition].add(task.offset)
        self.found.dispatch.take_in_outcomes(chunk, self.now)

    def check_start(self, task):
        partition = task.assignment.partition
        if task.key is not None and task.assignment.live:
            place = (partition, task.key, self.epoch[partition])
            assert task.offset >= self.started.get(place, -1)
            self.started[place] = task.offset

    @rule(seconds=st.sampled_from([0.001, 0.01]))
    def wait(self, seconds):
        self.now += seconds

    @rule()
    def decide(self):
        """Decide, told only of new partitions; a commit is urgent as if all had been looked at."""
        self.found.backpressure.decide_pauses(self.new, self.now)
        self.new.clear()
        urgent = False
        for partition, assignment in self.found._assignments.live:
            filled = 0 if self.base[partition] is None else assignment.ledger.committable - self.base[partition]
            urgent |= filled >= LIMIT // 2 or (filled > 0 and self.lacks_room(partition) and assignment.drained)
        assert self.found.backpressure.commit_makes_room() == urgent

    def lacks_room(self, partition):
        """Tell whether a record is kept out; after a commit that made half of the room it needs no other one."""
        return partition in self.kept_out and self.next[partition] - self.base[partition] >= LIMIT // 2

    @rule()
    def commit(self):
        snapshot = self.found.snapshot()
        self.found.confirm_commit(snapshot)
        self.base.update({partition: offset for partition, (offset, _) in snapshot.offsets.items()})

    @rule(partition=st.sampled_from(PARTITIONS))
    def drain(self, partition):
        self.found.drain([partition])
        self.draining.add(partition)

    @rule(partition=st.sampled_from(PARTITIONS))
    def come_back(self, partition):
        """End the assignment and begin the next one where the last one can be resumed, as 3.x does."""
        ended = self.found.end_assignments([partition])[partition]
        self.found.assign([partition])
        self.draining.discard(partition)
        self.kept_out.discard(partition)
        self.base[partition] = None
        self.epoch[partition] += 1
        if ended.resume_at is not None:
            self.next[partition] = ended.resume_at
            self.fed[partition] = {o: key for o, key in self.fed[partition].items() if o < ended.resume_at}
            self.done[partition] = {offset for offset in self.done[partition] if offset < ended.resume_at}

    @invariant()
    def nothing_unfinished_is_committed(self):
        for partition, (offset, _) in self.found.snapshot().offsets.items():
            below = {one for one in self.fed[partition] if one < offset}
            assert below <= self.done[partition]

    @invariant()
    def the_counters_are_what_is_there(self):
        assert self.found.dispatch.in_flight == sum(chunk.taken for chunk in self.found.dispatch._chunks)
        assert self.found.backpressure.total().records >= self.found.dispatch.waiting

    @invariant()
    def who_looks_only_at_open_assignments_misses_nothing(self):
        ledgers = [assignment.ledger for _, assignment in self.found._assignments.live]
        held = (sum(ledger.records for ledger in ledgers), sum(ledger.bytes for ledger in ledgers))

        assert self.found.backpressure.total()[:2] == held
        assert self.found.backpressure.is_idle == (held == (0, 0))

    def teardown(self):
        """Run everything to its end: nothing may be lost or stuck."""
        for _ in range(2000):
            for chunk, claims in self.out:
                for task in claims:
                    self.check_start(task)
                    chunk.settle(task, None)
                    if task.assignment.live:
                        self.done[task.assignment.partition].add(task.offset)
                self.found.dispatch.take_in_outcomes(chunk, self.now)
            self.out.clear()
            self.now += 1.0
            self.take_some(3)
            if not self.out:
                break
        assert self.found.is_drained()
        assert self.found.dispatch.in_flight == 0
        for partition in set(self.PARTITIONS) - self.draining:
            assert self.done[partition] == set(self.fed[partition])


TestWalk = Walk.TestCase
TestWalk.settings = settings(max_examples=150, stateful_step_count=40)
