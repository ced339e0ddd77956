"""Finds the topics that hold dead letters, whatever their names: the newest records of each are looked at.

A record is a dead letter by its headers. Two kinds have such headers and are none: one of a retry topic, which says
when it is due, and one that was sent back with ``--keep-headers``, which says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from time import monotonic
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from kafka_parallel.cli.sending import REPLAYED
from kafka_parallel.dlq import parse

__all__ = ()

# The newest offsets of a partition that are looked at: the last ones may be markers of transactions.
NEWEST = 5
# The most topics that are looked at, and how long, in seconds: a cluster may have thousands.
MOST_TOPICS = 500
LONGEST_LOOK = 5.0


def is_dead_letter(record: Any) -> bool:
    """Tell whether the headers of *record* tell of a failure that is not tried again."""
    says = parse(record.headers)
    is_retry = says.due_at_ms is not None or says.dialects == ("spring-retry",)
    return bool(says.dialects) and not is_retry and all(name != REPLAYED for name, _ in record.headers)


def topics_of_letters(consumer: KafkaConsumer, names: Collection[str]) -> set[str]:
    """Choose those of the topics *names* whose newest records are dead letters.

    :param consumer: without a group; its partitions are assigned anew.
    """
    spans = _spans(consumer, names)
    consumer.assign(list(spans))
    for partition, (first, end) in spans.items():
        consumer.seek(partition, max(first, end - NEWEST))
    ends = {partition: end for partition, (_, end) in spans.items()}
    return {record.topic for record in _newest(consumer, ends) if is_dead_letter(record)}


def _spans(consumer: KafkaConsumer, names: Collection[str]) -> dict[TopicPartition, tuple[int, int]]:
    """The first offset of each partition that holds something, and the one after the last."""
    partitions = [
        TopicPartition(name, number) for name in names for number in consumer.partitions_for_topic(name) or ()
    ]
    if not partitions:
        return {}
    firsts, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
    return {each: (firsts[each], ends[each]) for each in partitions if ends[each] > firsts[each]}


def _newest(consumer: KafkaConsumer, ends: dict[TopicPartition, int]) -> Iterator[Any]:
    """Read each partition to its end, or until the time is over."""
    left = set(ends)
    deadline = monotonic() + LONGEST_LOOK
    while left and monotonic() < deadline:
        for records in consumer.poll(timeout_ms=200).values():
            yield from records
        done = _at_end(consumer, left, ends)
        if done:
            consumer.pause(*done)
            left -= done


def _at_end(
    consumer: KafkaConsumer, partitions: Iterable[TopicPartition], ends: dict[TopicPartition, int]
) -> set[TopicPartition]:
    return {partition for partition in partitions if (consumer.position(partition) or 0) >= ends[partition]}
