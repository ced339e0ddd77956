"""Helpers with which users test their own handlers and plugins.

`FakeCluster`, `FakeConsumer`, `FakeProducer` and the clocks are imported when they are asked for: they import
kafka-python, and pytest imports this package in every project that has kafka-parallel installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kafka_parallel.testing.fake import FakeCluster, FakeConsumer, FakeProducer, ManualClock, ThreadClock, Timeline

__all__ = ["FakeCluster", "FakeConsumer", "FakeProducer", "ManualClock", "ThreadClock", "Timeline"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from kafka_parallel.testing import fake

    return getattr(fake, name)
