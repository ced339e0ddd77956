"""What a plugin holds in its hands as its throttle: checks what it says, and hands it to the scheduler."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kafka_parallel._core.in_flight_limits import UNBOUNDED
from kafka_parallel._core.rate_limits import Buckets
from kafka_parallel._showing import shown
from kafka_parallel.errors import ConfigurationError

if TYPE_CHECKING:
    from kafka_parallel._core.in_flight_limits import Throttles

# What a clock in float seconds can pace: from one record in a lifetime to one per nanosecond.
SLOWEST, FASTEST = 1e-9, 1e9


# see docs/decisions/0022-throttles-are-data.md
class QueueThrottle:
    """See `kafka_parallel.throttle.Throttle`; *change* makes a change under the queue's lock."""

    def __init__(self, name: str, change: Callable[[Callable[[Throttles, float], None]], None]) -> None:
        self._name = name
        self._change = change

    def limit(self, in_flight: int | None, *, delay_ms: float = 0) -> None:
        """Bound how many records are in flight."""
        bound = _bound("in_flight", in_flight, least=0)
        is_number = isinstance(delay_ms, (int, float)) and not isinstance(delay_ms, bool)
        if not is_number or not 0 <= delay_ms < float("inf"):
            raise ConfigurationError(f"delay_ms={shown(delay_ms)}: must be a finite number of milliseconds, 0 or more")
        self._change(lambda throttles, now: throttles.limit(
            self._name, bound, now + delay_ms / 1000 if delay_ms else None
        ))  # fmt: skip

    def limit_retries(self, in_flight: int | None) -> None:
        """Bound how many retries are in flight."""
        bound = _bound("in_flight", in_flight, least=1)
        self._change(lambda throttles, _: throttles.limit_retries(self._name, bound))

    def pace(self, records_per_second: float | None, *, burst: int = 1) -> None:
        """Bound how fast records start."""
        pace = _pace(records_per_second, burst)
        self._change(lambda throttles, now: throttles.pace.set_overall(self._name, pace, now))

    def pace_keys(self, records_per_second: float | None, *, burst: int = 1) -> None:
        """Bound how fast the records of each ordering key start."""
        pace = _pace(records_per_second, burst)
        self._change(lambda throttles, now: throttles.pace.set_by_lane(self._name, pace, now))


def _bound(name: str, value: int | None, least: int) -> float:
    if value is None:
        return UNBOUNDED
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"{name}={shown(value)}: must be an integer of at least {least}, or None for no bound")
    return value


def _pace(rate: float | None, burst: int) -> Buckets | None:
    if isinstance(burst, bool) or not isinstance(burst, int) or burst < 1:
        raise ConfigurationError(f"burst={shown(burst)}: must be an integer of at least 1")
    if rate is None:
        return None
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not SLOWEST <= rate <= FASTEST:
        raise ConfigurationError(
            f"records_per_second={shown(rate)}: must be a number from {SLOWEST:g} to {FASTEST:g}, or None for no bound"
        )
    return Buckets(rate, burst)
