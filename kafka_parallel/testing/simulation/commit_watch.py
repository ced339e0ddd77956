"""The guarantees for wrappers of ``on_commit``: one commit at a time, and one that they see as stored is stored."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition

from kafka_parallel import hookimpl
from kafka_parallel.testing.simulation.checker import Checker


class CommitWatch:
    """A wrapper of one instance, inside all others, so that it sees the broker's answer."""

    def __init__(self, checker: Checker, name: str) -> None:
        self._checker = checker
        self._name = name
        self._is_inside = False

    @hookimpl(wrapper=True)
    def on_commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> Generator[None, Any, Any]:
        """Look, before and after."""
        if self._is_inside and self._name not in self._checker.interrupted:  # else they may never be resumed
            self._checker.violate(f"{self._name} begins a commit while wrappers are inside another one")
        self._is_inside = True
        try:
            result = yield
        finally:
            self._is_inside = False
        for partition, chosen in offsets.items():
            self._checker.committed.confirmed(self._name, partition, chosen.offset)
        return result
