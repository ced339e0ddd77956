"""Helpers with which users test their own handlers and plugins.

All names are imported when they are asked for: they import kafka-python or pytest, and pytest imports this package in
every project that has kafka-parallel installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kafka_parallel.testing._plugin_contract.contract import PluginContract
    from kafka_parallel.testing.fake import FakeCluster, FakeConsumer, FakeProducer, ManualClock, ThreadClock, Timeline

__all__ = ["FakeCluster", "FakeConsumer", "FakeProducer", "ManualClock", "PluginContract", "ThreadClock", "Timeline"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "PluginContract":
        from kafka_parallel.testing._plugin_contract import contract

        return contract.PluginContract
    from kafka_parallel.testing import fake

    return getattr(fake, name)
