"""A plugin's throttle: checks its arguments, and hands them to the scheduler.

The bounds on all records are in ``in_flight_limits.py`` and ``rate_limits.py`` of the core, that on some topics
in ``group_limits.py``. The way to add another bound on some records is in ``_core/start_limit.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from kafka_parallel._core.in_flight_limits import UNBOUNDED
from kafka_parallel._core.rate_limits import TokenBuckets
from kafka_parallel._showing import shown
from kafka_parallel.errors import ConfigurationError

if TYPE_CHECKING:
    from kafka_parallel._core.in_flight_limits import Throttles

# The rates that a clock in float seconds can tell apart: from one record in a lifetime to one per nanosecond.
SLOWEST, FASTEST = 1e-9, 1e9


# see docs/decisions/0022-throttles-are-data.md
class PluginThrottle:
    """See `kafka_parallel.throttle.Throttle`; *change* makes a change under the scheduler's lock."""

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

    def limit_rate(self, records_per_second: float | None, *, burst: int = 1) -> None:
        """Bound how fast records start."""
        rate = _rate(records_per_second, burst)
        self._change(lambda throttles, now: throttles.rates.set_overall(self._name, rate, now))

    def limit_rate_per_key(self, records_per_second: float | None, *, burst: int = 1) -> None:
        """Bound how fast the records of each ordering key start."""
        rate = _rate(records_per_second, burst)
        self._change(lambda throttles, now: throttles.rates.set_by_lane(self._name, rate, now))

    def limit_topics(self, in_flight: int | None, topics: Collection[str]) -> None:
        """Bound how many records of *topics* are in flight."""
        found = frozenset(topics)
        self._limit_group(in_flight, f"of {', '.join(sorted(found))}", lambda partition: partition.topic in found)

    def limit_other_topics(self, in_flight: int | None, topics: Collection[str]) -> None:
        """Bound how many records of all but *topics* are in flight."""
        found = frozenset(topics)
        self._limit_group(
            in_flight, f"of all topics but {', '.join(sorted(found))}", lambda partition: partition.topic not in found
        )

    def _limit_group(self, in_flight: int | None, of: str, covers: Callable[[Any], bool]) -> None:
        bound, name = _bound("in_flight", in_flight, least=1), f"the bound by plugin {self._name} on records {of}"
        self._change(lambda throttles, _: throttles.limit_group(name, bound, covers))


def _bound(name: str, value: int | None, least: int) -> float:
    if value is None:
        return UNBOUNDED
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigurationError(f"{name}={shown(value)}: must be an integer of at least {least}, or None for no bound")
    return value


def _rate(per_second: float | None, burst: int) -> TokenBuckets | None:
    if isinstance(burst, bool) or not isinstance(burst, int) or burst < 1:
        raise ConfigurationError(f"burst={shown(burst)}: must be an integer of at least 1")
    if per_second is None:
        return None
    if isinstance(per_second, bool) or not isinstance(per_second, (int, float)) or not SLOWEST <= per_second <= FASTEST:
        raise ConfigurationError(
            f"records_per_second={shown(per_second)}: must be a number from {SLOWEST:g} to {FASTEST:g}, "
            "or None for no bound"
        )
    return TokenBuckets(per_second, burst)
