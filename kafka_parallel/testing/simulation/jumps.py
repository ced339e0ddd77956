"""The jumps of the application, as far as they excuse something: what comes again, and what need not come at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from kafka import TopicPartition

from kafka_parallel.testing.simulation.calls import Place


class Jumps:
    """The jumps of all instances.

    :ivar skipped: the records that a jump passed before they were taken: commits may pass them, even after a jump back,
        for those that are on their way by then.
    :ivar passed: the same without those that came again by a jump back.
    :ivar total: how many jumps there were.
    """

    def __init__(self) -> None:
        self._back: dict[tuple[str, TopicPartition], list[int]] = defaultdict(list)
        self._lowest: dict[TopicPartition, int] = {}
        self._counts: dict[tuple[str, TopicPartition], int] = defaultdict(int)
        self.skipped: set[Place] = set()
        self.passed: set[Place] = set()
        self.total = 0

    def note(self, instance: str, partition: TopicPartition, position: int, target: int) -> None:
        """Note that *instance* jumps in *partition* from *position* to *target*."""
        self.total += 1
        self._counts[instance, partition] += 1
        self.move(partition, position, target)
        if target < position:
            self._back[instance, partition].append(target)
            self._lowest[partition] = min(target, self._lowest.get(partition, target))

    def move(self, partition: TopicPartition, position: int, target: int) -> None:
        """Note that the next record of *partition* is the one at *target* instead of *position*, for any instance."""
        passed = {(partition, offset) for offset in range(position, target)}
        self.skipped |= passed
        self.passed |= passed
        if target < position:
            self.passed = {place for place in self.passed if place[0] != partition or place[1] < target}

    def count(self, instance: str, partition: TopicPartition) -> int:
        """How often *instance* has jumped in *partition*."""
        return self._counts[instance, partition]

    def back(self, instance: str, partition: TopicPartition) -> Sequence[int]:
        """The targets of the jumps back of *instance* in *partition*, in order of time."""
        return self._back[instance, partition]

    def comes_again(self, instance: str, partition: TopicPartition, offset: int) -> bool:
        """Tell whether *instance* has jumped back to *offset* of *partition* or before."""
        return any(target <= offset for target in self._back[instance, partition])

    def may_be_committed(self, partition: TopicPartition, offset: int) -> bool:
        """Tell whether the committed offset of *partition* may go back to *offset*."""
        return partition in self._lowest and self._lowest[partition] <= offset
