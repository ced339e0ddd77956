"""The start of a group that has nothing committed: earlier records are not its business, all later ones are.

With ``auto_offset_reset="latest"`` that is decided by its first commit, by its first handler, or by a member that knew
where it was and had the time to commit it, although no record came. A reset skips the records before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from kafka import TopicPartition

# Within how many seconds a member must have committed where it is in a partition without a record.
AT_ONCE = 0.5


class Stance(NamedTuple):
    """The position of a member where nothing is committed, and since when it could have committed that."""

    position: int
    since: float


class Starts:
    """The starts of one group.

    :param is_prompt: nothing keeps a member from committing but the group itself.
    """

    def __init__(self, *, is_prompt: bool) -> None:
        self._is_prompt = is_prompt
        self._decided: dict[TopicPartition, int] = {}
        self._skipped: dict[TopicPartition, int] = {}
        self._stances: dict[tuple[str, TopicPartition], Stance] = {}

    def get(self, partition: TopicPartition) -> int | None:
        """The start of the group in *partition*; ``None`` while that is not decided."""
        decided = self._decided.get(partition)
        return None if decided is None else max(decided, self._skipped.get(partition, 0))

    def skipped(self, partition: TopicPartition) -> int:
        """The offset up to which a reset has skipped records of *partition*."""
        return self._skipped.get(partition, 0)

    def decide(self, partition: TopicPartition, offset: int) -> None:
        """Note a first commit or a first handler at *offset*; later ones decide nothing."""
        self._decided.setdefault(partition, offset)

    def reset(self, partition: TopicPartition, offset: int) -> None:
        """Note that a member's position did not exist any more, and that the policy sent it to *offset*."""
        self._skipped[partition] = max(offset, self._skipped.get(partition, 0))

    def stands(self, instance: str, positions: Mapping[TopicPartition, int], now: float) -> None:
        """Note that *instance* is at *positions* after a poll *now*, may commit them, and has nothing else to do."""
        gone = [key for key in self._stances if key[0] == instance and key[1] not in positions]
        for key in gone:
            del self._stances[key]
        for partition, position in positions.items():
            stance = self._stances.setdefault((instance, partition), Stance(position, now))
            if self._is_prompt and now - stance.since > AT_ONCE:
                self.decide(partition, stance.position)

    def leaves(self, instance: str) -> None:
        """Note that *instance* leaves in good order: it must have committed where it is."""
        for who, partition in [key for key in self._stances if key[0] == instance]:
            if self._is_prompt:
                self.decide(partition, self._stances[who, partition].position)
        self.falls(instance)

    def falls(self, instance: str) -> None:
        """Note that *instance* is gone, or cannot commit for now: its time counts from its next poll on."""
        self._stances = {key: stance for key, stance in self._stances.items() if key[0] != instance}
