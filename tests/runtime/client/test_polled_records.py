"""Kind: a poll() of the user's own that returns the right records in another order, grouping or moment."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
from kafka import TopicPartition

from kafka_parallel import ConfigurationError, ParallelConsumer
from kafka_parallel.testing import FakeCluster, FakeConsumer
from tests.runtime.app import GROUP, TOPIC

PARTITIONS = [TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)]
COUNT = 8


class Habit(FakeConsumer):
    """Returns what `change` makes of a poll."""

    def poll(self, *arguments, **options):
        return self.change(super().poll(*arguments, **options))


class Reversed(Habit):
    def change(self, found):
        return {partition: records[::-1] for partition, records in found.items()}


class Merged(Habit):
    def change(self, found):
        records = [record for partition in sorted(found) for record in found[partition]]
        return {PARTITIONS[0]: records} if records else {}


class Exchanged(Habit):
    def change(self, found):
        return dict(zip(found, reversed(found.values()), strict=True))


class Copied(Habit):
    """Makes objects of its own, which have the fields that a run needs."""

    def change(self, found):
        return {partition: [SimpleNamespace(**r._asdict()) for r in records] for partition, records in found.items()}


class Urgent(Habit):
    def change(self, found):
        return {partition: sorted(records, key=lambda r: r.offset != 2) for partition, records in found.items()}


class Application:
    """Two partitions, and what was handled of them.

    :param written: how many records each has at the beginning.
    """

    def __init__(self, written=COUNT):
        self.cluster = FakeCluster()
        self.cluster.create_topic(TOPIC, partitions=2)
        self.handled = []
        for partition in PARTITIONS:
            self.write(partition.partition, written)

    def write(self, partition, count):
        for _ in range(count):
            self.cluster.append(TOPIC, b"v", b"key", partition=partition)

    def handle(self, record):
        self.handled.append((record.partition, record.offset))

    def run(self, kind, handle=None, **options):
        config = {"group_id": GROUP, "auto_offset_reset": "earliest", "consumer_timeout_ms": 400}
        consumer = kind(TOPIC, cluster=self.cluster, auto_commit_interval_ms=20, **config)
        try:
            ParallelConsumer(consumer, workers=2, install_signal_handlers=False, **options).run(handle or self.handle)
        except Exception as error:
            return error
        return None

    @property
    def committed(self):
        found = [self.cluster.committed(GROUP, partition) for partition in PARTITIONS]
        return [0 if offset is None else offset.offset for offset in found]

    @property
    def lost(self):
        """The records that were committed and never handled."""
        passed = {(number, offset) for number, end in enumerate(self.committed) for offset in range(end)}
        return passed - set(self.handled)


@pytest.mark.parametrize("kind", [Reversed, Merged, Exchanged, Copied, Urgent])
def test_records_in_another_order_or_grouping_are_all_handled_in_theirs(kind):
    app = Application()

    assert app.run(kind, ordering="partition") is None
    for number in (0, 1):
        assert [offset for partition, offset in app.handled if partition == number] == [*range(COUNT)]
    assert app.committed == [COUNT, COUNT]


def test_a_changed_order_is_said_once(caplog):
    app = Application()
    app.run(Reversed, ordering="partition")

    said = [record for record in caplog.records if "another order" in record.getMessage()]
    assert len(said) == 1
    assert "Reversed" in said[0].getMessage()


class Twice(Habit):
    def change(self, found):
        return {partition: [*records, records[0]] for partition, records in found.items()}


class Pairs(Habit):
    def change(self, found):
        return {
            partition: [(record.offset, record.value) for record in records] for partition, records in found.items()
        }


@pytest.mark.parametrize(("kind", "message"), [(Twice, r"t\[\d\]@0 more than once"), (Pairs, "is no record")])
def test_what_has_no_place_of_its_own_is_refused_and_nothing_passed(kind, message):
    app = Application()
    error = app.run(kind)

    assert isinstance(error, ConfigurationError)
    assert re.search(message, str(error))
    assert app.lost == set()


class Holding(Habit):
    """Keeps one record back until a later poll."""

    kept = None

    def change(self, found):
        for partition, records in found.items():
            if partition == PARTITIONS[0] and self.kept is None and len(records) > 3:
                self.kept = records[2]
                return {**found, partition: records[:2] + records[3:]}
        if not found and self.kept:
            late, self.kept = self.kept, ()
            return {PARTITIONS[0]: [late]}
        return found


def test_a_record_that_comes_later_than_others_behind_it_is_refused_and_is_where_the_next_run_begins():
    app = Application()
    error = app.run(Holding)

    assert isinstance(error, ConfigurationError)
    assert "t[0]@2 later than records behind it" in str(error)
    assert app.committed == [2, COUNT]
    assert app.lost == set()


class Jumping(Habit):
    """Goes back by itself, once."""

    has_jumped = False

    def poll(self, *arguments, **options):
        if not self.has_jumped and self.assignment() and self.position(PARTITIONS[0]) >= COUNT:
            self.has_jumped = True
            self.seek(PARTITIONS[0], 0)
        return super().poll(*arguments, **options)

    def change(self, found):
        return found


def test_a_poll_that_seeks_is_no_poll_that_holds_back():
    app = Application()

    assert app.run(Jumping) is None
    assert app.committed == [COUNT, COUNT]
    assert app.lost == set()
