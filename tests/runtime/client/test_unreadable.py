"""The client goes on where it cannot read, and the place is noted."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher

from kafka_parallel._runtime.client.unreadable import CaughtRecords, Reading, StandingPartitions, Unreadable


class Records:
    """The client's records of one fetch: reading raises at some offset, and after that for ever."""

    def __init__(self, raises_at):
        self.topic_partition, self.next_fetch_offset, self.is_drained = "p", 0, False
        self._raises_at = raises_at

    def take(self, n=None):
        taken = []
        for _ in range(n):
            if self.next_fetch_offset == self._raises_at:
                raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no header name")
            taken.append(self.next_fetch_offset)
            self.next_fetch_offset += 1
        return taken

    def drain(self):
        self.is_drained = True


@pytest.fixture
def made():
    notes = []
    return type("Made", (CaughtRecords, Records), {"note": staticmethod(notes.append)}), notes


def test_what_can_be_read_is_handed_out_as_ever(made):
    kind, notes = made

    assert kind(raises_at=None).take(3) == [0, 1, 2]
    assert notes == []


def test_what_cannot_be_read_is_noted_with_its_place_and_the_rest_of_the_fetch_is_dropped(made):
    kind, notes = made
    records = kind(raises_at=2)
    records.take(2)

    assert records.take(2) == []

    assert [(found.partition, found.offset, type(found.error)) for found in notes] == [("p", 2, UnicodeDecodeError)]
    assert records.is_drained


class Interrupted(Records):
    def take(self, n=None):
        raise KeyboardInterrupt


def test_what_ends_the_program_is_let_out(made):
    _, notes = made
    records = type("Made", (CaughtRecords, Interrupted), {"note": staticmethod(notes.append)})(raises_at=None)

    with pytest.raises(KeyboardInterrupt):
        records.take(1)
    assert (notes, records.is_drained) == ([], False)


def test_a_client_of_an_unknown_kind_is_left_as_it_is():
    fetcher = SimpleNamespace()

    assert "has no PartitionRecords" in Reading().put(fetcher)
    assert vars(fetcher) == {}


def test_each_is_told_once():
    reading, fetcher = Reading(), Fetcher.__new__(Fetcher)
    assert reading.put(fetcher) == ""
    fetcher.PartitionRecords.note(Unreadable("p", 2, ValueError()))

    assert [found.offset for found in reading.taken_out()] == [2]
    assert reading.taken_out() == []


class Pauses:
    """Stands for the pauses of a consumer; *left* = partitions that went on or left."""

    def __init__(self):
        self.stood, self.left = [], set()

    def stand(self, partition):
        self.stood.append(partition)

    def stands(self, partition):
        return partition in self.stood and partition not in self.left


ORDERS = TopicPartition("orders", 2)


def test_a_partition_stands_still_at_its_unreadable_record():
    standing, pauses, found = StandingPartitions("g"), Pauses(), Unreadable(ORDERS, 7, ValueError())

    standing.stand(found, pauses)

    assert pauses.stood == [ORDERS]
    assert standing.standing(pauses) == {ORDERS: found}


def test_a_partition_that_goes_on_is_not_told_of_any_more():
    standing, pauses = StandingPartitions("g"), Pauses()
    standing.stand(Unreadable(ORDERS, 7, ValueError()), pauses)

    pauses.left.add(ORDERS)

    assert standing.standing(pauses) == {}


@pytest.mark.parametrize(("offsets", "lines"), [((7, 7), 1), ((7, 8), 2)])
def test_a_record_is_logged_once_however_often_it_is_met(caplog, offsets, lines):
    standing, pauses = StandingPartitions("g"), Pauses()
    for offset in offsets:
        standing.stand(Unreadable(ORDERS, offset, ValueError()), pauses)

    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == lines
    assert messages[0].startswith("orders[2]@7 cannot be read by kafka-python")
    first = caplog.records[0]
    assert (first.kafka_topic, first.kafka_partition, first.kafka_offset, first.kafka_group) == ("orders", 2, 7, "g")
    assert pauses.stood == [ORDERS, ORDERS]
