"""The state of a message: done, or an attempt works on it. Redis holds it, under one key for each message.

The value is ``done``, or the owner of a lease: one attempt of one process. A lease ends by itself, so a process that
was killed holds up its records for no longer. Each change looks at the value first, in one script.

Durations are given to Redis, never times, so the clocks of the members do not matter; that of Redis does. If it is set
back, a lease seems to last for hours. So an owner that has been seen for as long as a lease may last, by the clock of
this process, loses it.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable
from typing import Any

from kafka_parallel import KafkaParallelError

__all__ = ()

DONE, CLAIMED = 0, 1

# KEYS: the message. ARGV: the owner to be, milliseconds, and an owner whose lease has lasted too long, or "".
CLAIM = """
local found = redis.call('GET', KEYS[1])
if found == 'done' then return {0, 0, ''} end
if found == false or found == ARGV[3] then
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
    return {1, 0, ''}
end
return {2, redis.call('PTTL', KEYS[1]), found}
"""
# KEYS: the message. ARGV: the owner.
RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""


class LeaseHeld(KafkaParallelError):  # noqa: N818 - named after what happened
    """Another attempt works on the record: it is tried again when the lease of that one ends.

    :ivar delay_ms: milliseconds until then.
    """

    def __init__(self, owner: str, delay_ms: float) -> None:
        super().__init__(f"attempt {owner} works on it, or was killed at it: its lease ends in {delay_ms:.0f} ms")
        self.delay_ms = delay_ms


class Leases:
    """Claims, releases and finishes messages. Any thread may call it.

    :param client: of Redis.
    :param lease_ms: milliseconds that a lease lasts.
    :param ttl_ms: milliseconds for which a message is known to be done.
    :param clock: monotonic, in seconds.
    """

    def __init__(self, client: Any, lease_ms: int, ttl_ms: int, clock: Callable[[], float]) -> None:
        self._client = client
        self._lease_ms, self._ttl_ms = lease_ms, ttl_ms
        self._clock = clock
        self._claim, self._release = client.register_script(CLAIM), client.register_script(RELEASE)
        self._process = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
        self._seen: dict[str, tuple[str, float]] = {}  # by message: an owner, and since when

    def claim(self, message: str) -> str | None:
        """Take a lease on *message*; return its owner, or ``None`` if the message is done.

        :raises LeaseHeld: another owner has it.
        """
        owner = f"{self._process}-{secrets.token_hex(4)}"
        seen, since = self._seen.get(message, ("", 0.0))
        expired = seen if seen and (self._clock() - since) * 1000 >= self._lease_ms else ""
        state, left_ms, holder = self._claim(keys=[message], args=[owner, self._lease_ms, expired])
        if state in (DONE, CLAIMED):
            self._seen.pop(message, None)
            return owner if state == CLAIMED else None
        name = holder.decode() if isinstance(holder, bytes) else str(holder)
        if name != seen:
            self._seen[message] = name, self._clock()
        is_sound = 0 <= left_ms <= self._lease_ms  # -1: it has no end; more: the clock of Redis was set back
        raise LeaseHeld(name, left_ms if is_sound else self._lease_ms)

    def mark_done(self, message: str) -> None:
        """Note that *message* is done, for the time to live, also if another owner has a lease on it by now."""
        self._client.set(message, "done", px=self._ttl_ms)

    def give_back(self, message: str, owner: str) -> None:
        """End the lease of *owner* on *message*, if it has it still: the message may be claimed at once."""
        self._release(keys=[message], args=[owner])

    def forget_owners(self) -> None:
        """Forget which owners were seen: their records may be gone."""
        self._seen.clear()
