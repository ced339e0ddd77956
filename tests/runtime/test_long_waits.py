"""Is a wait of years a wait?

Kind: a number that is valid here and too large for the function it is handed to. Locks can be waited for 292 years,
poll() for 24 days, and an integer may be larger than any float.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest

from kafka_parallel import Batch, ConfigurationError, Retry, hookimpl
from tests.runtime.app import App

YEARS = 1e14


class RetryInYears:
    def __init__(self, delay=YEARS):
        self._delay = delay

    @hookimpl
    def on_error(self, record, error, context):
        return Retry(self._delay)


@pytest.mark.parametrize("executor", ["thread-pool", "asyncio"])
@pytest.mark.parametrize("delay", [YEARS, 1e300, Decimal(10**14)])
def test_a_retry_in_years_waits(executor, delay):
    app = App(6, executor)
    parallel = app.parallel(plugins=[RetryInYears(delay)], ordering="unordered", executor=executor)

    def fail_at_first(record):
        if record.offset == 5:
            parallel.stop()
        if record.offset == 0:
            raise ValueError

    parallel.run(app.handle(fail_at_first))

    assert sorted(app.handled) == [1, 2, 3, 4, 5]
    assert app.committed == 0


def test_a_batch_that_may_wait_for_years_waits_until_the_stop():
    app, handled = App(6), []
    parallel = app.parallel()
    parallel.start(lambda records: handled.extend(record.offset for record in records), Batch(max_wait_ms=YEARS))
    while parallel.state != "running" or parallel.statistics().buffered < 6:
        assert parallel.state != "failed"

    parallel.stop()

    assert parallel.join(timeout_ms=YEARS)
    assert handled == []
    assert app.committed == 0


def test_timeouts_of_years():
    app = App(6)
    parallel = app.parallel(stop_timeout_ms=YEARS, handler_timeout_ms=YEARS, stuck_after_ms=YEARS)

    parallel.start(app.handle(lambda record: None))

    assert parallel.join(timeout_ms=YEARS)
    assert app.handled == list(range(6))


def test_a_consumer_timeout_without_end():
    app = App(6)
    parallel = app.parallel({"consumer_timeout_ms": float("inf"), "auto_commit_interval_ms": YEARS})

    parallel.run(app.handle(lambda record: record.offset == 5 and parallel.stop()))

    assert app.committed == 6


@pytest.mark.parametrize("delay", [10**400, float("inf"), float("nan"), -1, "5", None, Fraction(10**400)])
def test_what_is_no_time_is_no_retry(delay):
    with pytest.raises(ConfigurationError, match="delay must be 0 or more and finite"):
        Retry(delay)


@pytest.mark.parametrize("name", ["stop_timeout_ms", "revoke_timeout_ms", "handler_timeout_ms", "stuck_after_ms"])
def test_an_integer_beyond_all_floats_is_no_timeout(name):
    with pytest.raises(ConfigurationError, match=name):
        App().parallel(**{name: 10**400})
    with pytest.raises(ConfigurationError, match="max_wait_ms"):
        Batch(max_wait_ms=10**400)
