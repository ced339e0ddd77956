"""When a failed record is run again, and when it is not.

The plugin only decides. The waiting is done by the consumer's scheduler: a record that waits occupies no worker. In key
order it holds its key, in partition order its partition, unordered nothing. It counts as buffered meanwhile.

A record is not tried again if it was never handed over (it could not be deserialised), unless its error is one of
``prepare_on``; if its error is one of ``never_retry``; or once its attempts or its time are used up. Then the next
plugin is asked, ``dlq`` for example; if none answers, the consumer stops.

With the defaults the twelfth and last attempt begins 64 to 85 s after the first one failed, longer if handlers take
time. So an outage of a minute makes no dead letter, and a record that can never be handled holds its key for as long.

The waits grow exponentially and are shortened by chance ("equal jitter" generalised: Marc Brooker, Exponential Backoff
And Jitter, AWS Architecture Blog, 2015), so that records that failed together do not come back together.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from kafka_parallel import Retry, StateError, hookimpl
from kafka_parallel.logs import RecordInfo
from kafka_parallel.plugin_support import class_name, exception_classes, get_logger, shown, wrong_setting

if TYPE_CHECKING:
    from kafka_parallel import RecordContext, Settings, Throttle

__all__ = ["PROGRAMMING_ERRORS", "RetryWithBackoff"]

log = get_logger(__name__)

PROGRAMMING_ERRORS = (TypeError, AttributeError, NameError, ImportError, SyntaxError, NotImplementedError)
"""Errors that the next attempt meets again: they are in the code, not in the moment."""


# see docs/decisions/0027-context-stage.md
class RetryWithBackoff:
    """Runs failed records again, a bounded number of times, after waits that grow.

    The defaults last 64 to 85 s from the first failure: for good records that outlasts an outage of a minute.

    Threads: ``on_error`` may run on any number of workers at once.

    :param max_attempts: attempts in all, the first one included; at least 1.
    :param delay_ms: milliseconds between the first attempt and the second.
    :param multiplier: how much longer each wait is than the one before; at least 1.
    :param max_delay_ms: milliseconds of the longest wait; it may be longer than ``max_poll_interval_ms``.
    :param jitter: the part of a wait that chance may take away, 0 to 1, so that records that failed together do not
        come back together.
    :param max_elapsed_ms: milliseconds from the first failure after which no attempt begins; ``None`` = no bound.
    :param retry_on: exception classes that are tried again.
    :param never_retry: exception classes that are not, although ``retry_on`` names them or a base of them.
    :param prepare_on: exception classes that are tried again although the record was never handed over: those of a
        service that a deserialiser asks, such as a schema registry that is down. ``retry_on`` and ``never_retry`` are
        not asked about these.
    :param max_share: the part of the workers that retries may occupy at once, above 0 to 1, at least one worker.
    :param chance: returns a number from 0 up to 1, anew for each wait; for tests.
    :raises ConfigurationError: a setting cannot work.
    """

    def __init__(
        self,
        *,
        max_attempts: int = 12,
        delay_ms: float = 200,
        multiplier: float = 2.0,
        max_delay_ms: float = 15_000,
        jitter: float = 0.25,
        max_elapsed_ms: float | None = None,
        retry_on: Collection[type[Exception]] = (Exception,),
        never_retry: Collection[type[Exception]] = PROGRAMMING_ERRORS,
        prepare_on: Collection[type[Exception]] = (),
        max_share: float = 0.5,
        chance: Callable[[], float] = random.random,
    ) -> None:
        if isinstance(max_attempts, bool) or not isinstance(max_attempts, int) or max_attempts < 1:
            raise wrong_setting(
                "retry", "max_attempts", max_attempts, "an integer of at least 1; the first attempt counts"
            )
        _require("delay_ms", delay_ms, 0, "0 or more milliseconds, finite")
        _require("multiplier", multiplier, 1, "1 or more, finite")
        _require("max_delay_ms", max_delay_ms, delay_ms, f"finite and not below delay_ms={shown(delay_ms)}")
        _require("jitter", jitter, 0, "from 0 to 1", most=1)
        _require("max_share", max_share, 0, "above 0, up to 1", most=1)
        if max_share == 0:
            raise wrong_setting("retry", "max_share", max_share, "above 0, up to 1")
        if max_elapsed_ms is not None:
            _require("max_elapsed_ms", max_elapsed_ms, 0, "0 or more milliseconds, finite, or None")
        self._max_attempts = max_attempts
        self._delay_ms, self._multiplier, self._max_delay_ms = delay_ms, multiplier, max_delay_ms
        self._jitter, self._chance = jitter, chance
        self._max_elapsed_ms = float("inf") if max_elapsed_ms is None else max_elapsed_ms
        self._retry_on = exception_classes("retry", "retry_on", retry_on)
        self._never_retry = exception_classes("retry", "never_retry", never_retry)
        self._prepare_on = exception_classes("retry", "prepare_on", prepare_on)
        self._max_share = max_share
        self._clock: Callable[[], float] | None = None
        self._group: str | None = None

    @hookimpl
    def on_throttle(self, throttle: Throttle, settings: Settings) -> None:
        """Let retries occupy at most ``max_share`` of the workers, and at least one."""
        throttle.limit_retries(max(1, int(settings.workers * self._max_share)))

    @hookimpl
    def on_start(self, settings: Settings) -> None:
        """Keep the consumer's monotonic clock, for ``max_elapsed_ms``, and its group, for log lines."""
        self._clock, self._group = settings.clock, settings.group_id

    @hookimpl
    def on_error(self, error: BaseException, context: RecordContext) -> Retry | None:
        """Answer `Retry`, or ``None`` so that the next plugin decides.

        :raises StateError: the consumer was not started.
        """
        if not self._is_worth_it(error, context):
            return None
        delay_ms = self._wait_ms(context.attempt)
        reason = self._exhausted(context, delay_ms)
        raw, name = context.raw, class_name(error)
        fields = RecordInfo.of(raw, self._group, context.attempt).fields()
        if reason is not None:
            log.warning("%s[%d]@%d failed with %s: it is not tried again after %s",
                        raw.topic, raw.partition, raw.offset, name, reason, extra=fields)  # fmt: skip
            return None
        log.info("%s[%d]@%d failed with %s (attempt %d of %d): it will be processed again in %.0f ms",
                 raw.topic, raw.partition, raw.offset, name, context.attempt, self._max_attempts, delay_ms,
                 extra=fields)  # fmt: skip
        return Retry(delay_ms)

    def _is_worth_it(self, error: BaseException, context: RecordContext) -> bool:
        if context.stage == "prepare":
            return isinstance(error, self._prepare_on)
        return isinstance(error, self._retry_on) and not isinstance(error, self._never_retry)

    def _wait_ms(self, attempt: int) -> float:
        """The wait after the failed *attempt*."""
        try:
            grown = self._delay_ms * self._multiplier ** (attempt - 1)
        except OverflowError:
            grown = self._max_delay_ms
        return min(grown, self._max_delay_ms) * (1 - self._jitter * self._chance())

    def _exhausted(self, context: RecordContext, delay_ms: float) -> str | None:
        """Name the bound that is used up; ``None`` if one more attempt is within the bounds."""
        if self._clock is None:
            raise StateError("plugin retry was asked about a failed record before on_start")
        if context.attempt >= self._max_attempts:
            return f"{context.attempt} attempts (max_attempts={self._max_attempts})"
        now = self._clock()
        elapsed_ms = (now - (now if context.failing_since is None else context.failing_since)) * 1000
        if elapsed_ms + delay_ms > self._max_elapsed_ms:
            return f"{elapsed_ms:.0f} ms (max_elapsed_ms={self._max_elapsed_ms:g})"
        return None


def _require(name: str, value: object, least: float, what: str, most: float = float("inf")) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not least <= value <= most or value == float("inf"):  # type: ignore[operator]
        raise wrong_setting("retry", name, value, what)
