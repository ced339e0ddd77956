"""How many records an executor should take at once.

One at a time would cost a lock and a switch per record (15 to 19 us), many at a time would let a record wait for
others; so the size of the next chunk follows the handler's measured time.

The median counts, not the mean: a handler that mostly takes 10 us and sometimes half a second should get large chunks
(idle workers steal the units that a stuck one has not begun), one that mostly takes 5 ms should get one at a time.
"""

from __future__ import annotations

import threading
from collections import deque

__all__ = ()

# The work that one chunk should hold, in seconds: a handler of 1 ms or more gets one record at a time.
CHUNK_SECONDS = 0.001
LARGEST_CHUNK = 256
# The number of handler times that the median looks back on, and the number after which it is computed anew.
WINDOW = 33
REFRESH = 8


# see docs/decisions/0002-workers-pull-chunks.md
class ChunkSizer:
    """How many tasks to take at once. Any thread may call `saw`, which takes a lock: once per chunk that is little.

    :param seconds: how much work one chunk should hold.
    :ivar limit: how many; read without the lock.
    """

    def __init__(self, seconds: float = CHUNK_SECONDS) -> None:
        self.limit = 1
        self._seconds = seconds
        self._times: deque[float] = deque([seconds] * 3, maxlen=WINDOW)
        self._seen = 0
        self._lock = threading.Lock()

    def saw(self, seconds: float, count: int) -> None:
        """Learn that *count* tasks took *seconds* each, and set `limit` anew now and then. Any thread may call it."""
        with self._lock:
            self._saw(seconds, count)

    def _saw(self, seconds: float, count: int) -> None:
        if count == 1:
            self._times.append(seconds)
        else:
            self._times.extend([seconds] * min(count, 3))
        self._seen += 1
        if self._seen % REFRESH == 0 or (self.limit == 1 and seconds < self._seconds):
            times = sorted(self._times)
            typical = times[(len(times) - 1) // 2]  # the module statistics would load fractions and decimal: 0.5 MB
            self.limit = LARGEST_CHUNK if typical <= 0 else min(LARGEST_CHUNK, max(1, int(self._seconds / typical)))
