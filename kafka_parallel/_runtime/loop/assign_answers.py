"""Asks the plugins for records that are finished before their partition comes, and judges the answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from kafka_parallel._core.finished_before import FinishedBefore, Forgotten, Recorded
from kafka_parallel._core.offset_ranges import OffsetRange, OffsetRanges
from kafka_parallel._logs import area_logger
from kafka_parallel._plugins.answers import done_offsets

if TYPE_CHECKING:
    from kafka import OffsetAndMetadata, TopicPartition

    from kafka_parallel._plugins.hooks import Hooks
    from kafka_parallel._runtime.loop.committed_offsets import CommittedOffsets

log = area_logger("rebalance")


# see docs/decisions/0078-record-of-one-commit.md
class AssignAnswers:
    """Calls ``on_assign``.

    :param hooks: that hook's implementations.
    :param committed: asked only if one of them wants to know.
    """

    def __init__(self, hooks: Hooks, committed: CommittedOffsets) -> None:
        self._hooks = hooks
        self._committed = committed
        self._announced: dict[TopicPartition, FinishedBefore] = {}

    @property
    def is_pending(self) -> bool:
        """True if answers of plugins may still turn out not to be believed."""
        return bool(self._announced)

    def announce(self, partitions: frozenset[TopicPartition]) -> dict[TopicPartition, FinishedBefore]:
        """Tell the plugins that *partitions* came; return the offsets that are finished by their answers."""
        readers = self._hooks.readers_of_committed
        committed = self._committed.with_metadata(partitions) if readers else {}
        stored: dict[TopicPartition, list[OffsetRange]] = {}
        recorded: dict[TopicPartition, list[OffsetRange]] = {}
        for plugin, answer in self._hooks.on_assign(partitions, committed):
            is_reader = plugin in readers
            found = _usable(plugin, answer, frozenset(committed) if is_reader else partitions)
            for partition, ranges in found.items():
                (recorded if is_reader else stored).setdefault(partition, []).extend(ranges)
        finished = {
            partition: FinishedBefore(stored.get(partition, ()), _recorded(partition, committed, recorded))
            for partition in stored.keys() | recorded.keys()
        }
        self._announced.update({partition: finished[partition] for partition in recorded})
        return finished

    def tell_forgotten(self) -> None:
        """Say which answers are not believed any more; on the thread that takes in records."""
        for partition, done in list(self._announced.items()):
            if done.forgotten is not None:
                _tell_forgotten(partition, done.forgotten)
            if done.forgotten is not None or not done:
                self._announced.pop(partition, None)


def _tell_forgotten(partition: TopicPartition, forgotten: Forgotten) -> None:
    if forgotten.is_wanted:
        log.info("the commit of %s[%d]@%d told of finished records above it, and does not count any more: the "
                 "application has called seek()", *partition, forgotten.offset)  # fmt: skip
        return
    log.warning("the commit of %s[%d]@%d tells of finished records above it, and is not believed, for %s: they are "
                "processed again", *partition, forgotten.offset, forgotten.reason)  # fmt: skip


def _recorded(
    partition: TopicPartition,
    committed: Mapping[TopicPartition, OffsetAndMetadata],
    recorded: Mapping[TopicPartition, list[OffsetRange]],
) -> Recorded | None:
    if partition not in recorded:
        return None
    commit = committed[partition]
    return Recorded(commit.offset, commit.leader_epoch, OffsetRanges(recorded[partition]))


def _usable(
    plugin: str, answer: object, partitions: frozenset[TopicPartition]
) -> dict[TopicPartition, list[OffsetRange]]:
    offsets, problems = done_offsets(answer, partitions)
    for problem in problems:
        log.error("on_assign of plugin %r answered %s: that is ignored, and these records are handled; it must "
                  "answer None or a mapping from assigned partitions to offsets", plugin, problem)  # fmt: skip
    return offsets
