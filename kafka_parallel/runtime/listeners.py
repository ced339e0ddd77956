"""How kafka-python tells us about a rebalance, and how we pass it on to the user's own listener.

Ours acts first: it drains and commits before the partitions leave, and begins the new assignments before the user may
seek in them. Then the user's listener is called on the thread, and in the way, that kafka-python would have called it.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import kafka
from kafka import TopicPartition

KAFKA_PYTHON_3 = int(kafka.__version__.split(".")[0]) >= 3
# How often the 3.x listener looks whether its helper thread is done, in seconds.
TICK = 0.01

Act: TypeAlias = "Callable[[frozenset[TopicPartition]], None]"


def chained_listener(consumer: Any, users: Any, assigned: Act, revoked: Act, lost: Act) -> Any:
    """Return a listener for the installed kafka-python that calls the acts and then the *users* listener."""
    if KAFKA_PYTHON_3:
        return _listener_on_io_thread(consumer, users, assigned, revoked, lost)
    return _listener_in_poll(users, assigned, revoked)


def _listener_in_poll(users: Any, assigned: Act, revoked: Act) -> Any:
    """For 2.x: callbacks run on the loop's thread and may block. There is no "lost": a failed commit says so."""

    class PollListener(kafka.ConsumerRebalanceListener):  # type: ignore[misc]
        """Ours first, then the user's."""

        def on_partitions_revoked(self, partitions: Iterable[TopicPartition]) -> None:
            """Drain and commit before the partitions leave."""
            revoked(frozenset(partitions))
            if users is not None:
                users.on_partitions_revoked(partitions)

        def on_partitions_assigned(self, partitions: Iterable[TopicPartition]) -> None:
            """Begin the new assignments before the user may seek in them."""
            assigned(frozenset(partitions))
            if users is not None:
                users.on_partitions_assigned(partitions)

    return PollListener()


def _listener_on_io_thread(consumer: Any, users: Any, assigned: Act, revoked: Act, lost: Act) -> Any:
    """For 3.x: callbacks run on the I/O thread, which must go on sending heartbeats."""

    async def beside(act: Act, partitions: Iterable[TopicPartition]) -> None:
        errors: list[BaseException] = []

        def run() -> None:
            try:
                act(frozenset(partitions))
            except BaseException as error:  # noqa: BLE001 - raised again by the coroutine
                errors.append(error)

        thread = threading.Thread(target=run, name="kafka-parallel-rebalance", daemon=True)
        thread.start()
        while thread.is_alive():
            await consumer._net.sleep(TICK)  # noqa: SLF001 - the client's only way to wait on its own loop
        if errors:
            raise errors[0]

    async def then_users(name: str, partitions: Iterable[TopicPartition]) -> None:
        method = getattr(users, name, None)
        if inspect.iscoroutinefunction(method):
            await method(partitions)
        elif method is not None:
            method(partitions)

    class IoThreadListener(kafka.ConsumerRebalanceListener):  # type: ignore[misc]
        """Ours first, then the user's."""

        async def on_partitions_revoked(self, partitions: Iterable[TopicPartition]) -> None:
            """Drain and commit before the partitions leave."""
            await beside(revoked, partitions)
            await then_users("on_partitions_revoked", partitions)

        async def on_partitions_assigned(self, partitions: Iterable[TopicPartition]) -> None:
            """Begin the new assignments before the user may seek in them."""
            await beside(assigned, partitions)
            await then_users("on_partitions_assigned", partitions)

        async def on_partitions_lost(self, partitions: Iterable[TopicPartition]) -> None:
            """Forget the partitions; they are somebody else's already."""
            await beside(lost, partitions)
            await then_users("on_partitions_lost", partitions)

    return IoThreadListener()
