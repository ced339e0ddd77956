"""Judges a plugin's answer: the usable part is used, the rest is logged and stops nothing."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from operator import index
from typing import TYPE_CHECKING, Any

from kafka_parallel._showing import described, shown

if TYPE_CHECKING:
    from kafka import TopicPartition


# see docs/decisions/0058-plugins-judged-twice.md
def done_offsets(
    answer: object, partitions: Collection[TopicPartition]
) -> tuple[dict[TopicPartition, set[int]], list[str]]:
    """Return the done offsets in a plugin's *answer*, of the *partitions* assigned now, and its unusable rest."""
    if not isinstance(answer, Mapping):
        return {}, [shown(answer)]
    done: dict[TopicPartition, set[int]] = {}
    problems: list[str] = []
    try:
        for partition, offsets in answer.items():
            if partition not in partitions:
                problems.append(f"offsets of {_place(partition)}, which is not assigned now")
            elif isinstance(offsets, (str, bytes)) or not isinstance(offsets, Collection):
                problems.append(f"{shown(offsets)} for {_place(partition)}")
            else:
                done[partition], wrong = _numbers(offsets)
                problems += [f"{shown(offset)} among the offsets of {_place(partition)}" for offset in wrong[:1]]
    except Exception as error:  # noqa: BLE001 - the plugin's own class is at fault
        problems.append(f"a mapping that raises {described(error)}")
    return done, problems


def _numbers(offsets: Iterable[Any]) -> tuple[set[int], list[object]]:
    numbers: set[int] = set()
    wrong: list[object] = []
    for offset in offsets:
        if hasattr(type(offset), "__index__") and not isinstance(offset, bool) and offset >= 0:
            numbers.add(index(offset))
        else:
            wrong.append(offset)
    return numbers, wrong


def _place(partition: object) -> str:
    topic, number = getattr(partition, "topic", None), getattr(partition, "partition", None)
    return f"{topic}[{number}]" if isinstance(topic, str) and isinstance(number, int) else shown(partition)
