"""The sizes that grow, and their steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.costs import batches, prepared, queue

RECORDS = 100_000


@dataclass(frozen=True)
class Axis:
    """One thing that grows.

    :ivar cost: from a size to processor seconds per record.
    """

    name: str
    sizes: Sequence[int]
    cost: Callable[[int], float]


AXES = (
    Axis("records in all", (100_000, 1_000_000), prepared.cost_of),
    Axis("partitions assigned", (1, 10, 100, 1_000), lambda size: prepared.cost_of(RECORDS, partitions=size)),
    Axis("worker threads", (4, 40, 400), lambda size: prepared.cost_of(RECORDS, workers=size)),
    Axis(
        "keys in the buffer",
        (1, 10, 100, 1_000, 10_000, 100_000),
        lambda size: queue.cost_of(RECORDS, keys=size, in_flight=1),
    ),
    Axis(
        "records in flight",
        (10, 100, 1_000, 10_000),
        lambda size: queue.cost_of(RECORDS, keys=RECORDS, in_flight=size),
    ),
    Axis(
        "records in a batch",
        (1, 10, 100, 1_000),
        lambda size: batches.cost_of(RECORDS, batch=size, keys=None),
    ),
    Axis(
        "records in a batch by key",
        (1, 10, 100, 1_000),
        lambda size: batches.cost_of(RECORDS, batch=size, keys=1_000),
    ),
)
BY_NAME = {axis.name: axis for axis in AXES}
