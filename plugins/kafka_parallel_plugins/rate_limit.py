"""How fast records may start: overall, and of each ordering key.

The plugin only says the numbers, once. The waiting is done by the consumer's scheduler: a record that waits occupies no
worker, and other keys go on. The bound is on starts, retries included; back-pressure bounds the records that are
fetched meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafka_parallel import ConfigurationError, hookimpl
from kafka_parallel.plugin_support import wrong_setting

if TYPE_CHECKING:
    from kafka_parallel import Settings, Throttle

__all__ = ["RateLimit"]

# The records that may start at once by default: a tenth of a second's worth, or a worker that wakes late loses its
# turn.
USUAL_BURST = 0.1


# see docs/decisions/0032-rate-is-data.md
class RateLimit:
    """Lets records start at a limited rate.

    :param records_per_second: of all records together; ``None`` = no limit.
    :param per_key_per_second: of the records of each ordering key of each partition; ``None`` = no limit. Records
        without an ordering key are not limited by it.
    :param burst: how many records may start at once after a quiet time, of all and of each key; ``None`` = the rate's
        share of a tenth of a second, at least 1.
    :raises ConfigurationError: a setting cannot work.
    """

    serves_one_run = True

    def __init__(
        self,
        *,
        records_per_second: float | None = None,
        per_key_per_second: float | None = None,
        burst: int | None = None,
    ) -> None:
        if records_per_second is None and per_key_per_second is None:
            raise ConfigurationError("plugin rate-limit has no limit: set records_per_second or per_key_per_second")
        for name, rate in (("records_per_second", records_per_second), ("per_key_per_second", per_key_per_second)):
            if rate is not None and not _is_rate(rate):
                raise wrong_setting("rate-limit", name, rate, "a number from 1e-9 to 1e9")
        if burst is not None and (isinstance(burst, bool) or not isinstance(burst, int) or burst < 1):
            raise wrong_setting("rate-limit", "burst", burst, "an integer of at least 1, or None")
        self._overall, self._per_key, self._burst = records_per_second, per_key_per_second, burst

    @hookimpl
    def on_throttle(self, throttle: Throttle, settings: Settings) -> None:
        """Say how fast.

        :raises ConfigurationError: there is a limit per key, and no record has an ordering key.
        """
        if self._per_key is not None and not settings.is_ordered:
            raise wrong_setting(
                "rate-limit",
                "per_key_per_second",
                self._per_key,
                "left out with ordering='unordered': nothing has a key",
            )
        if self._overall is not None:
            throttle.limit_rate(self._overall, burst=self._burst_at(self._overall))
        if self._per_key is not None:
            throttle.limit_rate_per_key(self._per_key, burst=self._burst_at(self._per_key))

    def _burst_at(self, rate: float) -> int:
        return max(1, int(rate * USUAL_BURST)) if self._burst is None else self._burst


def _is_rate(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 1e-9 <= value <= 1e9
