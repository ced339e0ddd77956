"""Confluent's Parallel Consumer for Java and ours in one group: if one is killed, the other goes on from its map."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from benchmarks.crashes.lives import Consumer, Life, Place, produce
from kafka_parallel.testing.history import History, Kind, judge, read
from kafka_parallel_plugins.offset_map.codec import decode
from tests.faults.conftest import rounds
from tests.integration.kafka_app import KEYS, committed, ends

pytestmark = [pytest.mark.broker, pytest.mark.timeout(900), pytest.mark.usefixtures("java")]

JAVA = Consumer("Java", "PERIODIC_CONSUMER_SYNC", commit_interval_ms=200)
THREADS = Consumer("threads", "thread-pool+offset-map")
ASYNCIO = Consumer("asyncio", "asyncio+offset-map")
PARTITIONS = 4
# The scale of times in the order of partitions: there the first record of each holds up all others, and any map.
HELD_UP = 0.005


def seconds(number):
    """The first record of each partition holds its commits up until a kill; of the others a few are slow."""
    return 600 if number < PARTITIONS else 0.2 if number % 101 == 0 else 0.001


@pytest.fixture(name="place")
def _place(kafka_broker, topic, tmp_path):
    bootstrap, name = kafka_broker.bootstrap_servers, topic(PARTITIONS)
    records = [(n % PARTITIONS, KEYS[n // PARTITIONS % len(KEYS)], seconds(n)) for n in range(12_000)]
    return Place(bootstrap, produce(bootstrap, name, records), "g-" + name, tmp_path / "history")


def records_of(place):
    return {(partition, offset) for partition, keys in place.produced.keys.items() for offset in keys}


def left_by_commits(place):
    """The records that the group's newest commits say are unfinished; every map has to be one that we understand."""
    left = records_of(place)
    for partition, commit in place.committed().items():
        done = {offset for first, past in decode(commit.offset, commit.metadata) for offset in range(first, past)}
        left -= {(partition.partition, offset) for offset in done | set(range(commit.offset))}
    return left


def noted(place, kind, runs):
    return {(each.partition, each.offset) for each in read(place.history) if each.run in runs and each.kind == kind}


def kill(consumer, place, entries):
    """Let *consumer* write a map and so many entries; kill it; return its run."""
    scale = HELD_UP if consumer.ordering == "partition" else 1
    with Life(consumer, place, scale=scale) as life:
        life.wait_for_a_map()
        life.wait_for(entries)
        life.kill()
    history = History(place.history)
    history.killed(life.run)
    history.committed(place.produced.topic, committed(place.bootstrap, place.group, place.produced))
    history.close()
    return life.run


def finish(consumer, place):
    with Life(consumer, place, scale=0.002) as life:
        life.wait_until_committed()
    return life.run


def judge_all(report, place, kills, lane):
    verdict = judge(read(place.history), place.produced, lane=lane)
    report(verdict, kills)
    assert verdict.is_good, verdict
    assert (verdict.needless, verdict.unexplained) == ([], [])
    assert committed(place.bootstrap, place.group, place.produced) == ends(place.produced)


@pytest.mark.parametrize(
    ("killed", "next_one", "ordering", "entries"),
    [
        (JAVA, THREADS, "unordered", 8_000),
        (THREADS, JAVA, "unordered", 8_000),
        (JAVA, THREADS, "key", 8_000),
        (THREADS, JAVA, "key", 8_000),
        (JAVA, ASYNCIO, "unordered", 8_000),
        (ASYNCIO, JAVA, "key", 8_000),
        (JAVA, THREADS, "partition", 2_000),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_the_next_one_handles_exactly_what_the_map_leaves(place, report, killed, next_one, ordering, entries):
    run = kill(replace(killed, ordering=ordering), place, entries)
    left, finished = left_by_commits(place), noted(place, Kind.END, {run})

    last = finish(replace(next_one, ordering=ordering), place)

    assert records_of(place) - finished <= left
    assert noted(place, Kind.START, {last}) == left
    judge_all(report, place, 1, "none" if ordering == "unordered" else ordering)


def test_they_relieve_each_other_again_and_again(place, report):
    kills, chance, runs = rounds(4, 12), random.Random(), set()
    for number in range(kills):
        before = left_by_commits(place)
        consumer = replace((JAVA, THREADS, JAVA, ASYNCIO)[number % 4], ordering="key")
        run = kill(consumer, place, entries=chance.randint(200, 1_000))
        assert noted(place, Kind.START, {run}) <= before
        runs.add(run)
        assert records_of(place) - noted(place, Kind.END, runs) <= left_by_commits(place)

    before = left_by_commits(place)
    last = finish(replace(THREADS, ordering="key"), place)

    assert noted(place, Kind.START, {last}) == before
    judge_all(report, place, kills, "key")
