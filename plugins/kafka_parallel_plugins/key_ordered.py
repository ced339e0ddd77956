"""Order per key: records with the same key in one partition run one at a time in offset order, keys side by side."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from operator import attrgetter
from typing import TYPE_CHECKING, Literal

from kafka_parallel import ConfigurationError, Settings, hookimpl
from kafka_parallel.plugin_support import is_async, makes_generator, shown

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

__all__ = ["KeyOrdered"]

NULL_KEYS = ("unordered", "partition")


class NullKey:
    """The ordering key of records without one, if they are to stay in order; equal to nothing else."""


# see docs/decisions/0018-ordering-none.md
class KeyOrdered:
    """Provides the ordering ``"key"``.

    :param null_keys: the meaning of a record without a key: ``"unordered"`` = it needs no order, ``"partition"`` = all
        such records of a partition stay in order among themselves.
    :param key: a function from the record, as the handler sees it, to its ordering key; default: the bytes of the
        record's key, which are equal exactly if Kafka's are.
    :raises ConfigurationError: for anything else.
    """

    def __init__(
        self,
        *,
        null_keys: Literal["unordered", "partition"] = "unordered",
        key: Callable[[ConsumerRecord], Hashable | None] | None = None,
    ) -> None:
        if null_keys not in NULL_KEYS:
            raise ConfigurationError(f"key-ordered: null_keys={shown(null_keys)}: choose one of {', '.join(NULL_KEYS)}")
        if key is not None and (not callable(key) or is_async(key) or makes_generator(key)):
            raise ConfigurationError(
                f"key-ordered: key={shown(key)}: give a function from a record to its ordering key, without async and "
                "yield"
            )
        self._null_keys = null_keys
        self._key = key

    @hookimpl
    def provide_ordering(self, settings: Settings) -> Callable[[ConsumerRecord], Hashable | None]:
        """Provide the function from a raw record to its ordering key.

        :raises ConfigurationError: there are no bytes of keys to compare.
        """
        key = self._of_record(settings)
        if self._null_keys == "unordered":
            return key

        def key_or_null(record: ConsumerRecord) -> Hashable:
            found = key(record)
            return NullKey if found is None else found

        return key_or_null

    def _of_record(self, settings: Settings) -> Callable[[ConsumerRecord], Hashable | None]:
        chosen = self._key
        if chosen is None:
            _require_bytes(settings)
            return attrgetter("key")
        return lambda record: chosen(settings.deserialize(record))


def _require_bytes(settings: Settings) -> None:
    """Refuse keys that were made objects of: two of equal bytes may be equal to nothing but themselves."""
    if not settings.has_raw_bytes and settings.consumer_config.get("key_deserializer") is not None:
        raise ConfigurationError(
            'ordering="key" compares the bytes of keys, and lazy_deserialization=False with a key_deserializer makes '
            "objects of them in poll(): leave lazy_deserialization out, or order by equal objects with "
            "ordering=lambda record: record.key"
        )
