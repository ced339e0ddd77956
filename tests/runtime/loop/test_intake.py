"""A poll's records are taken in, or fetched again from the first one that is not due or has no room."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest
from kafka import TopicPartition

from kafka_parallel import ConfigurationError
from kafka_parallel._core.task import Task
from kafka_parallel._runtime.client.client_partitions import ClientPartitions
from kafka_parallel._runtime.loop import intake
from kafka_parallel._runtime.loop.assign_answers import AssignAnswers
from kafka_parallel._runtime.loop.intake import Intake, require_key

P, Q = TopicPartition("t", 0), TopicPartition("t", 1)
PLENTY = 1_000_000


class World:
    """A client, a queue and a clock that note what is asked of them.

    :param refused: from which offset on a partition's records find no room in the queue.
    """

    group_id = "g"

    def __init__(self, ordering=None, delay=None, refused=None):
        self.now, self.tasks, self.epochs, self.sought, self.held = 10.0, {}, {}, [], {}
        self._refused = refused or {}
        self.intake = Intake(
            self, self, self, AssignAnswers(None, None), ordering=ordering, delayed=() if delay is None else {"t"},
            delay_ms=delay or (lambda record, wall_ms: 0.0),
        )  # fmt: skip

    def fetch_again(self, partition, offset):
        self.sought.append((partition, offset))

    def defer(self, partition, until):
        self.held[partition] = until

    @property
    def partitions(self):
        return ClientPartitions(self)

    def feed(self, tasks, epochs, *_):
        self.tasks, self.epochs = tasks, epochs
        return self._refused

    def monotonic(self):
        return self.now

    def wall(self):
        return 0.0

    def take(self, *records, bytes_left=PLENTY, **others):
        self.intake.accept({P: records, **others}, bytes_left, fetched_at=self.now)
        return [task.offset for task in self.tasks.get(P, ())]


def record(offset, key=b"k", size=10, leader_epoch=None, headers=()):
    return SimpleNamespace(
        topic="t", partition=0, offset=offset, key=key, serialized_key_size=1, serialized_value_size=size - 1,
        serialized_header_size=100, headers=headers, leader_epoch=leader_epoch,
    )  # fmt: skip


def raising(error):
    def act(*_):
        raise error

    return act


def facts_of(task):
    return {name: getattr(task, name, "not set") for name in Task.__slots__}


def test_a_task_that_is_taken_in_is_like_one_that_is_made_alone():
    world, found = World(lambda record: record.key), record(7)

    world.take(found)

    assert facts_of(world.tasks[P][0]) == facts_of(Task(found, 7, b"k", 10, 10.0))


def test_without_an_ordering_no_record_has_a_key():
    world = World()
    world.take(record(0))

    assert [task.key for task in world.tasks[P]] == [None]


@pytest.mark.parametrize("error", [LookupError("no such key"), asyncio.CancelledError(), StopIteration()])
def test_a_record_whose_ordering_raises_is_taken_in_with_its_error(error):
    world = World(ordering=raising(error))
    world.take(record(0))

    assert [(task.key, task.error) for task in world.tasks[P]] == [(None, error)]


def test_what_ends_the_program_is_let_out_of_the_ordering():
    with pytest.raises(KeyboardInterrupt):
        World(ordering=raising(KeyboardInterrupt())).take(record(0))


def test_a_key_that_cannot_be_hashed_is_the_error_of_its_record_alone():
    world = World(ordering=lambda record: [1] if record.offset == 1 else "k")
    world.take(record(0), record(1), record(2))

    assert [type(task.error) for task in world.tasks[P]] == [type(None), ConfigurationError, type(None)]


@pytest.mark.parametrize(
    ("sizes", "headers", "expected"),
    [((3, 7), (), 10), ((-1, 7), (), 7), ((3, -1), (), 3), ((3, 7), [("h", b"")], 110)],
)
def test_the_size_of_a_record_is_that_of_key_value_and_headers(sizes, headers, expected):
    found, world = record(0, headers=headers), World()
    found.serialized_key_size, found.serialized_value_size = sizes
    world.take(found)

    assert [task.size for task in world.tasks[P]] == [expected]


def test_what_has_no_room_for_its_bytes_is_fetched_again():
    world = World()

    assert world.take(record(0), record(1), record(2), bytes_left=15) == [0, 1], "the last one may be larger"
    assert world.sought == [(P, 2)]
    assert world.held == {P: 0.0}


def test_what_the_queue_has_no_room_for_is_fetched_again():
    world = World(refused={P: 1})
    world.take(record(0), record(1))

    assert world.sought == [(P, 1)]


def test_leader_epochs_are_told_where_they_change():
    world = World()
    world.take(record(0, leader_epoch=3), record(1, leader_epoch=3))
    assert world.epochs[P] == [(0, 3)]

    world.take(record(2, leader_epoch=3), record(3, leader_epoch=4))
    assert world.epochs[P] == [(2, 3), (3, 4)]

    world.take(record(4))
    assert world.epochs[P] == []


def test_a_record_that_is_not_due_is_fetched_again_with_all_behind_it():
    world = World(delay=lambda record, wall_ms: 5000.0 if record.offset == 1 else 0.0)

    assert world.take(record(0), record(1), record(2)) == [0]
    assert world.sought == [(P, 1)]
    assert world.held == {P: 15.0}


def test_a_record_that_has_begun_to_wait_is_due_when_it_was_to_be():
    world = World(delay=lambda record, wall_ms: 5000.0)
    world.take(record(1))
    world.now = 12.0
    assert world.take(record(1)) == [], "as after a rebalance, which interrupts no wait"
    assert world.held == {P: 15.0}
    world.now = 15.0

    assert world.take(record(1)) == [1]


@pytest.mark.parametrize("delay", [raising(ValueError("torn")), lambda *_: float("inf"), lambda *_: "soon"])
def test_a_record_whose_delay_cannot_be_told_is_taken_in_at_once(delay, caplog):
    world = World(delay=delay)

    assert world.take(record(7)) == [7]
    assert "the delay of t[0]@7 cannot be computed" in caplog.text
    (line,) = caplog.records
    assert (line.kafka_topic, line.kafka_partition, line.kafka_offset, line.kafka_group) == ("t", 0, 7, "g")


def test_the_records_of_other_topics_wait_for_nothing():
    world, other = World(delay=lambda record, wall_ms: 5000.0), TopicPartition("u", 0)
    world.intake.accept({other: [record(0)]}, PLENTY, fetched_at=0.0)

    assert [task.offset for task in world.tasks[other]] == [0]


@pytest.mark.parametrize("key", [(one for one in ()), len, lambda: None])
def test_a_key_that_is_work_or_a_function_is_refused(key):
    with pytest.raises(ConfigurationError, match="such keys keep no order: return a plain value"):
        require_key(key)


def test_an_error_of_a_signal_handler_is_no_records_failure(monkeypatch):
    """Kind: an alarm that raises while a key is looked at; the record that was at hand would be a dead letter."""
    monkeypatch.setattr(intake, "work_in", raising(TimeoutError("alarm")))

    with pytest.raises(TimeoutError, match="alarm"):
        World(ordering=lambda record: record.key).take(record(0))


@pytest.mark.parametrize("ordering", [raising(TimeoutError("of the ordering")), lambda _: len])
def test_an_error_of_the_ordering_is_its_records_failure(ordering):
    world = World(ordering=ordering)
    world.take(record(0))

    assert isinstance(world.tasks[P][0].error, (TimeoutError, ConfigurationError))
