"""The jumps that the simulated application makes in its own partitions, while a run has the consumer.

It jumps back and forward, from its handlers, from a thread of its own, and in its rebalance listener. So some jumps
come while records below run or wait for a retry, while partitions leave, and while the run stops.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from kafka import ConsumerRebalanceListener, TopicPartition

from kafka_parallel._runtime.client.guarded_class import is_guarded
from kafka_parallel.testing.simulation.world import World

if TYPE_CHECKING:
    from kafka_parallel.testing.simulation.jumps import Jumps
    from kafka_parallel.testing.simulation.process import Process

Targets: TypeAlias = Callable[[TopicPartition, int], list[int]]
# The wait of the thread between two jumps, in seconds, and how many one instance makes, and all of them together:
# everything has to come to an end, and instances may die and start again for long.
WAITS = (0.01, 0.05, 0.3, 1.0)
MOST, MOST_IN_ALL = 4, 12
# The likelihood that a handler or the listener jumps.
IN_HANDLER, IN_LISTENER = 0.1, 0.5
# Both where jumps go to given targets: there are some only for moments.
WAITS_FOR_TARGETS, IN_HANDLER_TO_TARGETS = (0.001, 0.01, 0.05), 0.5
# How far a jump goes at most, in offsets.
FARTHEST_BACK, FARTHEST_ON = 12, 4


class Witness(Protocol):
    """Judges a run, and has to know of each jump before it comes."""

    jumps: Jumps

    def seeks(self, instance: str, partition: TopicPartition, position: int, target: int) -> None:
        """Note that the application of *instance* is about to jump in *partition* from *position* to *target*."""

    def bounds_of(self, partition: TopicPartition) -> tuple[int, int]:
        """The first offset of *partition* that there is, and the end of its log."""


class Seeker(ConsumerRebalanceListener):  # type: ignore[misc]
    """Jumps in the partitions of one consumer.

    :param witness: hears of each jump.
    :param name: the name of the instance.
    :param consumer: a fake consumer, of any class.
    :param topic: in whose partitions it jumps.
    :param targets: the offsets at or above the position in a partition to which it jumps; by lot without it.
    """

    def __init__(
        self, world: World, witness: Witness, name: str, consumer: Any, topic: str, targets: Targets | None = None
    ) -> None:
        self._world = world
        self._witness = witness
        self._name = name
        self._consumer = consumer
        self._topic = topic
        self._left = MOST
        self._targets = targets

    def begin(self, process: Process) -> None:
        """Begin a thread that jumps now and then."""
        process.start_thread(self._go_on, "seeker")

    def in_handler(self) -> None:
        """Jump, by lot, while a handler runs."""
        if self._world.random.random() < (IN_HANDLER if self._targets is None else IN_HANDLER_TO_TARGETS):
            self._jump()

    def on_partitions_assigned(self, assigned: Any) -> None:
        """Jump, by lot, in the application's listener."""
        self._jump_in(assigned)

    def on_partitions_revoked(self, revoked: Any) -> None:
        """Do the same."""
        self._jump_in(revoked)

    def _jump_in(self, partitions: Any) -> None:
        if self._world.random.random() < IN_LISTENER:
            self._jump(set(partitions))

    def _go_on(self) -> None:
        while self._left and not self._consumer.is_closed:
            self._world.sleep(self._world.random.choice(WAITS if self._targets is None else WAITS_FOR_TARGETS))
            self._jump()

    def _jump(self, among: set[TopicPartition] | None = None) -> None:
        """Jump in one partition whose position is known."""
        if not self._left or self._witness.jumps.total >= MOST_IN_ALL:
            return
        if self._consumer.is_closed or not is_guarded(self._consumer):
            return
        assigned = sorted(
            p for p in self._consumer.assignment() if p.topic == self._topic and (among is None or p in among)
        )
        known = [p for p in assigned if (state := self._consumer.state_of(p)) is not None and state.position]
        if self._targets is not None:
            known = [p for p in known if self._targets(p, self._position(p))]
        if known:
            self._left -= 1
            self._jump_to(self._world.random.choice(known))

    def _position(self, partition: TopicPartition) -> int:
        return int(self._consumer.state_of(partition).position.offset)

    def _jump_to(self, partition: TopicPartition) -> None:
        position, (start, _) = self._position(partition), self._witness.bounds_of(partition)
        target = self._target(partition, position)
        self._world.note(f"{self._name}'s user jumps in {partition.partition} from {position} to {target}")
        self._witness.seeks(self._name, partition, position, target)
        if target == start and self._world.random.random() < 0.5:
            self._consumer.seek_to_beginning(partition)
        else:
            self._consumer.seek(partition, target)

    def _target(self, partition: TopicPartition, position: int) -> int:
        chance = self._world.random
        if self._targets is not None:
            return chance.choice(self._targets(partition, position))
        start, end = self._witness.bounds_of(partition)
        first, last = max(start, position - FARTHEST_BACK), min(end, position + FARTHEST_ON)
        return chance.choice([start, end, *[chance.randint(min(first, last), last)] * 6])
