"""How buffered records are finished once ``poll()`` has failed for good.

A poll loop handles the records of a poll before it sees the error of the next one. So do we: all records that were
taken are handled and committed before run() ends with the error. So do we: everything that was taken is handled and
committed before run() ends with the error. ``poll()`` is not called again, because after an error of a deserialiser it
never returns. The member stays in its group by its heartbeats meanwhile, up to ``max_poll_interval_ms``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kafka_parallel._runtime.clock import Clock
    from kafka_parallel._runtime.loop.locked_scheduler import LockedScheduler
    from kafka_parallel._runtime.loop.stuck_handlers import StuckHandlers

# The part of max_poll_interval_ms that it may take: the stop that follows needs time as well.
SHARE = 0.5
# The wait between two looks, in seconds.
LOOK = 0.05


# see docs/decisions/0062-finish-after-a-fatal-poll.md
def finish_buffered(
    scheduler: LockedScheduler[Any], stuck_handlers: StuckHandlers, clock: Clock, longest: float, must_leave:
    Callable[[], bool], commit_if_due: Callable[[], None],
) -> None:  # fmt: skip
    """Wait until everything that was taken is finished, up to *longest* seconds; commit meanwhile.

    :param must_leave: tells whether there is another reason to leave now.
    """

    def meanwhile() -> None:
        stuck_handlers.check()
        commit_if_due()

    wait_drained(scheduler, clock, None, clock.monotonic() + longest, LOOK, must_leave, meanwhile)


def wait_drained(
    scheduler: LockedScheduler[Any], clock: Clock, partitions: Collection[Any] | None, deadline: float, slice_s: float,
    is_given_up: Callable[[], bool], meanwhile: Callable[[], object],
) -> None:  # fmt: skip
    """Wait until nothing of *partitions* (all without it) can still finish, at the latest until *deadline*.

    :param slice_s: seconds between two calls of *meanwhile*.
    :param is_given_up: tells whether there is a reason to wait no longer.
    """
    while not is_given_up() and (left := deadline - clock.monotonic()) > 0:
        if scheduler.wait_until(lambda scheduler: scheduler.is_drained(partitions), min(slice_s, left)):
            return
        meanwhile()


def time_of_attempt(clock: Clock, deadline: float, patience: float) -> float:
    """The seconds that an attempt at the last commit gets until *deadline*; the last one a tenth of the *patience*."""
    return max(patience / 10, deadline - clock.monotonic())
