"""How long a broker may wait for records before it answers a fetch, while partitions are paused and resumed.

kafka-python has one fetch at a time on its way to a node, without the partitions that are paused or whose records it
still holds. If the others have nothing, the broker keeps that fetch for ``fetch_max_wait_ms`` (500), and a partition
that is resumed meanwhile is not fetched before: its records come half a second late, many at once, which makes it pause
again. So the broker may wait only for a share of the time since something was paused or resumed. Partitions that are
paused for long are slow or stuck, and soon the user's value counts again.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kafka_parallel._runtime.client.changes import Changes

NAME = "fetch_max_wait_ms"
# The share of the time that nothing has changed, and the shortest wait, in milliseconds: an answer costs about one.
SHARE = 1 / 8
SHORTEST_MS = 10


# see docs/decisions/0106-short-fetches-under-pressure.md
class FetchWaits:
    """The waits of one fetcher, used by the thread that polls.

    :param monotonic: the time in seconds.
    """

    def __init__(self, fetcher: Any, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._config = getattr(fetcher, "config", None)
        self._monotonic = monotonic
        self._users: int | None = None
        self._changed_at = float("-inf")

    def put(self, changes: Changes) -> None:
        """Choose the waits of this fetcher until *changes* are undone; one without the setting is left as it is."""
        if isinstance(self._config, dict) and isinstance(self._config.get(NAME), int):
            self._users = self._config[NAME]
            changes.put(self._config, NAME, value=self._users)

    def pauses_changed(self) -> None:
        """Note that partitions were paused or resumed just now."""
        self._changed_at = self._monotonic()

    def choose(self) -> None:
        """Choose the wait of the fetches that the next poll sends."""
        if self._users is not None and isinstance(self._config, dict):
            unchanged = self._monotonic() - self._changed_at
            self._config[NAME] = int(min(self._users, max(SHORTEST_MS, unchanged * 1000 * SHARE)))
