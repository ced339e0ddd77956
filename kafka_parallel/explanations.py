"""The reasons for which a run does not go on: the answer of ``explain()``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from kafka import TopicPartition

__all__ = ["Cause", "Explanation", "PauseReason"]

PauseReason: TypeAlias = Literal["records", "bytes", "uncommitted", "not due", "user", "unreadable"]
"""Why a partition is not fetched. While the throttle of a plugin is closed, the reason is the name of the plugin.

``"uncommitted"``, ``"records"``, ``"bytes"`` = the limit of that name is reached; ``"not due"`` = its next record has
to wait; ``"user"`` = the program paused it; ``"unreadable"`` = kafka-python cannot read its next record.
"""

Cause: TypeAlias = Literal[
    "loop", "broker", "rebalance", "commit", "throttle",
    "handler", "retry", "key", "rate", "limit", "worker",
    PauseReason, "leader", "unassigned", "idle", "flowing", "stopping", "not running",
]  # fmt: skip
"""The kind of obstacle that keeps a run, a record or a partition.

The run as a whole: ``"loop"`` = the thread of run() does not come round; ``"broker"`` = no broker is connected, or one
does not answer; ``"rebalance"`` = one is under way; ``"commit"`` = a commit is not answered; ``"throttle"`` = a plugin
lets no record start; ``"unassigned"`` = no partition is ours; ``"idle"`` = everything was read and is done;
``"flowing"`` = records are on their way and nothing stands still; ``"stopping"`` and ``"not running"``.

The record that holds a commit point: ``"unreadable"`` for kafka-python; ``"handler"`` = it runs; ``"retry"`` = it waits
for its next attempt; ``"key"`` = it waits for another record of its ordering key; ``"rate"`` = a plugin bounds how
fast records start; ``"limit"`` = another limit on some records is reached; ``"worker"`` = all workers are busy.

A partition that is not fetched: a `kafka_parallel.explanations.PauseReason`; ``"leader"`` = the broker that has it is
not connected.
"""


@dataclass(frozen=True, slots=True)
class Explanation:
    """One reason, as a sentence for people and as values for programs.

    :ivar cause: the kind of reason.
    :ivar sentence: the whole of it.
    :ivar partition: the partition that it keeps; ``None`` = the run as a whole.
    :ivar offset: the offset of the record that holds the partition's commit point; ``None`` without one.
    :ivar lasts_ms: milliseconds that it is known to last; 0 if that is not known.
    """

    cause: Cause
    sentence: str
    partition: TopicPartition | None = None
    offset: int | None = None
    lasts_ms: float = 0.0
