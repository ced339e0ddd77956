"""Judges a plugin's answer: the usable part is used, the rest is logged and stops nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from operator import index
from typing import TYPE_CHECKING, Any

from kafka_parallel._showing import described, shown

if TYPE_CHECKING:
    from kafka import TopicPartition

    from kafka_parallel._core.offset_ranges import OffsetRange


# see docs/decisions/0058-plugins-judged-twice.md
def done_offsets(
    answer: object, partitions: Collection[TopicPartition]
) -> tuple[dict[TopicPartition, list[OffsetRange]], list[str]]:
    """Return the done offsets in a plugin's *answer*, of the *partitions* assigned now, and its unusable rest."""
    if not isinstance(answer, Mapping):
        return {}, [shown(answer)]
    done: dict[TopicPartition, list[OffsetRange]] = {}
    problems: list[str] = []
    try:
        for partition, offsets in answer.items():
            if partition not in partitions:
                problems.append(f"offsets of {_place(partition)}, which is not assigned now")
            elif isinstance(offsets, (str, bytes)) or not isinstance(offsets, Collection):
                problems.append(f"{shown(offsets)} for {_place(partition)}")
            else:
                done[partition], wrong = _ranges([offsets] if _is_whole(offsets) else offsets)
                problems += [f"{shown(offset)} among the offsets of {_place(partition)}" for offset in wrong[:1]]
    except Exception as error:  # noqa: BLE001 - the plugin's own class is at fault
        problems.append(f"a mapping that raises {described(error)}")
    return done, problems


def _ranges(offsets: Iterable[Any]) -> tuple[list[OffsetRange], list[object]]:
    """Return the usable ones of *offsets* as ranges, and the others; a ``range`` among them is never gone through."""
    ranges: list[OffsetRange] = []
    wrong: list[object] = []
    for offset in offsets:
        if _is_whole(offset) and offset.start >= 0:
            ranges.append((offset.start, offset.stop))
        elif hasattr(type(offset), "__index__") and not isinstance(offset, bool) and offset >= 0:
            ranges.append((index(offset), index(offset) + 1))
        else:
            wrong.append(offset)
    return ranges, wrong


def _is_whole(offsets: object) -> bool:
    """Tell whether *offsets* are all those between two."""
    return isinstance(offsets, range) and offsets.step == 1


def _place(partition: object) -> str:
    topic, number = getattr(partition, "topic", None), getattr(partition, "partition", None)
    return f"{topic}[{number}]" if isinstance(topic, str) and isinstance(number, int) else shown(partition)
