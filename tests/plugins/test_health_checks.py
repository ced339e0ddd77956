"""The verdicts of health over observations that are made by hand: only what a restart helps fails the liveness."""

from __future__ import annotations

from dataclasses import replace

import pytest
from kafka import TopicPartition

from kafka_parallel import Statistics
from kafka_parallel.errors import MemberFenced
from kafka_parallel.facts import PartitionProgress, RunningRecord
from kafka_parallel_plugins.health.health_checks import (
    Limits,
    Observation,
    Standstills,
    liveness,
    readiness,
    startup,
)
from kafka_parallel_plugins.health.vital_signs import VitalSigns

P0, P1 = TopicPartition("orders", 0), TopicPartition("orders", 1)
LIMITS = Limits(poll=60.0, rebalance=300.0, partition=None, handler=None, ready_when_throttled=True)
STRICT = replace(LIMITS, partition=90.0, handler=120.0, ready_when_throttled=False)
# A consumer that waits in a poll.
WELL = Observation(Statistics(since_poll_ms=90.0), "running", has_joined=True)


def failed(checks):
    return [check.name for check in checks if not check.ok]


def with_numbers(**numbers):
    return replace(WELL, statistics=replace(WELL.statistics, **numbers))


def test_a_consumer_that_waits_for_records_is_well():
    for limits in (LIMITS, STRICT):
        assert failed(liveness(WELL, limits)) == failed(readiness(WELL, limits)) == failed(startup(WELL, limits)) == []


HARMLESS = {
    "it has joined nothing yet": replace(WELL, has_joined=False),
    "it has not polled yet": replace(with_numbers(since_poll_ms=None), state="starting", has_joined=False),
    "a rebalance waits": replace(with_numbers(since_poll_ms=299_000.0), is_rebalancing=True),
    "it stops": replace(WELL, state="stopping", is_stopping=True),
    "a circuit breaker is open": with_numbers(throttled={"circuit-breaker": 0}, paused=frozenset({P0})),
    "a handler runs for an hour": with_numbers(longest_running_ms=3_600_000.0, in_flight=1),
}


@pytest.mark.parametrize("seen", HARMLESS.values(), ids=HARMLESS)
def test_a_state_that_no_restart_helps_leaves_it_alive(seen):
    assert failed(liveness(seen, LIMITS)) == []


@pytest.mark.parametrize(
    ("seen", "limits", "name"),
    [
        (replace(WELL, state="stopped"), LIMITS, "run"),
        (replace(WELL, state="failed", error=ValueError("secret")), LIMITS, "run"),
        (with_numbers(since_poll_ms=60_001.0), LIMITS, "poll"),
        (replace(with_numbers(since_poll_ms=300_001.0), is_rebalancing=True), LIMITS, "poll"),
        (with_numbers(longest_running_ms=120_001.0), STRICT, "handler"),
        (replace(WELL, still={P0: 1.0, P1: 90.1}), STRICT, "partition"),
    ],
)
def test_a_state_that_a_restart_helps_fails_the_one_check(seen, limits, name):
    assert failed(liveness(seen, limits)) == [name]


@pytest.mark.parametrize(
    ("seen", "limits"),
    [
        (with_numbers(since_poll_ms=60_000.0), LIMITS),
        (with_numbers(longest_running_ms=120_000.0), STRICT),
        (replace(WELL, still={P1: 90.0}), STRICT),
    ],
)
def test_exactly_the_limit_is_not_above_it(seen, limits):
    assert failed(liveness(seen, limits)) == []


def test_a_run_that_has_ended_is_not_blamed_for_the_polls_it_does_not_make():
    seen = replace(with_numbers(since_poll_ms=1e9), state="failed", error=MemberFenced("g", "payments-1"))

    assert failed(liveness(seen, LIMITS)) == ["run"]


def test_the_class_of_an_error_is_shown_and_its_message_is_not():
    seen = replace(WELL, state="failed", error=ValueError("card 4242"))

    [run] = [check for check in liveness(seen, LIMITS) if check.name == "run"]
    assert run.detail == "ValueError"


def test_the_partition_that_stands_longest_is_named():
    [*_, partition, _] = liveness(replace(WELL, still={P0: 1.0, P1: 100.0}), STRICT)

    assert (partition.detail, partition.seconds) == ("orders[1]", 100.0)


def test_it_is_ready_from_its_first_rebalance_until_a_stop_is_asked_for():
    assert failed(readiness(replace(WELL, has_joined=False), LIMITS)) == ["assignment"]
    assert failed(startup(replace(WELL, has_joined=False), LIMITS)) == ["assignment"]
    assert failed(readiness(replace(WELL, is_stopping=True), LIMITS)) == ["stop"]
    assert failed(startup(replace(WELL, is_stopping=True), LIMITS)) == []
    assert failed(readiness(replace(WELL, state="stopped", is_stopping=True), LIMITS)) == ["run", "stop"]


def test_a_closed_throttle_makes_it_unready_where_that_is_wanted():
    seen = with_numbers(throttled={"circuit-breaker": 0, "adaptive-concurrency": 4})

    assert failed(readiness(seen, LIMITS)) == []
    [throttle] = [check for check in readiness(seen, STRICT) if not check.ok]
    assert throttle == ("throttle", False, None, "circuit-breaker")


# Partitions that stand still for no reason

PARKED = PartitionProgress(position=10, log_end=50, committed=10, unfinished=0)


def stood(*looks):
    """How long P0 has stood after each of *looks*: progress, seconds, and perhaps more facts."""
    standstills, found = Standstills(), []
    for progress, now, *rest in looks:
        statistics, running = [*rest, Statistics(), ()][:2] if len(rest) < 2 else rest
        found.append(standstills.look(statistics, {P0: progress}, running, now).get(P0))
    return found


def test_a_partition_that_is_fetched_no_more_is_seen():
    assert stood((PARKED, 0.0), (PARKED, 50.0), (PARKED, 100.0)) == [0.0, 50.0, 100.0]


@pytest.mark.parametrize(
    "moved", [replace(PARKED, position=11), replace(PARKED, committed=9), replace(PARKED, unfinished=1)]
)
def test_the_time_begins_anew_with_each_move(moved):
    assert stood((PARKED, 0.0), (moved, 50.0), (moved, 60.0)) == [0.0, 0.0, 10.0]


def test_an_end_that_moves_is_no_progress_of_ours():
    assert stood((PARKED, 0.0), (replace(PARKED, log_end=60), 50.0)) == [0.0, 50.0]


RUNS = RunningRecord("orders", 0, 9, partitions=frozenset({P0}))
ELSEWHERE = RunningRecord("orders", 1, 3, partitions=frozenset({P1}))
BATCH = RunningRecord("orders", 1, 3, batch_size=2, partitions=frozenset({P0, P1}))
TAKEN = replace(PARKED, unfinished=1, head_offset=9)
REASONS = {
    "there is no lag": (replace(PARKED, log_end=10), Statistics(), ()),
    "the lag is not known, because no broker answers": (replace(PARKED, log_end=None), Statistics(), ()),
    "it is paused by a limit": (replace(PARKED, paused_by=("records",)), Statistics(), ()),
    "it is paused by the user": (replace(PARKED, paused_by=("user",)), Statistics(), ()),
    "a handler runs": (replace(PARKED, unfinished=1, head_offset=9), Statistics(), (RUNS,)),
    "a batch runs whose first record is of another partition": (TAKEN, Statistics(workers=2), (BATCH,)),
    "handlers of another partition occupy all workers": (TAKEN, Statistics(workers=2), (ELSEWHERE,) * 2),
    "handlers of another partition are all that a plugin lets run": (
        TAKEN,
        Statistics(workers=8, in_flight=1, throttled={"adaptive-concurrency": 1}),
        (ELSEWHERE,),
    ),
    "a record waits for its next attempt": (replace(PARKED, unfinished=1, head_offset=9), Statistics(waiting=1), ()),
    "a record waits for its rate": (replace(PARKED, unfinished=1, head_offset=9), Statistics(rate_limited=1), ()),
    "the next record cannot be read": (PARKED, Statistics(unreadable={P0: 10}), ()),
}


@pytest.mark.parametrize("looks", REASONS.values(), ids=REASONS)
def test_a_partition_that_stands_for_a_reason_is_not_counted(looks):
    progress, statistics, running = looks

    assert stood((progress, 0.0, statistics, running), (progress, 100.0, statistics, running)) == [None, None]


def test_a_reason_begins_the_time_anew():
    paused = replace(PARKED, paused_by=("bytes",))

    assert stood((PARKED, 0.0), (paused, 50.0), (PARKED, 60.0), (PARKED, 70.0)) == [0.0, None, 0.0, 10.0]


def test_a_handler_of_another_partition_is_no_reason():
    for progress in (PARKED, TAKEN):
        seen = (progress, 50.0, Statistics(workers=2, in_flight=1, throttled={"adaptive-concurrency": 2}), (ELSEWHERE,))
        assert stood((progress, 0.0), seen) == [0.0, 50.0]


def test_workers_that_are_all_busy_are_no_reason_for_a_partition_that_is_not_fetched():
    seen = (PARKED, 50.0, Statistics(workers=1, in_flight=1), (ELSEWHERE,))

    assert stood((PARKED, 0.0), seen) == [0.0, 50.0]


def test_a_throttle_with_nothing_in_flight_is_no_reason_for_a_partition_that_it_does_not_pause():
    seen = (TAKEN, 50.0, Statistics(workers=1, throttled={"circuit-breaker": 0}), ())

    assert stood((TAKEN, 0.0), seen) == [0.0, 50.0]


def test_a_partition_that_left_and_came_back_begins_anew():
    standstills = Standstills()

    assert standstills.look(Statistics(), {P0: PARKED}, (), 0.0) == {P0: 0.0}
    assert standstills.look(Statistics(), {}, (), 50.0) == {}
    assert standstills.look(Statistics(), {P0: PARKED}, (), 60.0) == {P0: 0.0}


class Parked:
    """The facts of a consumer whose one partition is fetched no more."""

    state, error, has_joined, is_rebalancing, is_stopping = "running", None, True, False, False

    def statistics(self):
        return Statistics(since_poll_ms=1.0)

    def progress(self):
        return {P0: PARKED}

    def running(self):
        return ()


@pytest.mark.parametrize(("watches", "found"), [(True, ["partition"]), (False, [])])
def test_a_partition_is_watched_only_where_that_was_asked_for(watches, found):
    now = [0.0]
    signs = VitalSigns(Parked(), lambda: now[0], watches_partitions=watches)

    assert failed(liveness(signs.observe().result(), STRICT)) == []
    now[0] += 91.0
    assert failed(liveness(signs.observe().result(), STRICT)) == found
