"""The headers that a handler gets: a list of its own, for the record's is still needed as Kafka delivered it.

A handler may add to it or clear it. Retries, dead letters and ``context.raw`` are made of the record's.
"""

from __future__ import annotations

from typing import Any

from kafka.consumer.fetcher import ConsumerRecord

_HEADERS = ConsumerRecord._fields.index("headers")
_AFTER = _HEADERS + 1


def with_own_headers(record: Any) -> Any:
    """Return *record* with a list of headers of its own; ``_replace`` would cost three times as much."""
    if type(record) is not ConsumerRecord:  # an object of the user's poll(); or of a decoder
        return record
    return tuple.__new__(ConsumerRecord, (*record[:_HEADERS], [*record[_HEADERS]], *record[_AFTER:]))
