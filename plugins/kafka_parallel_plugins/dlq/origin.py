"""The origin of a record that failed in a retry topic, for its dead letter.

The settings of the consumer tell the topic. Partition, offset, timestamp and attempts are in the headers, which any
producer of the retry topic can write; they only ever end up in the headers of the dead letter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafka_parallel.dlq import parse
from kafka_parallel.dlq.null_headers import restored

if TYPE_CHECKING:
    from kafka_parallel import RecordContext, Settings

__all__ = ()


def origin(context: RecordContext, settings: Settings) -> RecordContext:
    """Return *context* as if the record had failed where it was first read; unchanged if that is here or unknown."""
    raw = context.raw
    source = settings.sources.get(raw.topic)
    if source is None:
        return context
    says = parse([(name, value) for name, value in raw.headers if name.startswith(("kafka_original-", "retry_topic-"))])
    if says.partition is None or says.offset is None:
        return context
    place = {"topic": source, "partition": says.partition, "offset": says.offset, "timestamp": says.timestamp_ms}
    first = raw._replace(**place, headers=restored(raw.headers))
    return context._replace(raw=first, attempt=context.attempt - 1 + (says.attempts or 1))
