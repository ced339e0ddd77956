"""Code of the user's own key classes runs outside of the lock, and the substitute of a key goes away with it.

Kind: user code under the lock. A key's ``__eq__`` that asked for ``statistics()`` waited for itself, and one that
raised ended run() with a bare error in the middle of an act.
"""

from __future__ import annotations

import pytest

from kafka_parallel import Batch, RecordFailed
from tests.runtime.app import App


class Key:
    """A key of the user's own class: all are equal; *asks* is called with each comparison."""

    def __init__(self, asks=lambda: None):
        self.asks = asks

    def __hash__(self):
        self.asks()
        return 1

    def __eq__(self, other):
        self.asks()
        return True


def run_with_keys(app, asks, batch=None, **options):
    """Run *app* on a thread, with keys that call *asks* with the consumer; return the error of run()."""
    parallel = app.parallel(ordering=lambda record: Key(lambda: asks(parallel)), **options)

    def handle(record):
        app.handled += [one.offset for one in record] if batch else [record.offset]

    parallel.start(handle, batch)
    try:
        assert parallel.join(timeout_ms=30_000), "it hangs"
    except RecordFailed as error:
        return error
    return None


@pytest.mark.parametrize("batch", [None, Batch(max_records=2, of="key")])
@pytest.mark.parametrize("asks", [lambda parallel: parallel.statistics(), lambda parallel: parallel.state])
def test_a_key_may_ask_for_statistics(asks, batch):
    app = App(20)

    assert run_with_keys(app, asks, batch) is None

    assert app.handled == list(range(20))
    assert app.committed == 20


def test_no_code_of_a_key_runs_under_the_lock():
    app, held = App(20), []

    run_with_keys(app, lambda parallel: held.append(parallel._engine._scheduler._lock._is_owned()))

    assert len(held) > 20
    assert not any(held)


def test_a_key_that_raises_fails_its_record():
    app, asked = App(3), []

    def asks(parallel):
        asked.append(parallel)
        if len(asked) == 4:  # the first record's hash, the second one's and its comparison, the third one's hash
            raise LookupError("no such key")

    error = run_with_keys(app, asks)

    assert isinstance(error, RecordFailed)
    assert isinstance(error.__cause__, LookupError)
    assert app.committed == error.offset


def test_a_key_may_stop_the_consumer():
    app = App(20)

    assert run_with_keys(app, lambda parallel: parallel.stop()) is None

    assert app.committed == len(app.handled)


# The substitute of a key


class NeverEqual:
    """A key that equals nothing, as NaN does."""

    def __hash__(self):
        return 1

    def __eq__(self, other):
        return False


@pytest.mark.parametrize("key", [float("nan"), NeverEqual()], ids=["nan", "a class"])
def test_a_key_that_does_not_equal_itself_fails_its_record(key):
    """Kind: an order that is promised and not kept. Such keys would each have a lane of their own."""
    error = App(3).run(ordering=lambda record: key)

    assert isinstance(error, RecordFailed)
    assert "does not equal itself" in str(error.__cause__)


def test_a_float_is_an_ordering_key_like_any_other():
    app = App(6)

    assert app.run(ordering=lambda record: record.offset % 2 + 0.5) is None
    assert app.committed == 6
