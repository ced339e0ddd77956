"""The hook ``on_batch``: once around the handler's one call with a list, and what its shapes mean for the records."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest

from kafka_parallel import (
    Batch,
    BatchContext,
    BatchFailed,
    HandlerTimeout,
    PluginError,
    RecordContext,
    RecordFailed,
    Retry,
    Skip,
    hookimpl,
)
from tests.runtime.app import App
from tests.runtime.elsewhere import Elsewhere

SEEN = contextvars.ContextVar("SEEN", default=None)
HERE = pytest.mark.parametrize("kind", ["plain", "async"])
KINDS = pytest.mark.parametrize("kind", ["plain", "async", "elsewhere"])
CALLS = []


def handle(records):
    CALLS.append([record.offset for record in records])


async def handle_async(records):
    await asyncio.sleep(0)
    handle(records)


@pytest.fixture(autouse=True)
def _calls():
    CALLS.clear()


def of(kind, plain):
    """Make a *plain* handler one of that *kind*."""

    async def coroutine(records):
        await asyncio.sleep(0)
        return plain(records)

    return coroutine if kind == "async" else plain


def run(app, kind, *plugins, handler=handle, **options):
    batch = Batch(max_records=3, max_wait_ms=5)
    plugins = [*plugins, *([Elsewhere()] if kind == "elsewhere" else [])]
    try:
        app.parallel(plugins=plugins, **options).run(of(kind, handler), batch=batch)
    except BaseException as error:
        return error
    return None


class Around:
    """Writes down how each call of the handler began and ended."""

    def __init__(self, name="around", told=None):
        self.name = name
        self.told = [] if told is None else told

    @hookimpl(wrapper=True)
    def on_batch(self, records, context):
        self.told.append((self.name, "begins", [record.offset for record in records], context))
        try:
            result = yield
        except BaseException as error:
            self.told.append((self.name, "fails", type(error)))
            raise
        self.told.append((self.name, "ends", result))
        return result


class Second(Around):
    """Another name."""


@KINDS
def test_it_is_called_once_around_each_call_of_the_handler(kind):
    app, around = App(6), Around()

    assert run(app, kind, around) is None

    assert CALLS == [[0, 1, 2], [3, 4, 5]]
    begun = [told for told in around.told if told[1] == "begins"]
    assert [offsets for _, _, offsets, _ in begun] == CALLS
    assert [told[1] for told in around.told] == ["begins", "ends"] * 2
    assert app.committed == 6


@KINDS
def test_its_context_has_the_attempt_at_each_record(kind):
    app, around = App(3), Around()

    assert run(app, kind, around) is None

    (_, _, _, context), _ = around.told
    assert isinstance(context, BatchContext)
    assert [(type(attempt), attempt.raw.offset, attempt.attempt) for attempt in context.attempts] == [
        (RecordContext, offset, 1) for offset in range(3)
    ]
    assert all(attempt.assignment_id and attempt.queued_at for attempt in context.attempts)


@KINDS
def test_the_last_registered_plugin_is_outermost_and_all_are_inside_of_on_record(kind):
    told, app = [], App(1)

    class OfRecord:
        @hookimpl(wrapper=True)
        def on_record(self):
            told.append(("record", "begins"))
            result = yield
            told.append(("record", "ends"))
            return result

    assert run(app, kind, Around("first", told), OfRecord(), Second("second", told)) is None

    assert [each[:2] for each in told] == [
        ("record", "begins"), ("second", "begins"), ("first", "begins"),
        ("first", "ends"), ("second", "ends"), ("record", "ends"),
    ]  # fmt: skip


@HERE
def test_a_context_variable_that_it_sets_is_seen_by_the_handler_and_nowhere_else(kind):
    seen = []

    class Sets:
        @hookimpl(wrapper=True)
        def on_batch(self, records):
            SEEN.set(records[0].offset)
            return (yield)

    def look(records):
        seen.append((SEEN.get(), records[0].offset))

    app = App(6)

    assert run(app, kind, Sets(), handler=look) is None
    assert seen == [(0, 0), (3, 3)]
    assert SEEN.get() is None


@KINDS
@pytest.mark.parametrize("moment", ["before", "after"])
def test_its_error_fails_all_records_as_the_handlers_own(kind, moment):
    class Breaks:
        @hookimpl(wrapper=True)
        def on_batch(self):
            if moment == "before":
                raise LookupError
            yield
            raise LookupError

    asked = []

    class Decides:
        @hookimpl
        def on_error(self, record, error, context):
            asked.append((record.offset, type(error), context.stage))
            return Skip("enough")

    app = App(3)

    assert run(app, kind, Breaks(), Decides()) is None
    assert sorted(asked) == [(offset, LookupError, "handle") for offset in range(3)]
    assert len(CALLS) == (moment == "after")
    assert app.committed == 3


@HERE
def test_it_sees_what_batch_failed_names_and_may_decide_otherwise(kind):
    def fail(records):
        CALLS.append([record.offset for record in records])
        raise BatchFailed({1: OSError()})

    class Forgives:
        @hookimpl(wrapper=True)
        def on_batch(self):
            with pytest.raises(BatchFailed) as caught:
                yield
            assert sorted(caught.value.failed) == [1]

    app = App(3)

    assert run(app, kind, Forgives(), handler=fail) is None
    assert (CALLS, app.committed) == ([[0, 1, 2]], 3)


@HERE
def test_it_may_name_the_records_that_failed(kind):
    class Fails:
        @hookimpl(wrapper=True)
        def on_batch(self, records, context):
            result = yield
            if context.attempts[0].attempt == 1 and len(records) == 3:
                raise BatchFailed({2: OSError()})
            return result

    class Again:
        @hookimpl
        def on_error(self):
            return Retry(0)

    app = App(3)

    assert run(app, kind, Fails(), Again()) is None
    assert (CALLS, app.committed) == ([[0, 1, 2], [2]], 3)


@KINDS
def test_skip_finishes_the_records_without_the_handler(kind):
    class Knows:
        @hookimpl
        def on_batch(self, records):
            return Skip("known") if records[0].offset == 0 else None

    app = App(6)

    assert run(app, kind, Knows()) is None
    assert (CALLS, app.committed) == ([[3, 4, 5]], 6)


def test_an_async_answer_is_awaited_beside_an_async_handler_and_refused_beside_others():
    class Knows:
        @hookimpl
        async def on_batch(self, records):
            await asyncio.sleep(0)
            return Skip("known") if records[0].offset == 0 else None

    app = App(6)
    assert run(app, "async", Knows()) is None
    assert (CALLS, app.committed) == ([[3, 4, 5]], 6)

    refused = run(App(6), "plain", Knows())
    assert isinstance(refused, PluginError)
    assert "on_batch of plugin 'Knows' is async def, and nothing awaits it here" in str(refused)


@HERE
def test_a_handler_that_answers_skip_has_failed_all_the_same(kind):
    app = App(3)

    error = run(app, kind, Around(), handler=lambda records: Skip("not its to say"))

    assert isinstance(error, RecordFailed)
    assert app.committed == 0


@HERE
def test_records_that_on_record_answered_are_not_in_the_list(kind):
    class Knows:
        @hookimpl
        def on_record(self, record):
            return Skip("known") if record.offset == 1 else None

    app, around = App(3), Around()

    assert run(app, kind, around, Knows()) is None
    (_, _, offsets, context), _ = around.told
    assert offsets == [attempt.raw.offset for attempt in context.attempts] == [0, 2]


@HERE
def test_a_plugin_that_changes_its_records_changes_no_list_of_the_handler(kind):
    class Greedy:
        @hookimpl(wrapper=True)
        def on_batch(self, records):
            with pytest.raises(AttributeError):
                records.clear()
            return (yield)

    def clear(records):
        CALLS.append([record.offset for record in records])
        records.clear()

    app = App(3)

    assert run(app, kind, Greedy(), handler=clear) is None
    assert (CALLS, app.committed) == ([[0, 1, 2]], 3)


def test_a_wrapper_of_a_batch_that_is_late_is_left_when_its_handler_returns():
    app, around, late = App(3), Around(), threading.Event()

    class Decides:
        @hookimpl
        def on_error(self, error):
            assert isinstance(error, HandlerTimeout)
            late.set()
            return Skip("too late")

    def wait(records):
        assert late.wait(60)

    assert run(app, "plain", around, Decides(), handler=wait, handler_timeout_ms=50) is None
    assert [told[1] for told in around.told] == ["begins", "ends"]
    assert app.committed == 3


def test_handlers_of_single_records_never_come_there():
    app, around = App(3), Around()

    assert app.run(plugins=[around]) is None
    assert (around.told, app.committed) == ([], 3)
