"""How often a record was tried is not forgotten when its partition leaves and comes back."""

from __future__ import annotations

import pytest

from kafka_parallel import (
    Batch,
    BatchFailed,
    ConfigurationError,
    Halt,
    InvalidResult,
    ParallelConsumer,
    RecordFailed,
    Retry,
    Skip,
    hookimpl,
)
from tests.runtime.app import GROUP, App


class Seen:
    """Lets every failure cause a rebalance that its retry does not live to see, and notes the attempts."""

    def __init__(self, cluster):
        self._cluster = cluster
        self.attempts = []

    @hookimpl(wrapper=True)
    def on_record(self, context):
        self.attempts.append((context.assignment_id, context.attempt))
        return (yield)

    @hookimpl
    def on_error(self):
        self._cluster.group(GROUP).rebalance()
        return Retry(60_000 if len(self.attempts) < 4 else 0)


@pytest.mark.parametrize("habits", ["2.x", "3.x"])
def test_attempts_are_counted_across_rebalances(habits):
    app = App(records=1)
    seen = Seen(app.cluster)

    def handle(record):
        if len(seen.attempts) < 4:
            raise ValueError("on purpose")

    parallel = ParallelConsumer(
        app.consumer(habits=habits), plugins=[seen], workers=2, revoke_timeout_ms=100, install_signal_handlers=False
    )
    parallel.run(handle)

    assert [attempt for _, attempt in seen.attempts] == [1, 2, 3, 4]
    assert len({epoch for epoch, _ in seen.attempts}) == 4
    assert app.committed == 1


class Deciding:
    """Skips each failed record, and keeps its error: as a dead letter would."""

    def __init__(self):
        self.errors = []

    @hookimpl
    def on_error(self, error):
        self.errors.append(error)
        return Skip("a test")


@pytest.mark.parametrize("error", [ConfigurationError("no table"), InvalidResult("a dict")])
@pytest.mark.parametrize("batch", [None, Batch(max_records=3)])
@pytest.mark.parametrize("executor", ["thread-pool", "asyncio"])
def test_a_fault_of_the_program_stops_it_and_no_plugin_decides(executor, batch, error):
    """Kind: a wrong deployment, with which each record would end as a dead letter."""
    app, deciding = App(6, executor), Deciding()

    def fail(_):
        raise error

    with pytest.raises(RecordFailed) as raised:
        app.parallel(plugins=[deciding]).run(app.handle(fail), batch)

    stopped = raised.value
    assert stopped.__cause__ is error
    assert "a fault of the program" in str(stopped)
    assert deciding.errors == []
    assert app.committed == 0


class Watching:
    """Hears each failure, and would make a success of it: a wrapper that counts errors."""

    def __init__(self):
        self.heard = []

    @hookimpl(wrapper=True)
    def on_error(self, error):
        self.heard.append((error, (yield)))
        return Skip("a test")


@pytest.mark.parametrize("batch", [None, Batch(max_records=1)])
def test_wrappers_hear_of_a_fault_of_the_program_and_cannot_change_it(batch):
    app, watching, error = App(1), Watching(), ConfigurationError("no table")

    def fail(_):
        raise error

    with pytest.raises(RecordFailed, match="a fault of the program"):
        app.parallel(plugins=[watching]).run(app.handle(fail), batch)

    assert watching.heard == [(error, Halt("a fault of the program stops the consumer"))]
    assert app.committed == 0


def test_an_ordering_that_fails_for_a_record_is_asked_about_and_named():
    """Kind: a key that only some record lacks is no fault of the program; nor does its handler have to be searched."""

    def ordering(record):
        return ["no key"] if record.offset == 1 else "key"

    deciding = Deciding()

    assert App(3).run(ordering=ordering, plugins=[deciding]) is None
    assert [type(error) for error in deciding.errors] == [ConfigurationError]
    assert "the ordering failed for this record" in str(App(3).run(ordering=ordering))


@pytest.mark.parametrize("executor", ["thread-pool", "asyncio"])
def test_batch_failed_of_a_handler_without_a_batch_says_what_to_write(executor):
    app = App(1, executor)

    def fail(_):
        raise BatchFailed({0: ValueError("on purpose")})

    error = app.run(fail)

    assert isinstance(error, RecordFailed)
    assert isinstance(error.__cause__, ConfigurationError)
    assert isinstance(error.__cause__.__cause__, BatchFailed)
    assert "run(handler, batch=Batch(...))" in str(error)
