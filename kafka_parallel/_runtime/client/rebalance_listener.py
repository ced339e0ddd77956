"""How kafka-python tells us about a rebalance, and how we pass it on to the user's own listener.

Ours acts first: it drains and commits before the partitions leave, and begins the new assignments before the user may
seek in them. Then the user's listener is called on the thread, and in the way, that kafka-python would have called it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from itertools import chain, repeat
from typing import Any, TypeAlias

import kafka
from kafka import TopicPartition

from kafka_parallel._runtime.clock import Thread

KAFKA_PYTHON_3 = int(kafka.__version__.split(".")[0]) >= 3
# The interval at which the 3.x listener checks whether its helper thread is done, in seconds. Most are done within one
# or two round trips to a broker, and all of the consumer waits for that: so the first checks follow quickly.
TICK, FIRST_TICK, FIRST_TICKS = 0.01, 0.001, 50

Act: TypeAlias = "Callable[[frozenset[TopicPartition]], None]"
StartThread: TypeAlias = "Callable[[Callable[[], None], str], Thread]"


def chained_listener(
    consumer: Any, users: Any, start_thread: StartThread, assigned: Act, revoked: Act, lost: Act
) -> Any:
    """Return a listener that calls the acts and then the *users* listener, on the thread this consumer calls it on."""
    if hasattr(consumer, "_net"):  # 3.x has an I/O thread
        acts = {"assigned": assigned, "revoked": revoked, "lost": lost}
        return IoThreadListener(consumer, users, start_thread, acts)
    return PollListener(users, assigned, revoked)


# see docs/decisions/0013-callbacks-inside-poll.md
class PollListener(kafka.ConsumerRebalanceListener):  # type: ignore[misc]
    """For 2.x: callbacks run on the loop's thread and may block. There is no "lost": a failed commit says so."""

    def __init__(self, users: Any, assigned: Act, revoked: Act) -> None:
        self._users = users
        self._assigned = assigned
        self._revoked = revoked

    def on_partitions_revoked(self, partitions: Iterable[TopicPartition]) -> None:
        """Drain and commit before the partitions leave."""
        self._revoked(frozenset(partitions))
        if self._users is not None:
            self._users.on_partitions_revoked(partitions)

    def on_partitions_assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """Begin the new assignments before the user may seek in them."""
        self._assigned(frozenset(partitions))
        if self._users is not None:
            self._users.on_partitions_assigned(partitions)


# see docs/decisions/0014-coroutine-listener.md
class IoThreadListener(kafka.ConsumerRebalanceListener):  # type: ignore[misc]
    """For 3.x: callbacks run on the I/O thread, which must go on sending heartbeats, so they are coroutines."""

    def __init__(self, consumer: Any, users: Any, start_thread: StartThread, acts: Mapping[str, Act]) -> None:
        self._consumer = consumer
        self._users = users
        self._start_thread = start_thread
        self._acts = acts

    async def on_partitions_revoked(self, partitions: Iterable[TopicPartition]) -> None:
        """Drain and commit before the partitions leave."""
        await self._answer("revoked", partitions)

    async def on_partitions_assigned(self, partitions: Iterable[TopicPartition]) -> None:
        """Begin the new assignments before the user may seek in them."""
        await self._answer("assigned", partitions)

    async def on_partitions_lost(self, partitions: Iterable[TopicPartition]) -> None:
        """Forget the partitions; they are another member's already."""
        await self._answer("lost", partitions)

    async def _answer(self, what: str, partitions: Iterable[TopicPartition]) -> None:
        await self._beside(self._acts[what], frozenset(partitions))
        users = getattr(self._users, f"on_partitions_{what}", None)
        if inspect.iscoroutinefunction(users):
            await users(partitions)
        elif users is not None:
            users(partitions)

    async def _beside(self, act: Act, partitions: frozenset[TopicPartition]) -> None:
        """Run *act* on a thread of its own, and wait without stopping the client's loop."""
        errors: list[BaseException] = []

        def run() -> None:
            try:
                act(partitions)
            except BaseException as error:  # noqa: BLE001 - raised again by the coroutine
                errors.append(error)

        thread = self._start_thread(run, "kafka-parallel-rebalance")
        ticks = chain(repeat(FIRST_TICK, FIRST_TICKS), repeat(TICK))
        while thread.is_alive():
            await self._consumer._net.sleep(next(ticks))  # noqa: SLF001 - the only way to wait on the client's own loop
        if errors:
            raise errors[0]
