"""A handler sees a record of a delayed topic as it was first read."""

from __future__ import annotations

from typing import NamedTuple

from kafka_parallel._runtime.handlers.originals import Originals


class Record(NamedTuple):
    topic: str
    value: str = "v"


def original(record):
    return record._replace(topic="orders")


DELAYED = Originals({"orders-retry"}, original)


def test_a_record_of_a_delayed_topic_is_seen_as_it_was_first():
    assert DELAYED.see(Record("orders-retry")) == Record("orders")


def test_a_record_of_any_other_topic_is_seen_as_it_is():
    record = Record("orders")

    assert DELAYED.see(record) is record


def test_without_a_way_back_records_are_seen_as_they_are():
    record = Record("orders-retry")

    assert Originals({"orders-retry"}).see(record) is record


def test_a_deserialiser_gets_the_record_as_it_was_first():
    assert DELAYED.before(lambda record: record.topic)(Record("orders-retry")) == "orders"


def test_where_there_is_nothing_to_deserialise_the_result_is_a_new_record_all_the_same():
    record = Record("orders")
    found = DELAYED.before(None)(record)

    assert found == record
    assert found is not record, "by that it is told whether a record got as far as its handler"


def test_without_a_way_back_the_deserialiser_stays_as_it_is():
    assert Originals().before(len) is len
    assert Originals().before(None) is None
