"""The results that a ``poll()`` of the user's own may have, and how they become lists of records in offset order.

A poll loop handles the records of a poll in any order and grouping. A run commits offsets, so it has to know each
record's own place: a list that is not in order would have it pass the records that stand behind later ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from kafka import TopicPartition

from kafka_parallel._logs import area_logger
from kafka_parallel._showing import kind_of
from kafka_parallel.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable

log = area_logger("poll")

# The errors of a poll() that gets bytes instead of objects.
BYTES_ERRORS = (AttributeError, LookupError, TypeError, ValueError)
_place = attrgetter("topic", "partition", "offset")
_offset = attrgetter("offset")


def records_of(polled: Any, kind: str) -> dict[TopicPartition, list[Any]]:
    """Return the result of a ``poll()``, perhaps the user's own, as lists that are not empty.

    :raises ConfigurationError: it cannot be read so; names *kind*, the class.
    """
    if not isinstance(polled, dict):
        raise ConfigurationError(
            f"poll() of this {kind} returned {kind_of(polled)} instead of a dict of lists of records, as "
            "kafka-python's does: return {} if there are none"
        )
    if all(type(records) is list and records for records in polled.values()):
        return polled
    try:
        listed = {partition: list(records) for partition, records in polled.items()}
    except TypeError as error:
        raise ConfigurationError(
            f"poll() of this {kind} returned a dict of something else than lists of records ({error}): return "
            "lists, as kafka-python's poll() does"
        ) from error
    return {partition: records for partition, records in listed.items() if records}


class HeldBack(ConfigurationError):  # noqa: N818 - named after what happened to the records
    """Records come behind later ones.

    :ivar places: the first of them, of each partition that has some.
    """

    places: Mapping[TopicPartition, int]


class UsersPoll:  # see docs/decisions/0076-own-place-of-a-record.md
    """The results of one consumer's ``poll()`` that is the user's own.

    :param kind: the consumer's class, for messages.
    :param states: the client's states of its partitions; each has ``position``.
    """

    def __init__(self, kind: str, states: Callable[[], Mapping[TopicPartition, Any]]) -> None:
        self._kind = kind
        self._states = states
        self._has_said = False
        self._before: dict[TopicPartition, tuple[Any, int]] = {}

    def note_positions(self) -> None:
        """Note where the client is before a call."""
        self._before = {
            partition: (state, state.position.offset)
            for partition, state in list(self._states().items())
            if state.position is not None
        }

    def refusal_of_bytes(self, error: Exception) -> ConfigurationError:
        """The remedy if ``poll()`` raised *error* because it looks into records that are not deserialised yet."""
        return ConfigurationError(
            f"poll() of this {self._kind} raised {error!r}: it gets keys and values as bytes, which workers "
            "deserialise later; if it looks into them, pass lazy_deserialization=False"
        )

    def sought(self) -> None:
        """Note a jump: records of before come again."""
        self._before = {}

    def arranged(self, found: Mapping[TopicPartition, list[Any]]) -> dict[TopicPartition, list[Any]]:
        """Return the records of *found*, each under its own partition, in offset order.

        :raises ConfigurationError: something in it is no record, or two records have one place.
        :raises HeldBack: a record comes later than others behind it.
        """
        self._require_places([record for records in found.values() for record in records])
        arranged = _by_place(record for records in found.values() for record in records)
        if arranged != found and not self._has_said:
            self._has_said = True
            log.warning(
                "poll() of this %s returned records in another order than that of their offsets, or under another "
                "partition: each is taken under its own partition, in offset order", self._kind,
            )  # fmt: skip
        self._require_none_held_back(arranged)
        return arranged

    def _require_places(self, records: list[Any]) -> None:
        try:
            places = [_place(record) for record in records]
        except AttributeError as error:
            raise ConfigurationError(
                f"poll() of this {self._kind} returned something that is no record ({error}): return records with "
                "topic, partition and offset, as kafka-python's poll() does"
            ) from error
        if len(set(places)) < len(places):
            topic, partition, offset = Counter(places).most_common(1)[0][0]
            raise ConfigurationError(
                f"poll() of this {self._kind} returned {topic}[{partition}]@{offset} more than once: an offset is "
                "committed when its record is handled, so return each record once, and split it up in the handler"
            )

    def _require_none_held_back(self, found: Mapping[TopicPartition, list[Any]]) -> None:
        if late := {partition: records[0].offset for partition, records in found.items() if self._is_late(records)}:
            topic, partition = next(iter(late))
            error = HeldBack(
                f"poll() of this {self._kind} returned {topic}[{partition}]@{late[topic, partition]} later than "
                "records behind it: an offset that does not come is taken for one without a record, so return all "
                "records at once, and hold them back in the handler"
            )
            error.places = late
            raise error

    def _is_late(self, records: list[Any]) -> bool:
        """Tell whether the client had passed the first of *records* before the call, and has not jumped since."""
        partition = TopicPartition(records[0].topic, records[0].partition)
        before, position = self._before.get(partition, (None, 0))
        now = self._states().get(partition)
        if now is None or now is not before or now.position is None:
            return False
        return bool(records[0].offset < position <= now.position.offset)


def _by_place(records: Iterable[Any]) -> dict[TopicPartition, list[Any]]:
    found: dict[TopicPartition, list[Any]] = {}
    for record in records:
        found.setdefault(TopicPartition(record.topic, record.partition), []).append(record)
    return {partition: sorted(own, key=_offset) for partition, own in found.items()}
