"""How an event loop wakes up when a timer is due, and not up to a millisecond later.

``epoll_wait`` takes whole milliseconds, and Python rounds up. So a handler that sleeps for 5 ms takes half a
millisecond longer on average, a tenth, and so does all that waits behind it. But an epoll object can be waited for like
a socket (epoll(7)), and ``select`` takes microseconds (select(2)).
"""

from __future__ import annotations

import asyncio
import select
import selectors
import sys

__all__ = ()

# select() accepts only file descriptors below this number (FD_SETSIZE).
MOST_FILES = 1024

# gevent and eventlet remove it from a process that they patch, and put in their own way of waiting.
HAS_EPOLL = hasattr(selectors, "EpollSelector")

if sys.platform == "linux" and HAS_EPOLL:

    class ExactSelector(selectors.EpollSelector):
        """Waits as long as it is told to; up to a millisecond longer where a process has many files open."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            """Return the files that are ready, after *timeout* seconds at most; ``None`` = wait for one."""
            if timeout is not None and timeout > 0 and self.fileno() < MOST_FILES:
                select.select([self.fileno()], (), (), timeout)
                timeout = 0
            return super().select(timeout)

    # see docs/decisions/0038-exact-timers.md
    def new_event_loop() -> asyncio.AbstractEventLoop:
        """Make an event loop of the usual kind, with exact timers."""
        return asyncio.SelectorEventLoop(ExactSelector())

else:
    new_event_loop = asyncio.new_event_loop
