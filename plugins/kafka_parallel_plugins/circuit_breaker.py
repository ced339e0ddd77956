"""Starts no records while the service that their handler needs seems to be down.

The circuit is *closed* while all is well. It *opens* when too many of the last attempts failed, or at once with an
error of a given class: then nothing is started and all partitions are paused, while polls and commits go on. After a
delay a few *probes* are let through. If they succeed the circuit closes; one failure opens it again for another delay.
(Michael Nygard, Release It!, 2nd edition, 2018, "Circuit Breaker".)

The probes run beside attempts from before that have not ended: a handler that takes an hour keeps no probe waiting.
Only attempts that began after the last change count: a slow one from before says nothing about now. One that misses its
deadline (``handler_timeout_ms``) counts when it does: up to now there was no answer. One that ends after its partition
has left counts nowhere.

An error of the given classes is taken for the outage, not for the record's fault: its record is run again after the
delay, before other plugins are asked. Every other failure is left to them, probes included. Otherwise one bad record as
the probe would keep the circuit open for ever. Nor has a record met an outage that was never handed over, because it
cannot be deserialised.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Generator
from typing import TYPE_CHECKING, Any

from kafka_parallel import HandlerTimeout, Retry, hookimpl
from kafka_parallel.plugin_support import class_name, exception_classes, get_logger, wrong_setting

if TYPE_CHECKING:
    from kafka_parallel import RecordContext, Settings, Throttle

__all__ = ["CircuitBreaker"]

log = get_logger(__name__)


class Circuit:
    """Decides, over attempts and times that it is told, whether records may start. Knows no thread and no clock.

    :param failure_ratio: opens when more than this part of the last *window* attempts failed.
    :param delay: seconds from opening to the first probe.
    :param probes: successes in a row that close it.
    """

    def __init__(self, failure_ratio: float, window: int, delay: float, probes: int) -> None:
        self._most = failure_ratio * window
        self._window = window
        self._delay = delay
        self._probes = probes
        self._recent: deque[bool] = deque(maxlen=window)
        self._failures = self._successes = 0
        self._since = float("-inf")
        self.probe_at: float | None = None

    def saw(self, *, failed: bool, trips: bool, began: float, now: float) -> str | None:
        """Take in how an attempt ended; return ``"open"`` or ``"close"`` if that changes anything.

        :param trips: the error is of a class that opens at once.
        :param began: when the attempt began.
        """
        if began < self._since:
            return None
        if self.probe_at is None:
            self._count(failed=failed)
            is_down = trips or (len(self._recent) == self._window and self._failures > self._most)
            return self._open(now) if is_down else None
        if failed:
            return self._open(now)
        self._successes += 1
        return self._close(now) if self._successes >= self._probes else None

    def _count(self, *, failed: bool) -> None:
        if len(self._recent) == self._window:
            self._failures -= self._recent[0]
        self._recent.append(failed)
        self._failures += failed

    def _open(self, now: float) -> str:
        self.probe_at = self._since = now + self._delay
        self._successes = 0
        return "open"

    def _close(self, now: float) -> str:
        self.probe_at, self._since = None, now
        self._recent.clear()
        self._failures = 0
        return "close"


# see docs/decisions/0022-throttles-are-data.md
class CircuitBreaker:
    """Stops starting records while too many fail, and finds out by probes when to go on.

    Threads: the hooks run on any number of workers; a lock guards the circuit.

    :param failure_ratio: the circuit opens when more than this part of the last ``window`` attempts failed; 0 to
        below 1.
    :param window: how many attempts are looked at; nothing is judged before there were so many.
    :param open_on: exception classes that open it at once, and whose records are run again after the delay.
    :param probe_after_ms: milliseconds from opening to the first probe.
    :param probes: how many records are let through at once then, and how many must succeed.
    :raises ConfigurationError: a setting cannot work.
    """

    serves_one_run = True

    def __init__(
        self,
        *,
        failure_ratio: float = 0.5,
        window: int = 50,
        open_on: Collection[type[Exception]] = (),
        probe_after_ms: float = 5_000,
        probes: int = 1,
    ) -> None:
        _check(failure_ratio, probe_after_ms, window=window, probes=probes)
        self._open_on = exception_classes("circuit-breaker", "open_on", open_on)
        self._circuit = Circuit(failure_ratio, window, probe_after_ms / 1000, probes)
        self._delay_ms, self._probes = probe_after_ms, probes
        self._lock = threading.Lock()
        self._running: dict[tuple[object, ...], float] = {}  # attempts, each with the time it began
        self._throttle: Throttle
        self._clock: Callable[[], float]

    @hookimpl
    def on_throttle(self, throttle: Throttle, settings: Settings) -> None:
        """Keep the throttle, by which the circuit opens and closes, and the monotonic clock of the run."""
        self._throttle = throttle
        self._clock = settings.clock

    @hookimpl(wrapper=True)
    def on_record(self, context: RecordContext) -> Generator[None, Any, Any]:
        """Count how the attempt ends; its result or error goes on unchanged.

        An attempt that was cancelled, or whose partition has left, says nothing about the service and is not counted.
        """
        attempt, began = _attempt(context), self._clock()
        with self._lock:
            self._running[attempt] = began
        try:
            result = yield
        except Exception as error:
            if self._ends(attempt) and context.counts:
                self._saw(error, began)
            raise
        except BaseException:  # cancelled: that says nothing about the service it waited for
            self._ends(attempt)
            raise
        if self._ends(attempt) and context.counts:
            self._saw(None, began)
        return result

    def _ends(self, attempt: tuple[object, ...]) -> bool:
        """Note the end of *attempt*; false if it had been taken for ended at its deadline."""
        with self._lock:
            began = self._running.pop(attempt, None)
            probe_at = self._circuit.probe_at
        if began is not None and probe_at is not None and began < probe_at:
            self._follow()  # there is one attempt less beside which the probes run
        return began is not None

    @hookimpl(tryfirst=True)
    def on_error(self, error: BaseException, context: RecordContext) -> Retry | None:
        """Put off a record that met the outage; leave every other one to the other plugins."""
        if isinstance(error, HandlerTimeout):  # its handler may still run, so `on_record` has not seen its end
            self._ends(_attempt(context))
            self._saw(error, self._clock())
        if context.stage != "handle" or not isinstance(error, self._open_on):
            return None
        with self._lock:
            probe_at = self._circuit.probe_at
        left = self._delay_ms if probe_at is None else (probe_at - self._clock()) * 1000
        return Retry(max(0.0, left))

    def _saw(self, error: BaseException | None, began: float) -> None:
        trips = isinstance(error, self._open_on)
        with self._lock:
            change = self._circuit.saw(failed=error is not None, trips=trips, began=began, now=self._clock())
        if change is not None:
            self._follow()
        if change == "open":
            log.warning("too many records fail, the last one with %s: none is started for %g ms, then %d as a trial",
                        class_name(error), self._delay_ms, self._probes)  # fmt: skip
        elif change == "close":
            log.warning("records succeed again: all are started")

    def _follow(self) -> None:
        """Set the throttle as the circuit is, again if it changed meanwhile: the last one to set it has looked."""
        state = self._state()
        while True:
            self._set(*state)
            if (found := self._state()) == state:
                return
            state = found

    def _state(self) -> tuple[float | None, int]:
        """When the probes begin, ``None`` while the circuit is closed; and how many attempts run that began before."""
        with self._lock:
            probe_at = self._circuit.probe_at
            return probe_at, sum(began < probe_at for began in self._running.values()) if probe_at is not None else 0

    def _set(self, probe_at: float | None, older: int) -> None:
        """Let as many probes run beside the *older* attempts as there are to be; none before it is time."""
        if probe_at is None:
            self._throttle.limit(None)
            return
        left = probe_at - self._clock()
        if left > 0:
            self._throttle.limit(0)
        self._throttle.limit(self._probes + older, delay_ms=max(0.0, left) * 1000)


def _check(failure_ratio: float, probe_after_ms: float, **counts: object) -> None:
    if not _is_number(failure_ratio) or not 0 <= failure_ratio < 1:
        raise wrong_setting("circuit-breaker", "failure_ratio", failure_ratio, "from 0 to below 1")
    if not _is_number(probe_after_ms) or not 0 < probe_after_ms < float("inf"):
        raise wrong_setting("circuit-breaker", "probe_after_ms", probe_after_ms, "above 0 milliseconds, finite")
    for name, count in counts.items():
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise wrong_setting("circuit-breaker", name, count, "an integer of at least 1")


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _attempt(context: RecordContext) -> tuple[object, ...]:
    raw = context.raw
    return raw.topic, raw.partition, raw.offset, context.assignment_id, context.attempt
