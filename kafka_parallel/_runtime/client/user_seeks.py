"""The jumps of the user that the loop has yet to see: in which partitions, and how to repeat them.

A jump shows in the client's position. A poll that runs at that time may pass its target and then fail: the records of
that poll are gone, and the position may be where it was before the jump. So each jump that was made since a poll
began can be repeated when that poll has failed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kafka import TopicPartition


class UserSeeks:
    """The jumps of one consumer's user. Threads jump at any moment: each act on the collections is a single one."""

    def __init__(self) -> None:
        self._begun: deque[TopicPartition] = deque()
        self._done: dict[TopicPartition, Callable[[], object]] = {}

    def jump_begins(self, partitions: Iterable[TopicPartition]) -> None:
        """Note that the user is about to jump in *partitions*: records may come from there before it is done."""
        self._begun.extend(partitions)

    def jump_ends(self, partitions: Iterable[TopicPartition], repeat: Callable[[TopicPartition], object]) -> None:
        """Note that the user has jumped in *partitions*; *repeat* does the same in one of them."""
        for partition in partitions:
            self._done[partition] = lambda partition=partition: repeat(partition)  # type: ignore[misc]

    def take_begun(self) -> list[TopicPartition]:
        """Return those in which jumps have begun since the last call."""
        return [self._begun.popleft() for _ in range(len(self._begun))]

    def forget_jumps(self) -> bool:
        """Forget how to repeat the jumps that are done, before a poll; tell whether there were any."""
        found = list(self._done)
        for partition in found:
            self._done.pop(partition, None)
        return bool(found)

    def repeat_jumps(self, partitions: Iterable[TopicPartition]) -> set[TopicPartition]:
        """Repeat the latest jump in each of *partitions* that has one; return where."""
        found = {partition: jump for partition in partitions if (jump := self._done.get(partition)) is not None}
        for jump in found.values():
            jump()
        return {*found}
