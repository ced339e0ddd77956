"""The copies of records in retry topics and dead-letter topics: each is whole, and none is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from kafka import TopicPartition

from kafka_parallel.testing.fake import FakeCluster
from kafka_parallel.testing.simulation.calls import place_of


class Copies:
    """The acknowledged copies of the records of one topic.

    :param source: the topic.
    :param violate: is called with what is wrong.
    """

    def __init__(self, cluster: FakeCluster, source: str, violate: Callable[[str], object]) -> None:
        self._cluster = cluster
        self._source = source
        self._violate = violate
        self._acknowledged: dict[tuple[int, int], int] = defaultdict(int)

    def wrote(self, place: tuple[int, int], value: bytes | None, *, is_whole: bool) -> None:
        """Note that the broker acknowledged a copy of the record that was first read at *place*, with its *value*.

        :param is_whole: the copy does not say that it is one without the value.
        """
        self._acknowledged[place] += 1
        log = self._cluster.logs[TopicPartition(self._source, place[0])]
        for record in log.read(place[1], 1):
            if is_whole and record.offset == place[1] and record.value != value:
                self._violate(f"the copy of {place} has the value {value!r}, but the record {record.value!r}")

    def handed_on(self, place: tuple[int, int]) -> None:
        """Note that the record first read at *place* was skipped because a copy of it was written."""
        self._acknowledged[place] -= 1
        if self._acknowledged[place] < 0:
            self._violate(f"{place} counts as finished, but no copy of it was acknowledged")

    def seen(self, record: Any) -> None:
        """Note that a handler got *record* of a retry topic: it must look as it did where it was first read."""
        headers = dict(record.headers)
        place = headers.get("kafka_original-partition"), headers.get("kafka_original-offset")
        wanted = (-1, -1) if None in place else tuple(int.from_bytes(number or b"", "big") for number in place)
        if (record.topic, record.partition, record.offset) != (self._source, *wanted):
            self._violate(f"a handler saw {place_of(record)}, but that record was first read at {wanted}")

    def due(self, record: Any, now: float) -> None:
        """Note that a handler of a record of a retry topic begins *now*, in seconds since the Unix epoch."""
        due_ms = int.from_bytes(dict(record.headers)["retry_topic-backoff-timestamp"], "big")
        if now * 1000 < due_ms - 1:
            self._violate(f"{record.topic} @{record.offset} began {due_ms - now * 1000:.0f} ms before it was due")
