"""Tells whether a consumer was built in another process, and reached this one by a fork.

A forked child has neither the threads of its parent nor connections of its own: with 3.x everything hangs, with 2.x the
child reads from the parent's sockets and leaves the group in its name.
"""

from __future__ import annotations

import os
import time
from typing import Any

from kafka_parallel.errors import ConfigurationError, StateError

_forked_at: list[float] = []
os.register_at_fork(after_in_child=lambda: _forked_at.append(time.time()))


class ParentsConsumer:
    """In the place of a consumer's methods in a forked child, where it is not to be used."""

    def __getattr__(self, name: str) -> Any:
        raise StateError(
            f"{name}() of a KafkaConsumer whose run was forked: its connections are the parent's ({os.getppid()}, this "
            f"is {os.getpid()}); build a KafkaConsumer in the child"
        )


def require_own_process(consumer: Any, built_in: int) -> None:
    """Refuse a consumer of another process.

    :param built_in: the process id where it was wrapped.
    :raises ConfigurationError: it was built in another process, as far as can be seen.
    """
    if built_in != os.getpid():
        raise ConfigurationError(
            f"this ParallelConsumer was built in another process ({built_in}, this is {os.getpid()}): a forked child "
            "cannot use its parent's connections; build the KafkaConsumer and the ParallelConsumer in the process that "
            "calls run()"
        )
    if _lost_its_thread(consumer) or _is_older_than_the_fork(consumer):
        raise ConfigurationError(
            f"this KafkaConsumer was built in another process (this is {os.getpid()}): a forked child cannot use its "
            "parent's connections; build the KafkaConsumer in the process that calls run()"
        )


def _lost_its_thread(consumer: Any) -> bool:
    """Tell whether the I/O thread of 3.x, which runs from construction to close(), is not there."""
    thread = getattr(getattr(consumer, "_net", None), "_io_thread", None)
    return thread is not None and not thread.is_alive()


def _is_older_than_the_fork(consumer: Any) -> bool:
    """Tell whether 2.x, which reads the wall clock, was built (or joined its group) before this process was."""
    if not _forked_at or hasattr(consumer, "_net"):
        return False
    heartbeat = getattr(getattr(consumer, "_coordinator", None), "heartbeat", None)
    return 0 < getattr(heartbeat, "last_reset", 0) < _forked_at[-1]
