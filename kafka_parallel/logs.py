"""The record that is being handled, for the lines that a handler writes to its log.

The plugin ``log-context`` sets `current` around each attempt and puts `fields` into log records. Without the plugin
nothing is set.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from kafka.consumer.fetcher import ConsumerRecord

__all__ = ["FIELDS", "CurrentRecord", "DeferredInfo", "RecordInfo", "current", "fields"]

FIELDS = (
    "kafka_topic",
    "kafka_partition",
    "kafka_offset",
    "kafka_group",
    "kafka_attempt",
    "kafka_key",
    "kafka_batch_size",
)
"""The names of the fields in a log record, in the order of the fields of `RecordInfo`."""


class RecordInfo(NamedTuple):
    """The record, or the batch, that is being handled.

    :ivar topic: where it was read: for a record of a retry topic that topic; ``None`` if a batch has several.
    :ivar partition: the same.
    :ivar offset: of the record, or of the first record of a batch; ``None`` if the batch is empty.
    :ivar group: the consumer group; ``None`` if there is none, or if it is not known.
    :ivar attempt: 1 for the first attempt; of a batch that of its first record; ``None`` if there was none yet.
    :ivar key: as text, if that was asked for; ``None`` if not, or if there is none, or a batch has several.
    :ivar batch_size: how many records the batch has; ``None`` without batches.
    """

    topic: str | None
    partition: int | None
    offset: int | None
    group: str | None = None
    attempt: int | None = None
    key: str | None = None
    batch_size: int | None = None

    @classmethod
    def of(cls, record: ConsumerRecord, group: str | None, attempt: int | None = None) -> RecordInfo:
        """Describe *record* by its place.

        :param record: as Kafka delivered it.
        :param group: the consumer group.
        :param attempt: the number of the attempt.
        """
        return cls(record.topic, record.partition, record.offset, group, attempt)

    def fields(self) -> dict[str, str | int | None]:
        """Return the values by the names of `FIELDS`, as ``extra=`` of a log call takes them."""
        return dict(zip(FIELDS, self, strict=True))


DeferredInfo: TypeAlias = "tuple[Callable[[ConsumerRecord, int], RecordInfo], ConsumerRecord, int]"
"""A function and its arguments: the record as Kafka delivered it, and the number of the attempt. They live as long as
the context that they are set in, which a thread or a task that a handler has started may keep."""


class CurrentRecord:
    """A context variable with the record that is being handled; any thread may use it, in its own context."""

    def __init__(self) -> None:
        self._variable: ContextVar[Any] = ContextVar("kafka_parallel.logs.current", default=None)

    def get(self) -> RecordInfo | None:
        """Return the record that is being handled; ``None`` where none is."""
        found = self._variable.get()
        if type(found) is tuple:
            make, raw, attempt = found
            return make(raw, attempt)  # type: ignore[no-any-return]
        return found  # type: ignore[no-any-return]

    # see docs/decisions/0081-attempt-scopes.md
    def set(self, info: RecordInfo | DeferredInfo | None) -> Token[Any]:
        """Set it, as ``ContextVar.set`` does.

        :param info: the record, or a function and its arguments that make it for a line: most records log nothing.
        """
        return self._variable.set(info)

    def reset(self, token: Token[Any]) -> None:
        """Set it to its value before *token*, as ``ContextVar.reset`` does."""
        self._variable.reset(token)


current: CurrentRecord = CurrentRecord()
"""The record that is being handled; ``None`` where none is, and in threads that a handler has started."""

_OUTSIDE: dict[str, str | int | None] = dict.fromkeys(FIELDS)


def fields() -> dict[str, str | int | None]:
    """Return the fields of the record that is being handled; each of them is ``None`` where there is none."""
    info = current.get()
    return _OUTSIDE.copy() if info is None else info.fields()
