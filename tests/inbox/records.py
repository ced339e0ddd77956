"""Records for tests, without a broker."""

from __future__ import annotations

import inspect
from typing import Any

from kafka.consumer.fetcher import ConsumerRecord


def record(topic: str = "orders", partition: int = 0, offset: int = 0, headers: Any = ()) -> ConsumerRecord:
    """A record of that place."""
    values = dict.fromkeys(inspect.signature(ConsumerRecord).parameters)
    values.update(topic=topic, partition=partition, offset=offset, headers=[*headers], key=b"k", value=b"v")
    return ConsumerRecord(**values)
