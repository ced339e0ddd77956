"""The number of records that should be in flight when the capacity of the service behind the handler is unknown.

Up to its capacity a service answers as fast as for one caller; above it, callers only wait for each other. By Little's
law (records in flight = throughput x latency) the capacity is ``limit x latency without load / latency now``:
everything above it queues. So the limit follows this gradient, plus a little that finds out whether more fits by now:

    limit <- (1 - smoothing) x limit + smoothing x (limit x gradient + sqrt(limit))

Sources: Netflix' concurrency-limits (``GradientLimit`` and ``Gradient2Limit``: gradient, square root as headroom,
tolerance, smoothing), which stands on TCP Vegas (Brakmo and Peterson, IEEE JSAC 13(8), 1995). The latency without load
cannot be seen under load, so it is measured anew now and then with half of the limit, as BBR does (Cardwell et al.,
BBR: Congestion-Based Congestion Control, ACM Queue 14(5), 2016). At the beginning, and whenever it was at its minimum,
the limit doubles until latency answers (slow start).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

from kafka_parallel import hookimpl
from kafka_parallel.plugin_support import get_logger, wrong_setting

if TYPE_CHECKING:
    from kafka_parallel import RecordContext, Settings, Throttle

__all__ = ["AdaptiveConcurrency"]

log = get_logger(__name__)

# A window ends after so many records, or as many as may be in flight if that is more, and not before so many seconds.
LEAST_RECORDS, LEAST_SECONDS = 10, 0.1
# The number of windows from one look at the latency without load to the next.
LOOK_EVERY = 30
# Latency may be so many times the one without load before the limit falls: means of few records vary.
TOLERANCE = 1.25
SMOOTHING = 0.5
# Handlers below this time, in seconds, are taken several at once: how many of them run says nothing about the limit.
TAKEN_ONE_BY_ONE = 0.001


class Gradient:
    """Decides, over handlers' beginnings and ends that it is told, how many records to let be in flight.

    It knows no thread and no clock. Records count in the window in which they began; after the limit has fallen, a
    window begins when so many have ended that no more can run than the limit says. Calls must not overlap.

    :param least: the smallest limit.
    :param most: the largest one.
    :ivar usual: seconds that a record takes without load; ``None`` before that is known.
    :ivar latest: seconds that a record took in the last window.
    """

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most
        self._target = float(least)
        self._is_starting = True
        self._looks = False
        self._windows = 0
        self._running = 0
        self._surplus = 0  # how many have to end before the next window begins
        self._begin_window(float("-inf"))
        self.usual: float | None = None
        self.latest = 0.0

    def _begin_window(self, now: float) -> None:
        self._since, self._count, self._seconds, self._peak = now, 0, 0.0, self._running

    @property
    def limit(self) -> int:
        """The number of records that may be in flight now: about half of `target` while it measures at half load."""
        return max(self._least, ceil(self._target / 2)) if self._looks else self.target

    @property
    def target(self) -> int:
        """The number of records that may be in flight except while it measures at half load."""
        return round(self._target)

    def began(self) -> None:
        """Note that a handler begins; each call needs one of `ended`."""
        self._running += 1
        self._peak = max(self._peak, self._running)

    def ended(self, began: float, now: float, *, failed: bool, counts: bool = True) -> bool:
        """Note that a handler ended; tell whether the limit has changed.

        A failed one counts only if it took longer than usual: a quick refusal says nothing about how much fits.

        :param counts: false if its partition has left: it may have been cut short, or kept from ending.
        """
        self._running -= 1
        if self._surplus > 0:
            self._surplus -= 1
            self._begin_window(now)
            return False
        seconds = now - began
        if counts and began >= self._since and not (failed and (self.usual is None or seconds <= self.usual)):
            self._count += 1
            self._seconds += seconds
        enough = max(LEAST_RECORDS, self.limit)
        return self._count >= enough and now - self._since >= LEAST_SECONDS and self._end_window(now)

    def _end_window(self, now: float) -> bool:
        before = self.limit
        self.latest = self._seconds / self._count
        if self.usual is None or self._looks:
            self.usual = self.latest
        self.usual = min(self.usual, (self.usual + self.latest) / 2)
        if not self._looks:
            self._follow(self.usual)
        self._windows += 1
        self._looks = self._windows % LOOK_EVERY == 0
        self._surplus = self._running - self.limit
        self._begin_window(now)
        return self.limit != before

    def _follow(self, usual: float) -> None:
        gradient = max(0.5, min(1.0, TOLERANCE * usual / self.latest)) if self.latest else 1.0
        self._is_starting = gradient == 1 and (self._is_starting or self._target <= self._least)
        if gradient == 1 and self._peak < self.limit / 2 and self.latest >= TAKEN_ONE_BY_ONE:
            return  # so few came that nothing is known about more
        wanted = self._target * gradient + sqrt(self._target)
        follows = 2 * self._target if self._is_starting else (1 - SMOOTHING) * self._target + SMOOTHING * wanted
        self._target = max(self._least, min(self._most, follows))


# see docs/decisions/0033-measure-at-half-load.md
class AdaptiveConcurrency:
    """Lets as many records be in flight as the measured times of the handler say.

    Threads: the hooks run on any number of workers, or on the event loop; a lock guards the numbers.

    :param min_in_flight: the smallest limit, and the first one; at least 1.
    :param max_in_flight: the largest limit; ``None`` = ``workers``.
    :raises ConfigurationError: a setting cannot work.
    """

    serves_one_run = True

    def __init__(self, *, min_in_flight: int = 1, max_in_flight: int | None = None) -> None:
        for name, bound in (("min_in_flight", min_in_flight), ("max_in_flight", max_in_flight)):
            is_default = bound is None and name == "max_in_flight"
            if not is_default and (isinstance(bound, bool) or not isinstance(bound, int) or bound < 1):
                raise wrong_setting("adaptive-concurrency", name, bound, "an integer of at least 1")
        if max_in_flight is not None and max_in_flight < min_in_flight:
            raise wrong_setting(
                "adaptive-concurrency", "max_in_flight", max_in_flight, f"at least min_in_flight={min_in_flight}"
            )
        self._least, self._most = min_in_flight, max_in_flight
        self._lock = threading.Lock()
        self._throttle: Throttle
        self._clock: Callable[[], float]
        self._gradient: Gradient
        self._told = 0

    @hookimpl
    def on_throttle(self, throttle: Throttle, settings: Settings) -> None:
        """Take the throttle and the clock, and begin with the smallest limit.

        :raises ConfigurationError: ``min_in_flight`` is more than the consumer has workers.
        """
        most = settings.workers if self._most is None else self._most
        if most < self._least:
            raise wrong_setting(
                "adaptive-concurrency",
                "min_in_flight",
                self._least,
                f"at most workers={settings.workers}, or set max_in_flight",
            )
        self._throttle, self._clock = throttle, settings.clock
        self._gradient = Gradient(self._least, most)
        self._told = self._gradient.target
        throttle.limit(self._told)

    @hookimpl(wrapper=True)
    def on_record(self, context: RecordContext) -> Generator[None, Any, Any]:
        """Measure how long the handler takes, and how many of them run; set the throttle if the limit has changed.

        An attempt that does not count, because its partition has left, changes the number of running handlers only.
        """
        with self._lock:
            began = self._clock()
            self._gradient.began()
        failed = True
        try:
            result = yield
            failed = False
        finally:
            with self._lock:
                has_changed = self._gradient.ended(began, self._clock(), failed=failed, counts=context.counts)
            if has_changed:
                self._follow()
        return result

    def _follow(self) -> None:
        """Set the throttle as the numbers say, again if they changed meanwhile: the last one to set it has looked."""
        set_to = 0
        while True:
            with self._lock:
                limit, target, told = self._gradient.limit, self._gradient.target, self._told
                usual, latest = self._gradient.usual, self._gradient.latest
                is_much = target >= 2 * told or 2 * target <= told
                self._told = target if is_much else told
            if is_much:
                log.info("at most %d records are in flight now, %d before: one takes %.3g ms, and %.3g ms without load",
                         target, told, latest * 1000, (usual or latest) * 1000)  # fmt: skip
            if limit == set_to:
                return
            self._throttle.limit(limit)
            set_to = limit
