"""The list that a batch handler gets, and the outcome of each record if some of them fail."""

from __future__ import annotations

import asyncio
import json

import pytest

from kafka_parallel import (
    Batch,
    BatchFailed,
    ConfigurationError,
    ParallelConsumer,
    RecordFailed,
    Retry,
    Skip,
    hookimpl,
)
from tests.runtime.app import App


def _as_async(handle):
    async def handle_async(records):
        await asyncio.sleep(0)
        return handle(records)

    return handle_async


KINDS = pytest.mark.parametrize("kind", [lambda handle: handle, _as_async], ids=["plain", "async"])


class Decide:
    """Tries a record again twice, then skips it; writes down its questions."""

    def __init__(self, attempts=3):
        self.asked, self._attempts = [], attempts

    @hookimpl
    def on_error(self, record, error, context):
        self.asked.append((context.raw.offset, type(error).__name__, context.attempt, context.stage))
        return Retry(0) if context.attempt < self._attempts else Skip("enough")


def run(app, handle, kind, batch=None, **options):
    batch = batch or Batch(max_records=4, max_wait_ms=5)
    try:
        app.parallel(**options).run(kind(handle), batch=batch)
    except BaseException as error:
        return error
    return None


@KINDS
def test_records_come_in_lists_each_once_and_in_order(kind):
    app, seen = App(30), []

    assert run(app, lambda records: seen.append([record.offset for record in records]), kind) is None

    assert [offset for batch in seen for offset in batch] == list(range(30))
    assert max(map(len, seen)) == 4
    assert app.committed == 30


@KINDS
def test_a_plain_raise_fails_all_of_them(kind):
    app, decide, calls = App(3), Decide(), []

    def handle(records):
        calls.append([record.offset for record in records])
        raise ValueError

    assert run(app, handle, kind, plugins=[decide]) is None
    assert calls == [[0, 1, 2]] * 3
    assert sorted(decide.asked) == [(offset, "ValueError", n, "handle") for offset in range(3) for n in (1, 2, 3)]
    assert app.committed == 3


@KINDS
def test_a_batch_may_finish_partly(kind):
    app, decide, calls = App(4), Decide(), []

    def handle(records):
        calls.append([record.offset for record in records])
        failed = {place: OSError() for place, record in enumerate(records) if record.offset == 1}
        if failed:
            raise BatchFailed(failed)

    assert run(app, handle, kind, plugins=[decide], ordering="unordered") is None
    assert calls == [[0, 1, 2, 3], [1], [1]]
    assert decide.asked == [(1, "OSError", n, "handle") for n in (1, 2, 3)]
    assert app.committed == 4


@KINDS
def test_in_order_what_stands_behind_a_failed_record_comes_again_behind_it(kind):
    app, calls = App(4), []

    def handle(records):
        calls.append([record.offset for record in records])
        if len(calls) == 1:
            raise BatchFailed({1: OSError()})

    assert run(app, handle, kind, plugins=[Decide()]) is None
    assert calls == [[0, 1, 2, 3], [1, 2, 3]]
    assert app.committed == 4


def test_without_a_decision_the_consumer_stops_at_the_first_failed_record():
    app = App(8)

    def handle(records):
        if any(record.offset == 5 for record in records):
            raise BatchFailed({[record.offset for record in records].index(5): ValueError("no")})

    error = run(app, handle, lambda handle: handle)

    assert isinstance(error, RecordFailed)
    assert error.offset == 5
    assert app.committed == 5


@KINDS
def test_a_record_that_cannot_be_deserialised_is_not_in_the_list(kind):
    app, decide, seen = App(0), Decide(attempts=0), []
    for value in (b"0", b"no json", b"2"):
        app.cluster.append("t", value, b"key", partition=0)
    parallel = ParallelConsumer(app.consumer(value_deserializer=json.loads), plugins=[decide])

    parallel.run(kind(lambda records: seen.extend(record.value for record in records)), batch=Batch(max_wait_ms=5))

    assert seen == [0, 2]
    assert decide.asked == [(1, "JSONDecodeError", 1, "prepare")]
    assert app.committed == 3


class Trail:
    """Wraps every record; answers instead of the handler for one, and refuses another."""

    def __init__(self):
        self.steps = []

    @hookimpl(wrapper=True)
    def on_record(self, record, context):
        self.steps.append(("in", record.offset))
        if record.offset == 2:
            raise PermissionError
        try:
            result = yield
        except Exception as error:
            self.steps.append((type(error).__name__, record.offset))
            raise
        self.steps.append((result, record.offset))
        return result


class Answers:
    @hookimpl
    def on_record(self, record):
        return Skip("answered") if record.offset == 1 else None


@KINDS
def test_every_record_has_its_wrappers_and_who_answers_or_raises_keeps_it_out(kind):
    app, trail, decide, seen = App(5), Trail(), Decide(attempts=0), []

    def handle(records):
        seen.append([record.offset for record in records])
        assert trail.steps[-1][0] == "in" or trail.steps[-1] == (Skip("answered"), 1)
        if records[0].offset == 0:
            raise BatchFailed({1: KeyError()})
        return "handled"

    batch = Batch(max_records=5, max_wait_ms=5)
    assert run(app, handle, kind, batch, plugins=[Answers(), trail, decide], ordering="unordered") is None
    assert seen == [[0, 3, 4]]
    assert trail.steps == [
        ("in", 0), ("in", 1), (Skip("answered"), 1), ("in", 2), ("in", 3), ("in", 4),
        (None, 0), ("KeyError", 3), (None, 4),
    ]  # fmt: skip
    assert [asked[:2] for asked in decide.asked] == [(2, "PermissionError"), (3, "KeyError")]
    assert app.committed == 5


@KINDS
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, MemoryError])
def test_what_stops_a_process_comes_out_of_run(kind, error):
    app = App()

    def handle(records):
        raise error

    assert isinstance(run(app, handle, kind), error)
    assert app.committed == 0


def test_a_batch_failed_that_names_no_record_of_the_batch_stops_the_run():
    app, decide = App(2), Decide(attempts=0)

    def handle(records):
        raise BatchFailed({7: ValueError()})

    error = run(app, handle, lambda handle: handle, plugins=[decide])

    assert isinstance(error.__cause__, ConfigurationError)
    assert decide.asked == []
    assert app.committed == 0


def test_a_handler_may_do_with_its_list_what_it_likes():
    app, seen = App(6), []

    def handle(records):
        while records:
            seen.append(records.pop().offset)

    assert run(app, handle, lambda handle: handle) is None
    assert sorted(seen) == list(range(6))
    assert app.committed == 6


@pytest.mark.parametrize(
    ("bounds", "named"),
    [
        ({"max_records": 0}, "max_records=0"),
        ({"max_records": True}, "max_records=True"),
        ({"max_bytes": 0}, "max_bytes=0"),
        ({"max_wait_ms": -1}, "max_wait_ms=-1"),
        ({"max_wait_ms": float("inf")}, "max_wait_ms=inf"),
        ({"of": "topic"}, "of='topic'"),
    ],
)
def test_bounds_that_cannot_work_are_refused(bounds, named):
    with pytest.raises(ConfigurationError, match=named):
        Batch(**bounds)


@pytest.mark.parametrize("failed", [{}, {-1: ValueError()}, {"0": ValueError()}, {0: "no error"}, {True: ValueError()}])
def test_a_batch_failed_that_says_nothing_is_refused(failed):
    with pytest.raises(ConfigurationError, match="failed="):
        BatchFailed(failed)


@pytest.mark.parametrize(
    ("batch", "options", "named"),
    [
        (Batch(max_records=100), {"max_buffered_records": 99}, "max_buffered_records=99"),
        (Batch(of="key"), {"ordering": "unordered"}, "of='key'"),
        (100, {}, "batch is 100"),
    ],
)
def test_batches_that_can_never_come_about_are_refused(batch, options, named):
    with pytest.raises(ConfigurationError, match=named):
        App().parallel(**options).run(print, batch=batch)


def test_a_stop_iteration_of_a_handler_is_told_as_what_it_is_inside_of_wrappers():
    """Kind: the driver of wrappers. Single records kept theirs, batches failed with a RuntimeError."""
    app, trail, decide = App(1), Trail(), Decide(attempts=0)

    run(app, lambda records: next(iter(())), lambda handle: handle, Batch(max_wait_ms=0), plugins=[trail, decide])

    assert trail.steps == [("in", 0), ("StopIteration", 0)]
    assert [asked[1] for asked in decide.asked] == ["StopIteration"]
