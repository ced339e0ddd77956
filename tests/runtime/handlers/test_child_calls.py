"""Wrappers of plugins around a handler in another process: where they run, what they get, what their errors do."""

from __future__ import annotations

import contextlib
import os
import pickle
from types import SimpleNamespace

import pytest

from kafka_parallel import (
    Batch,
    BatchContext,
    DelayedTopics,
    PluginError,
    RecordContext,
    RecordFailed,
    Retry,
    Skip,
    hookimpl,
)
from kafka_parallel._runtime.handlers.child_calls import SentRecord
from tests.runtime.app import TOPIC, App
from tests.runtime.elsewhere import Elsewhere

TOLD = []
WHERE = "CHILD_CALLS_TOLD"


@pytest.fixture(autouse=True)
def _told():
    TOLD.clear()


class Wrapper:
    """Writes down when it is entered and left, and misbehaves in some way."""

    def __init__(self, name="w", act=None):
        self.name, self.act = name, act

    @contextlib.contextmanager
    def __call__(self, record, context):
        TOLD.append((self.name, "enter", record, context))
        if self.act == "raise on enter":
            raise LookupError(self.name)
        try:
            yield
        except Exception as error:
            TOLD.append((self.name, "sees", type(error)))
            if self.act != "swallow":
                raise
        if self.act == "raise on exit":
            raise LookupError(self.name)
        TOLD.append((self.name, "exit"))


class Plugin:
    """Provides a child wrapper; its hooks here would say so if they were called."""

    def __init__(self, wrapper=None):
        self.wrapper = wrapper or Wrapper()

    @hookimpl
    def provide_child_wrapper(self):
        return self.wrapper

    @hookimpl(wrapper=True)
    def on_record(self):
        TOLD.append("on_record here")
        return (yield)

    @hookimpl(wrapper=True)
    def on_batch(self):
        TOLD.append("on_batch here")
        return (yield)


class Other(Plugin):
    """Another name."""


class Decides:
    def __init__(self, answer=lambda context: Skip("enough")):
        self.asked, self.answer = [], answer

    @hookimpl
    def on_error(self, record, error, context):
        self.asked.append((record.offset, type(error), context.stage))
        return self.answer(context)


def handle(record):
    TOLD.append(("handler", record.offset))


def fail(record):
    TOLD.append(("handler", record.offset))
    raise OSError


def fail_once(record):
    TOLD.append(("handler", record.offset))
    if TOLD.count(("handler", record.offset)) == 1:
        raise OSError


def handle_list(records):
    TOLD.append(("handler", [record.offset for record in records]))


def run(app, *plugins, handler=handle, batch=None, **options):
    try:
        app.parallel(plugins=[*plugins, Elsewhere()], **options).run(handler, batch=batch)
    except BaseException as error:
        return error
    return None


class Telling(Wrapper):
    """Knows something here that it does not there."""

    def __reduce__(self):
        return Telling, ()

    def tell(self, context):
        return os.getpid(), context.raw.offset

    def __call__(self, record, context, told):
        TOLD.append(("told", told))
        return contextlib.nullcontext()


@pytest.mark.parametrize("batch", [None, Batch(max_records=3)])
def test_a_wrapper_is_told_what_only_this_process_knows(batch):
    app = App(3)

    assert run(app, Plugin(), Other(Telling()), handler=handle if batch is None else handle_list, batch=batch) is None

    facts = [(os.getpid(), offset) for offset in range(3)]
    assert [entry[1] for entry in TOLD if entry[0] == "told"] == (facts if batch is None else [tuple(facts)])


def acts():
    """The acts in order, without records and contexts."""
    return [told if isinstance(told, str) else told[:2] for told in TOLD]


def test_it_surrounds_the_handler_and_the_plugins_wrappers_here_are_not_called():
    app = App(2)

    assert run(app, Plugin()) is None

    assert acts() == [("w", "enter"), ("handler", 0), ("w", "exit"), ("w", "enter"), ("handler", 1), ("w", "exit")]
    assert app.committed == 2


def test_records_still_travel_many_at_once():
    sent = []

    class Watches(Elsewhere):
        def _exchange(self, records, wants):
            sent.append(sum(map(len, records)))
            return super()._exchange(records, wants)

    app = App(6)
    app.parallel(plugins=[Plugin(), Watches()], ordering="unordered").run(handle)

    assert sum(sent) == 6
    assert max(sent) > 1


def test_it_gets_the_record_and_the_context_of_the_attempt():
    app = App(1)
    seen = []

    class Watches:
        @hookimpl(wrapper=True)
        def on_record(self, context):
            seen.append(context)
            return (yield)

    decides = Decides(lambda _: Retry(0))
    consumer = {"value_deserializer": bytes.decode}

    assert run(app, Plugin(), Watches(), decides, handler=fail_once, consumer=consumer) is None

    entered = [told for told in TOLD if told[1] == "enter"]
    assert [(record.value, type(context)) for _, _, record, context in entered] == [("0", RecordContext)] * 2
    contexts = [context for _, _, _, context in entered]
    assert [context.attempt for context in contexts] == [1, 2]
    assert contexts == [context._replace(assignment=None) for context in seen]
    assert [(context.raw.value, context.counts) for context in contexts] == [(b"0", True)] * 2


def test_it_gets_the_list_and_the_attempts_of_a_batch():
    app = App(3)

    assert run(app, Plugin(), handler=handle_list, batch=Batch(max_records=3, max_wait_ms=5)) is None

    (_, _, records, context), handler, left = TOLD
    assert [record.offset for record in records] == [attempt.raw.offset for attempt in context.attempts] == [0, 1, 2]
    assert isinstance(context, BatchContext)
    assert (handler, left) == (("handler", [0, 1, 2]), ("w", "exit"))
    assert app.committed == 3


def test_the_last_registered_plugin_is_outermost():
    assert run(App(1), Plugin(Wrapper("inner")), Other(Wrapper("outer"))) is None

    assert acts() == [
        ("outer", "enter"), ("inner", "enter"), ("handler", 0), ("inner", "exit"), ("outer", "exit"),
    ]  # fmt: skip


def test_wrappers_of_other_plugins_still_run_here():
    class Counts:
        @hookimpl(wrapper=True)
        def on_record(self):
            TOLD.append("counted")
            return (yield)

    assert run(App(1), Plugin(), Counts()) is None
    assert acts() == ["counted", ("w", "enter"), ("handler", 0), ("w", "exit")]


@pytest.mark.parametrize("act", ["raise on enter", "raise on exit"])
def test_its_error_fails_the_record_as_the_handlers_own(act):
    app, decides = App(1), Decides()

    assert run(app, Plugin(Wrapper("w", act)), decides) is None

    assert decides.asked == [(0, LookupError, "handle")]
    assert ("handler", 0) in TOLD or act == "raise on enter"
    assert app.committed == 1


def test_without_a_decision_its_error_stops_the_consumer():
    app = App(1)

    error = run(app, Plugin(Wrapper("w", "raise on enter")))

    assert isinstance(error, RecordFailed)
    assert isinstance(error.__cause__, LookupError)
    assert app.committed == 0


def test_the_error_of_an_inner_one_is_seen_by_an_outer_one():
    app, decides = App(1), Decides()

    assert run(app, Plugin(Wrapper("inner", "raise on enter")), Other(Wrapper("outer")), decides) is None
    assert acts() == [("outer", "enter"), ("inner", "enter"), ("outer", "sees")]
    assert decides.asked == [(0, LookupError, "handle")]


def test_it_may_make_a_failed_record_a_handled_one():
    app = App(1)

    assert run(app, Plugin(Wrapper("w", "swallow")), handler=fail) is None
    assert acts() == [("w", "enter"), ("handler", 0), ("w", "sees"), ("w", "exit")]
    assert app.committed == 1


class Junk:
    def __call__(self, record, context):
        return {"password": "hidden"}


def test_something_else_than_a_context_manager_fails_the_record():
    app = App(1)

    error = run(app, Plugin(Junk()))

    assert isinstance(error.__cause__, PluginError)
    assert "the child wrapper of plugin 'Plugin' returned a dict, which is no context manager" in str(error)
    assert "hidden" not in str(error)
    assert app.committed == 0


def generate(record, context):
    yield


async def work(record, context):
    """Nothing awaits it."""


@pytest.mark.parametrize(("wrapper", "said"), [
    (7, "which is not a function"),
    (generate, "write @contextlib.contextmanager above it"),
    (work, "write @contextlib.contextmanager above it"),
    (lambda record, context: contextlib.nullcontext(), "cannot be sent to another process"),
])  # fmt: skip
def test_one_that_cannot_be_used_is_refused_at_the_start(wrapper, said):
    app = App(1)

    error = run(app, Plugin(wrapper))

    assert isinstance(error, PluginError)
    assert said in str(error)
    assert "'Plugin'" in str(error)
    assert app.committed == 0


def test_its_plugin_is_not_asked_where_handlers_run_here():
    asked = []
    app = App(1)

    class Asks(Plugin):
        @hookimpl
        def provide_child_wrapper(self):
            asked.append(True)
            return Wrapper()

    assert app.run(plugins=[Asks()]) is None
    assert (asked, TOLD) == ([], ["on_record here"])


def test_a_record_of_a_retry_topic_comes_as_that_of_its_source_and_raw_as_it_was_delivered():
    app = App(0)
    app.cluster.create_topic("later")
    app.cluster.append("later", b"7", b"key", partition=0)

    class Later:
        @hookimpl
        def provide_topics(self):
            return DelayedTopics({"later": TOPIC}, lambda record, now: 0.0, lambda raw: raw._replace(topic=TOPIC))

    assert run(app, Plugin(), Later()) is None

    (_, _, record, context), *_ = TOLD
    assert (record.topic, context.raw.topic) == (TOPIC, "later")


def test_what_is_sent_names_its_record():
    record = SimpleNamespace(topic="t", partition=3, offset=7)
    sent = SentRecord(record, RecordContext(record, 1, 1, 0.0, None))

    assert (sent.topic, sent.partition, sent.offset) == ("t", 3, 7)


# In real processes


@contextlib.contextmanager
def write(record, context):
    with open(os.environ[WHERE], "a") as told:
        told.write(f"{os.getpid()} {record.offset} {context.attempt}\n")
    yield


def test_it_runs_in_the_process_of_the_handler(tmp_path, monkeypatch):
    path = tmp_path / "told"
    monkeypatch.setenv(WHERE, str(path))
    app = App(4)

    assert app.run_coroutine(_nothing, executor="process-pool", plugins=[Plugin(write)]) is None

    told = [tuple(map(int, line.split())) for line in path.read_text().splitlines()]
    assert [(offset, attempt) for _, offset, attempt in sorted(told, key=lambda one: one[1])] == [
        (offset, 1) for offset in range(4)
    ]
    assert os.getpid() not in {pid for pid, _, _ in told}
    assert app.committed == 4


def _nothing(record):
    """Does nothing."""


def test_without_a_wrapper_the_fields_alone_are_sent():
    payloads = []

    class Watches(Elsewhere):
        def _sent(self, records, *, wants_result):
            payloads.extend(tuple(record) for unit in records for record in unit)
            return super()._sent(records, wants_result=wants_result)

    App(1).parallel(plugins=[Watches()]).run(handle)

    assert [fields[:2] for fields in payloads] == [(TOPIC, 0)]
    assert pickle.loads(pickle.dumps(payloads)) == payloads
