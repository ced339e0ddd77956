"""What handlers do, whatever kind they are: how long they take, and whether they fail."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from kafka import TopicPartition

from kafka_parallel.testing.simulation.checker import Checker, Place
from kafka_parallel.testing.simulation.plan import Plan
from kafka_parallel.testing.simulation.world import World

if TYPE_CHECKING:
    from kafka_parallel.testing.simulation.clients import WatchedConsumer

# Within how many seconds a handler must hear that nobody waits for it.
PROMPTLY = 0.5
FOREVER = float("inf")
TOPIC = "t"
FORGED = b"forged"


class Acts:
    """The handlers of one instance.

    :param name: the instance.
    :param consumer: its consumer.
    """

    def __init__(self, world: World, plan: Plan, checker: Checker, name: str, consumer: WatchedConsumer) -> None:
        self.plan = plan
        self._world = world
        self._checker = checker
        self._name = name
        self._consumer = consumer
        self._running = 0
        self._waiting: dict[Place, float] = {}
        self._is_prompt = not plan.hostile

    def begin(self, record: Any) -> float:
        """Begin; return how many seconds it takes."""
        world, plan, chance = self._world, self.plan, self._world.random
        self._running += 1
        self._checker.runs(self._name, self._running, plan.options["workers"])
        partition = TopicPartition(record.topic, record.partition)
        is_owner = self._consumer.owns(partition)
        if record.topic != TOPIC and record.value not in {FORGED, FORGED.decode()}:
            self._checker.due(record, world.wall())
        self._checker.started(self._name, record, is_owner=is_owner, is_prompt=not plan.hostile)
        if plan.pace is not None and self._is_prompt:  # a plugin that sleeps, or a freeze, lets starts come together
            self._checker.paced(self._name, record, world.now, **plan.pace)
        world.note(f"{self._name} begins {record.partition}@{record.offset} {record.key}")
        is_slow = chance.random() < plan.slow
        return chance.choice([1.0, 8.0] if is_slow else [0.0, 0.001, 0.01, 0.05])

    def end(self, record: Any) -> None:
        """End, well or not.

        :raises Exception: if it fails.
        """
        if self._is_prompt and self._world.now - self._waiting.pop(_place(record), FOREVER) > PROMPTLY:
            self._checker.neglected(self._name, [_place(record)])
        self._running -= 1
        chance, plan = self._world.random, self.plan
        fails = chance.random() < plan.failing
        self._world.note(f"{self._name} {'fails' if fails else 'ends'} {record.partition}@{record.offset}")
        self._checker.ended(self._name, record, is_done=not fails)
        if fails:
            raise ValueError("no luck")
        if plan.hostile and chance.random() < plan.hostile / 10:
            raise SystemExit("on purpose")

    # Handlers that can be cancelled

    def waits(self, record: Any) -> None:
        """Note that the handler waits, and would hear of a cancellation."""
        self._waiting[_place(record)] = FOREVER

    def unwanted(self, partitions: Collection[TopicPartition]) -> None:
        """Note that nobody waits for handlers of *partitions* any more: each must hear of it promptly."""
        for place in self._waiting:
            if place[0] in partitions:
                self._waiting[place] = min(self._waiting[place], self._world.now)

    def cancelled(self, record: Any, manner: str) -> None:
        """Note that it was cancelled, and in which *manner* it answers."""
        self._waiting.pop(_place(record), None)
        self._world.note(f"{self._name} is cancelled at {record.partition}@{record.offset} and {manner}")

    def gave_up(self, record: Any) -> None:
        """End undone, because of a cancellation."""
        self._running -= 1
        self._world.note(f"{self._name} gave up {record.partition}@{record.offset}")
        self._checker.ended(self._name, record, is_done=False)

    def left(self) -> None:
        """Note that run() has returned: nobody waits for any handler."""
        if self._waiting and self._is_prompt:
            self._checker.neglected(self._name, [*self._waiting])

    def freeze(self) -> None:
        """Note that the process stands still for a time: nothing is prompt any more."""
        self._is_prompt = False


def _place(record: Any) -> Place:
    return TopicPartition(record.topic, record.partition), record.offset
