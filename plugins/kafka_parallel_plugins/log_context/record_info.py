"""The facts about an attempt, or about a batch, that go into log lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from kafka_parallel import BatchContext, RecordContext
from kafka_parallel.logs import RecordInfo
from kafka_parallel.plugin_support import shown

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord


def of_record(raw: ConsumerRecord, attempt: int, group: str | None, *, keys: bool) -> RecordInfo:
    """Return the facts for log lines about the *attempt* at the record *raw*; its key only with *keys*."""
    return RecordInfo(raw.topic, raw.partition, raw.offset, group, attempt, text_of(raw.key) if keys else None)


def of_attempt(context: RecordContext, group: str | None, *, keys: bool) -> RecordInfo:
    """Return the facts for log lines about the attempt of *context*; the key of its record only with *keys*."""
    return of_record(context.raw, context.attempt, group, keys=keys)


def of_batch(context: BatchContext, group: str | None, *, keys: bool) -> RecordInfo:
    """Describe the batch of *context*: its first record, and the facts that all of them share."""
    raws = [attempt.raw for attempt in context.attempts]
    places = {(raw.topic, raw.partition) for raw in raws}
    topics = {topic for topic, _ in places}
    return RecordInfo(
        raws[0].topic if len(topics) == 1 else None,
        raws[0].partition if len(places) == 1 else None,
        raws[0].offset,
        group,
        context.attempts[0].attempt,
        _shared_text([raw.key for raw in raws]) if keys else None,
        len(raws),
    )


def text_of(key: Any) -> str | None:
    """Return a key as text: bytes that are not UTF-8 as escapes, and other objects as short texts."""
    if key is None:
        return None
    return key.decode(errors="backslashreplace") if isinstance(key, bytes) else shown(key)


def _shared_text(keys: Sequence[Any]) -> str | None:
    texts = {text_of(key) for key in keys}
    return texts.pop() if len(texts) == 1 else None
