"""Paused partitions, and for whom they are: the user, back-pressure, or a record that cannot be read.

The client has one flag per partition. It is set while any of them wants it, so none ends by another's resume. A
pause of the user lasts as long as on the bare client: as long as the object in which the client keeps the flag (2.x
makes a new one at each assignment, 3.x keeps it for a partition that stays).

Several threads may pause and resume at once without a lock (a signal handler may, too): each first notes its wish, then
sets the flag to the sum of the wishes, and looks again afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kafka import TopicPartition

# The tries to set the flag as wanted: more are only needed where other threads change it all the time.
TRIES = 10


# see docs/decisions/0047-pauses-are-wishes.md
class Pauses:
    """The pauses of one consumer.

    :param own: the consumer's own methods.
    :param states: the client's states of its partitions; each has ``paused``.
    """

    def __init__(self, own: Any, states: Callable[[], Mapping[TopicPartition, Any]]) -> None:
        self._own = own
        self._states = states
        self._users: dict[TopicPartition, Any] = {}
        self._ours: set[TopicPartition] = set()
        self._standing: dict[TopicPartition, Any] = {}

    def take_over(self) -> None:
        """Take existing pauses for the user's; once, before anything is paused by us."""
        found = dict(self._states())  # the client's own: a thread of it may change it meanwhile
        self._users.update((partition, state) for partition, state in found.items() if state.paused)

    # The user's

    def pause_for_user(self, partitions: Iterable[TopicPartition]) -> None:
        """Pause *partitions* until the user resumes them.

        :raises KeyError: one is not assigned, as on the bare client.
        """
        for partition in partitions:
            if (state := self._states().get(partition)) is not None:
                self._users[partition] = state
            self._own.pause(partition)
            self._apply(partition)

    def resume_for_user(self, partitions: Iterable[TopicPartition]) -> None:
        """End the user's pauses.

        :raises KeyError: one is not assigned, as on the bare client.
        """
        for partition in partitions:
            if partition not in self._states():
                self._own.resume(partition)
            self._users.pop(partition, None)
            self._apply(partition)

    def of_user(self) -> set[TopicPartition]:
        """The partitions that the user has paused."""
        states = self._states()
        return {partition for partition, state in list(self._users.items()) if states.get(partition) is state}

    # Ours

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        """Pause those of *partitions* that are assigned."""
        for partition in partitions:
            if partition in self._states():
                self._ours.add(partition)
                self._apply(partition)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        """End our pauses of *partitions*."""
        for partition in partitions:
            self._ours.discard(partition)
            self._apply(partition)

    def stand(self, partition: TopicPartition) -> None:
        """Pause *partition*, in which a record cannot be read, until a seek in it, or until it leaves."""
        self._standing[partition] = self._states().get(partition)
        self._apply(partition)

    def stands(self, partition: TopicPartition) -> bool:
        """Tell whether *partition* stands at a record that cannot be read."""
        state = self._states().get(partition)
        return state is not None and self._standing.get(partition) is state

    def mended(self, *partitions: TopicPartition) -> None:
        """Let *partitions* (all without any) go on from the position that was sought."""
        for partition in partitions or list(self._standing):
            if self._standing.pop(partition, None) is not None:
                self._apply(partition)

    def drop_ours(self) -> None:
        """Leave only the user's pauses."""
        self._ours.clear()
        self._standing.clear()
        for partition in list(self._states()):
            self._apply(partition)

    def _apply(self, partition: TopicPartition) -> None:
        for _ in range(TRIES):
            state = self._states().get(partition)
            if state is None or bool(state.paused) == (wanted := self._is_wanted(partition, state)):
                return
            (self._own.pause if wanted else self._own.resume)(partition)

    def _is_wanted(self, partition: TopicPartition, state: Any) -> bool:
        return partition in self._ours or any(held.get(partition) is state for held in (self._users, self._standing))
