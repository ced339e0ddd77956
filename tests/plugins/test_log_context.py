"""The fields of the record in log lines: in which lines they are, in which not, and what becomes of the factory."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import json
import logging
import logging.handlers
import os
import pickle
import pickletools
import queue
import sys
import threading
from types import SimpleNamespace

import pytest
import structlog
from loguru import logger as loguru

from kafka_parallel import (
    Batch,
    BatchContext,
    ConfigurationError,
    HandlerTimeout,
    ParallelConsumer,
    PluginError,
    Retry,
    Skip,
    hookimpl,
    logs,
)
from kafka_parallel.logs import FIELDS, RecordInfo
from kafka_parallel_plugins.log_context import LogContext
from kafka_parallel_plugins.log_context.record_factory import INSTALLATION, around
from tests.runtime.app import GROUP, TOPIC, App
from tests.runtime.elsewhere import Elsewhere

OTHER = logging.getLogger("a.library.of.others")
STANDARD = logging.getLogRecordFactory()
SEEN = []
WHERE = "LOG_CONTEXT_TOLD"


class Kept(logging.Handler):
    """Keeps the lines of all loggers."""

    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []

    def emit(self, record):
        self.lines.append(record)

    def fields(self, text):
        """The fields of the lines with that *text*."""
        return [fields_of(line) for line in self.lines if line.getMessage() == text]


def fields_of(line):
    return tuple(getattr(line, name, "none at all") for name in FIELDS)


@pytest.fixture
def kept():
    handler, root = Kept(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture(autouse=True)
def _as_before():
    SEEN.clear()
    assert logging.getLogRecordFactory() is STANDARD
    yield
    assert logging.getLogRecordFactory() is STANDARD, "the factory was not put back"
    assert INSTALLATION._users == 0
    assert logs.current.get() is None
    assert structlog.contextvars.get_contextvars() == {}


def at(offset, attempt=1, key=None, batch_size=None):
    return (TOPIC, 0, offset, GROUP, attempt, key, batch_size)


NONE = (None,) * len(FIELDS)


def say(record):
    OTHER.info("said at %d", record.offset)


def batched(handler):
    return lambda records: [handler(record) for record in records][:0]


# Where they are


@pytest.mark.parametrize("executor", ["thread-pool", "asyncio"])
def test_every_line_that_is_logged_meanwhile_has_the_record(kept, executor):
    app = App(40, executor)

    assert app.run(say, plugins=[LogContext()], workers=4, ordering="unordered") is None

    for offset in range(40):
        assert kept.fields(f"said at {offset}") == [at(offset)]


def test_lines_outside_of_a_record_have_none(kept):
    class Says:
        @hookimpl
        def on_stop(self):
            OTHER.info("stopped")

    assert App().run(plugins=[LogContext(), Says()]) is None
    assert kept.fields("stopped") == [NONE]


def test_a_format_with_the_fields_works_for_every_line(kept):
    line = logging.Formatter("%(message)s " + " ".join(f"%({name})s" for name in FIELDS))

    assert App(2).run(say, plugins=["log-context"]) is None

    ours = [record for record in kept.lines if hasattr(record, "kafka_topic")]
    texts = [line.format(record) for record in ours]
    assert f"said at 1 {TOPIC} 0 1 {GROUP} 1 None None" in texts
    assert len(texts) > 2  # those of the library's own loggers, too


def test_coroutines_that_take_turns_see_their_own_record_each(kept):
    here = asyncio.Event()

    async def handle(record):
        if record.offset == 0:
            await asyncio.wait_for(here.wait(), 60)
        OTHER.info("said at %d", record.offset)
        if record.offset == 1:
            here.set()
            for _ in range(3):
                await asyncio.sleep(0)
                OTHER.info("said at %d", record.offset)

    app = App(2)
    assert app.run_coroutine(handle, plugins=[LogContext()], ordering="unordered") is None

    assert kept.fields("said at 0") == [at(0)]
    assert kept.fields("said at 1") == [at(1)] * 4


def test_a_task_that_a_coroutine_starts_has_its_record(kept):
    async def say_later(record):
        await asyncio.sleep(0)
        say(record)

    async def handle(record):
        await asyncio.gather(say_later(record), say_later(record))

    assert App(3).run_coroutine(handle, plugins=[LogContext()], ordering="unordered") is None
    for offset in range(3):
        assert kept.fields(f"said at {offset}") == [at(offset)] * 2


@pytest.mark.parametrize("executor", ["thread-pool", "asyncio"])
def test_plugins_that_decide_about_a_failure_see_the_attempt_that_failed(kept, executor):
    class Decides:
        @hookimpl
        def on_error(self, record, context):
            OTHER.warning("failed at %d", record.offset)
            return Retry(0) if context.attempt < 3 else Skip("enough")

    def fail(record):
        say(record)
        raise ValueError

    assert App(2, executor).run(fail, plugins=[Decides(), LogContext()]) is None

    for offset in range(2):
        attempts = [at(offset, attempt) for attempt in (1, 2, 3)]
        assert kept.fields(f"failed at {offset}") == attempts
        assert kept.fields(f"said at {offset}") == attempts


def test_other_wrappers_are_inside_whatever_the_order(kept):
    class Says:
        @hookimpl(wrapper=True)
        def on_record(self):
            OTHER.info("before")
            result = yield
            OTHER.info("after")
            return result

    for plugins in ([Says(), LogContext()], [LogContext(), Says()]):
        assert App(1).run(plugins=plugins) is None
    assert kept.fields("before") == kept.fields("after") == [at(0)] * 2


def test_a_record_that_cannot_be_deserialised_has_its_fields_where_that_is_decided(kept):
    class Decides:
        @hookimpl
        def on_error(self, context):
            OTHER.warning("cannot be read: %s", context.stage)
            return Skip("no number")

    app = App(1)
    consumer = app.consumer(value_deserializer=lambda data: int(data) // 0)
    parallel = ParallelConsumer(consumer, plugins=[LogContext(), Decides()], install_signal_handlers=False)
    parallel.run(lambda _: None)

    assert kept.fields("cannot be read: prepare") == [at(0)]


def test_a_record_that_is_late_is_the_one_of_its_failure(kept):
    late = threading.Event()

    class Decides:
        @hookimpl
        def on_error(self, error):
            assert isinstance(error, HandlerTimeout)
            OTHER.warning("late")
            late.set()
            return Skip("late")

    def handle(record):
        assert late.wait(60)
        say(record)

    assert App(1).run(handle, plugins=[LogContext(), Decides()], handler_timeout_ms=30) is None
    assert kept.fields("late") == kept.fields("said at 0") == [at(0)]


# Keys


@pytest.mark.parametrize(("key", "text"), [(b"alice", "alice"), (None, None), (b"\xff\x00", "\\xff\x00"), (b"", "")])
def test_the_key_is_shown_only_if_that_is_asked_for(kept, key, text):
    for keys, expected in ((False, None), (True, text)):
        app = App(0)
        app.cluster.append(TOPIC, b"0", key, partition=0)
        assert app.run(say, plugins=[LogContext(keys=keys)]) is None
        assert kept.fields("said at 0")[-1] == at(0, key=expected)


# Batches


@pytest.mark.parametrize("executor", ["thread-pool", "asyncio"])
def test_a_batch_has_its_first_record_and_its_size(kept, executor):
    app = App(5)

    def handle(records):
        OTHER.info("a batch")

    async def handle_async(records):
        await asyncio.sleep(0)
        handle(records)

    parallel = app.parallel(plugins=[LogContext(keys=True)])
    parallel.run(handle if executor == "thread-pool" else handle_async, batch=Batch(max_records=3, max_wait_ms=5))

    assert kept.fields("a batch") == [at(0, key="key", batch_size=3), at(3, key="key", batch_size=2)]


def test_a_batch_of_several_partitions_and_keys_names_none_of_them(kept):
    app = App(0)
    app.cluster.create_topic("two", 2)
    for number in range(4):
        app.cluster.append("two", b"0", b"%d" % number, partition=number % 2)
    consumer = app.consumer()
    consumer.subscribe(["two"])
    parallel = ParallelConsumer(consumer, plugins=[LogContext(keys=True)], install_signal_handlers=False)
    parallel.run(lambda records: OTHER.info("a batch"), batch=Batch(max_records=4, max_wait_ms=500))

    assert kept.fields("a batch") == [("two", None, 0, GROUP, 1, None, 4)]


# Processes


def say_elsewhere(record):
    OTHER.info("said at %d", record.offset)
    if logs.current.get().attempt < 2:
        raise ValueError


def say_batch_elsewhere(records):
    OTHER.info("a batch")


def test_the_process_of_a_handler_has_the_fields_too(kept):
    class Decides:
        @hookimpl
        def on_error(self):
            OTHER.warning("failed")
            return Retry(0)

    app = App(2)
    assert app.run_coroutine(say_elsewhere, plugins=[LogContext(keys=True), Decides(), Elsewhere()]) is None
    while INSTALLATION._users:  # those of the processes, which this one stands for, and which end in reality
        INSTALLATION.remove_user()

    for offset in range(2):
        assert kept.fields(f"said at {offset}") == [at(offset, attempt, "key") for attempt in (1, 2)]
    assert sorted(kept.fields("failed")) == [at(0, key="key"), at(1, key="key")]


def write_fields(record):
    made = logging.getLogRecordFactory()("a", logging.INFO, "", 0, "", (), None)
    with open(os.environ[WHERE], "a") as told:
        told.write(json.dumps([os.getpid(), *fields_of(made)]) + "\n")
    if made.kafka_attempt == 1:
        raise ValueError


def test_a_real_process_has_the_fields_in_every_log_record(tmp_path, monkeypatch):
    class Again:
        @hookimpl
        def on_error(self):
            return Retry(0)

    path, app = tmp_path / "told", App(2)
    monkeypatch.setenv(WHERE, str(path))

    assert app.run_coroutine(write_fields, executor="process-pool", plugins=[LogContext(), Again()]) is None

    told = [json.loads(line) for line in path.read_text().splitlines()]
    expected = [at(offset, attempt) for offset in (0, 1) for attempt in (1, 2)]
    assert sorted(tuple(fields) for _, *fields in told) == expected
    assert os.getpid() not in {pid for pid, *_ in told}
    assert app.committed == 2


# Other libraries for logging


def test_structlog_gets_the_fields_that_there_are():
    def handle(record):
        SEEN.append(structlog.contextvars.get_contextvars())

    assert App(2).run(handle, plugins=[LogContext()]) is None
    common = {"kafka_topic": TOPIC, "kafka_partition": 0, "kafka_group": GROUP, "kafka_attempt": 1}
    assert [common | {"kafka_offset": 0}, common | {"kafka_offset": 1}] == SEEN


def test_structlog_is_left_alone_if_that_is_asked_for():
    assert App(1).run(lambda _: SEEN.append(structlog.contextvars.get_contextvars()),
                      plugins=[LogContext(structlog=False)]) is None  # fmt: skip
    assert SEEN == [{}]


def test_the_variables_that_the_application_has_bound_itself_stay_for_the_attempt():
    class Binds:
        @hookimpl(wrapper=True, tryfirst=True)
        def on_record(self, record):
            SEEN.append(structlog.contextvars.get_contextvars()["kafka_topic"])
            structlog.contextvars.bind_contextvars(kafka_topic=f"mine of {record.offset}")
            result = yield
            SEEN.append(structlog.contextvars.get_contextvars()["kafka_topic"])
            return result

    assert App(2).run(plugins=[LogContext(), Binds()]) is None
    assert SEEN == [TOPIC, "mine of 0", TOPIC, "mine of 1"]
    assert structlog.contextvars.get_contextvars() == {}


def test_the_line_for_loguru_works():
    sink = []
    number = loguru.add(lambda message: sink.append(message.record["extra"]), level="INFO")
    loguru.configure(patcher=lambda record: record["extra"].update(logs.fields()))
    try:
        assert App(1).run(lambda record: loguru.info("said"), plugins=[LogContext()]) is None
        loguru.info("outside")
    finally:
        loguru.remove(number)
        loguru.configure(patcher=lambda record: None)

    assert [tuple(extra[name] for name in FIELDS) for extra in sink] == [at(0), NONE]


class Broken:
    """Stands in for structlog's module of variables."""

    def __init__(self, bind, reset):
        self.bind_contextvars, self.reset_contextvars = bind, reset


def raising(**_):
    raise LookupError("on purpose")


@pytest.mark.parametrize(("bind", "reset"), [
    (raising, raising), (lambda **_: {}, raising), (lambda **_: 7, lambda **_: None), (dict, lambda: None),
    (None, None),
])  # fmt: skip
@pytest.mark.parametrize("executor", ["thread-pool", "asyncio"])
def test_a_broken_structlog_costs_no_record(kept, monkeypatch, bind, reset, executor):
    monkeypatch.setitem(sys.modules, "structlog.contextvars", Broken(bind, reset))
    app = App(5, executor)

    def say_and_fail_once(record):
        say(record)
        if logs.current.get().attempt == 1:
            raise ValueError

    class Again:
        @hookimpl
        def on_error(self):
            return Retry(0)

    assert app.run(say_and_fail_once, plugins=[LogContext(), Again()], workers=1) is None

    assert app.committed == 5
    expected = [[at(offset), at(offset, attempt=2)] for offset in range(5)]
    assert [kept.fields(f"said at {offset}") for offset in range(5)] == expected
    said = [line for line in kept.lines if "structlog failed" in line.getMessage()]
    assert len(said) == 1


def test_a_structlog_that_breaks_for_many_records_at_once_is_logged_once(kept, monkeypatch):
    monkeypatch.setitem(sys.modules, "structlog.contextvars", Broken(lambda **_: {}, raising))
    all_bound = threading.Barrier(8)

    class WaitsForAll:
        @hookimpl
        def on_error(self):
            all_bound.wait(60)
            return Skip("all of them fail")

    options = {"plugins": [LogContext(), WaitsForAll()], "workers": 8, "ordering": "unordered"}
    assert App(8).run(lambda _: 1 / 0, **options) is None

    assert len([line for line in kept.lines if "structlog failed" in line.getMessage()]) == 1


# The factory


def test_the_factory_of_the_application_goes_on_working(kept):
    def own(*args, **kwargs):
        record = STANDARD(*args, **kwargs)
        record.mine = "here"
        return record

    logging.setLogRecordFactory(own)
    try:
        assert App(1).run(say, plugins=[LogContext()]) is None
        assert logging.getLogRecordFactory() is own
    finally:
        logging.setLogRecordFactory(STANDARD)
    (line,) = [line for line in kept.lines if line.getMessage() == "said at 0"]
    assert (line.mine, line.kafka_offset) == ("here", 0)


def test_the_factory_stays_until_the_last_consumer_has_stopped(kept):
    first, second = App(1), App(1)
    inside, go_on = threading.Event(), threading.Event()

    def wait(record):
        inside.set()
        assert go_on.wait(60)
        say(record)

    parallel = first.parallel(plugins=[LogContext()])
    parallel.start(wait)
    assert inside.wait(60)
    assert second.run(say, plugins=[LogContext()]) is None
    assert logging.getLogRecordFactory() is not STANDARD
    go_on.set()
    parallel.stop()
    assert parallel.join(60_000)

    assert kept.fields("said at 0") == [at(0)] * 2


def test_a_factory_that_came_meanwhile_stays(kept):
    def replaced(*args, **kwargs):
        return STANDARD(*args, **kwargs)

    def handle(record):
        logging.setLogRecordFactory(replaced)

    try:
        assert App(1).run(handle, plugins=[LogContext()]) is None
        assert logging.getLogRecordFactory() is replaced
        assert App(1).run(say, plugins=[LogContext()]) is None
        assert kept.fields("said at 0") == [at(0)]
        assert logging.getLogRecordFactory() is replaced
    finally:
        logging.setLogRecordFactory(STANDARD)


def test_a_second_consumer_sees_to_it_that_a_replaced_factory_has_the_fields(kept):
    def handle(record):
        logging.setLogRecordFactory(STANDARD)
        assert App(1).run(say, plugins=[LogContext()]) is None

    assert App(1).run(handle, plugins=[LogContext()]) is None
    assert kept.fields("said at 0") == [at(0)]


def test_a_factory_around_ours_is_left_alone_and_nothing_grows(kept):
    wrapped = []

    def handle(record):
        inner = logging.getLogRecordFactory()
        wrapped.append(lambda *args, **kwargs: inner(*args, **kwargs))
        logging.setLogRecordFactory(wrapped[-1])

    try:
        assert App(1).run(handle, plugins=[LogContext()]) is None
        for _ in range(3):
            assert App(1).run(say, plugins=[LogContext()]) is None
            assert logging.getLogRecordFactory() is wrapped[-1], "ours was put around it once more"
    finally:
        logging.setLogRecordFactory(STANDARD)
    assert kept.fields("said at 0") == [at(0)] * 3


def test_a_factory_that_raises_reaches_no_record():
    def broken(*args, **kwargs):
        raise LookupError

    app = App(2)
    logging.setLogRecordFactory(broken)
    try:
        assert app.run(plugins=[LogContext()]) is None
        assert logging.getLogRecordFactory() is broken
    finally:
        logging.setLogRecordFactory(STANDARD)
    assert app.committed == 2


def test_a_start_that_is_refused_puts_the_factory_back():
    class Refuses:
        @hookimpl(tryfirst=True)
        def on_start(self):
            raise ValueError

    for plugins in ([LogContext(), Refuses()], [Refuses(), LogContext()]):
        assert isinstance(App(1).run(plugins=plugins), ValueError)
        assert logging.getLogRecordFactory() is STANDARD


def test_our_factory_makes_what_the_one_before_makes():
    made = SimpleNamespace()

    assert around(lambda *args, **kwargs: made)("name") is made
    assert vars(made) == dict.fromkeys(FIELDS)


# Names that the application uses itself


def say_with_extra(record):
    OTHER.info("said at %d", record.offset, extra={"kafka_topic": "mine", "kafka_offset": -1, "other": 7})


def test_the_extra_of_the_application_wins(kept):
    assert App(2).run(say_with_extra, plugins=[LogContext()]) is None

    for offset in range(2):
        assert kept.fields(f"said at {offset}") == [("mine", 0, -1, GROUP, 1, None, None)]
    assert [line.other for line in kept.lines if line.getMessage().startswith("said")] == [7, 7]


def test_the_extra_of_the_application_wins_outside_of_records(kept):
    class Says:
        @hookimpl
        def on_stop(self):
            OTHER.info("stopped", extra={"kafka_group": "mine"})

    assert App(1).run(plugins=[LogContext(), Says()]) is None
    assert kept.fields("stopped") == [(None, None, None, "mine", None, None, None)]


def test_logging_goes_on_refusing_names_of_its_own():
    def handle(record):
        with pytest.raises(KeyError, match="overwrite 'name'"):
            OTHER.warning("said", extra={"name": "mine"})
        SEEN.append(record.offset)

    assert App(1).run(handle, plugins=[LogContext()]) is None
    assert SEEN == [0]


def test_formatters_find_the_fields_among_the_attributes(kept):
    assert App(1).run(say, plugins=[LogContext()]) is None

    (line,) = [line for line in kept.lines if line.getMessage() == "said at 0"]
    assert "kafka_topic" in line.__dict__
    assert "kafka_topic" in vars(line)
    assert {**line.__dict__}["kafka_offset"] == json.loads(json.dumps(line.__dict__))["kafka_offset"] == 0
    assert logging.Formatter("{kafka_topic}", style="{").format(line) == TOPIC


@pytest.mark.parametrize("again", [
    copy.copy, copy.deepcopy, *(lambda line, n=n: pickle.loads(pickle.dumps(line, n)) for n in range(6)),
])  # fmt: skip
def test_copies_of_a_line_have_the_fields(kept, again):
    assert App(1).run(say_with_extra, plugins=[LogContext()]) is None

    (line,) = [line for line in kept.lines if line.getMessage() == "said at 0"]
    assert fields_of(again(line)) == ("mine", 0, -1, GROUP, 1, None, None)
    assert again(line).other == 7


def test_a_pickled_line_needs_no_module_of_ours(kept):
    assert App(1).run(say, plugins=[LogContext()]) is None

    (line,) = [line for line in kept.lines if line.getMessage() == "said at 0"]
    pickled = [*pickletools.genops(pickle.dumps(line)), *pickletools.genops(pickle.dumps(line, 0))]
    assert not [found for _, found, _ in pickled if "kafka_parallel" in str(found)]


def test_a_queue_of_lines_carries_the_fields():
    lines, kept = queue.Queue(), Kept()
    handler = logging.handlers.QueueHandler(lines)
    OTHER.addHandler(handler)
    OTHER.setLevel(logging.INFO)
    try:
        assert App(1).run(say, plugins=[LogContext()]) is None
    finally:
        OTHER.removeHandler(handler)
        OTHER.setLevel(logging.NOTSET)
    listener = logging.handlers.QueueListener(lines, kept)
    listener.start()
    listener.stop()
    assert kept.fields("said at 0") == [at(0)]


# Settings


@pytest.mark.parametrize("wrong", [
    {"keys": "yes"}, {"keys": 1}, {"keys": None}, {"structlog": "yes"}, {"structlog": 0},
])  # fmt: skip
def test_a_wrong_setting_is_refused(wrong):
    with pytest.raises(ConfigurationError, match=f"{next(iter(wrong))} of plugin log-context is"):
        LogContext(**wrong)


def test_an_unknown_setting_is_refused_by_name():
    with pytest.raises(ConfigurationError, match="it has no 'key'; it has keys, structlog"):
        App().parallel(plugins=[("log-context", {"key": True})])


def test_structlog_that_is_wanted_and_missing_is_refused(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    with pytest.raises(PluginError, match="pip install structlog"):
        LogContext(structlog=True)


def test_one_object_for_two_consumers_is_refused():
    shared = LogContext()

    def handle(record):
        SEEN.append(App(1).run(plugins=[shared]))

    assert App(1).run(handle, plugins=[shared]) is None
    (error,) = SEEN
    assert isinstance(error, ConfigurationError)
    assert "one object" in str(error)


def test_one_object_may_serve_one_consumer_after_another(kept):
    shared = LogContext()
    for _ in range(2):
        assert App(1).run(say, plugins=[shared]) is None
    assert kept.fields("said at 0") == [at(0)] * 2


# The module


def test_the_fields_are_those_of_the_current_record():
    def inside():
        logs.current.set(RecordInfo("t", 1, 2, "g", 3))
        return logs.fields()

    def inside_of_one_that_is_made_when_it_is_asked_for():
        raw = SimpleNamespace(topic="t", partition=1, offset=2)
        logs.current.set((lambda raw, attempt: RecordInfo.of(raw, "g", attempt), raw, 3))
        return logs.current.get().fields()

    expected = dict(zip(FIELDS, ("t", 1, 2, "g", 3, None, None), strict=True))
    assert contextvars.copy_context().run(inside) == expected
    assert contextvars.copy_context().run(inside_of_one_that_is_made_when_it_is_asked_for) == expected
    assert logs.fields() == dict.fromkeys(FIELDS)
    logs.fields()["kafka_topic"] = "changed"
    assert logs.fields() == dict.fromkeys(FIELDS)


def test_a_batch_whose_coroutine_is_closed_in_another_context_raises_nothing():
    """The garbage collector does so with a handler that still waited when its event loop ended."""
    attempt = SimpleNamespace(raw=SimpleNamespace(topic="t", partition=0, offset=7, key=None), attempt=1)
    around_batch = LogContext(structlog=True).on_batch(BatchContext((attempt,)))
    contextvars.copy_context().run(next, around_batch)

    around_batch.close()

    assert logs.current.get() is None
    assert structlog.contextvars.get_contextvars() == {}
