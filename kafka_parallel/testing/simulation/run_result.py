"""The result of a simulated run, and its surroundings: no garbage collection, and a judge for each group."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from kafka import TopicPartition

from kafka_parallel.testing.fake import FakeCluster
from kafka_parallel.testing.simulation.committed import CommittedOffsets


@dataclass(frozen=True)
class Run:
    """The result of a run.

    :ivar trace: a digest of every step; equal for two runs of a seed.
    :ivar records: how many there were.
    :ivar repeats: how many were finished again.
    :ivar may_repeat: whether something other than a kill happened that makes repeats unavoidable.
    """

    trace: str
    records: int
    repeats: int
    may_repeat: bool


@contextmanager
def no_collection() -> Iterator[None]:
    """Let no cycle of objects be collected: the moment depends on the process, and a weak reference shows it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def tell_each_group(cluster: FakeCluster, judges: Mapping[str, CommittedOffsets]) -> None:
    """Let the judge of each group hear of the commits of its own group, and all of them of each reset."""

    def was_reset(partition: TopicPartition, offset: int) -> None:
        for judge in judges.values():
            judge.was_reset(partition, offset)

    cluster.on_commit = lambda group, offsets: judges[group].commit(group, offsets)
    cluster.on_reset = was_reset
