"""Functions that do nothing when called are refused at start; one that returns work to be done has failed."""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import pytest
from greenlet import greenlet
from kafka.future import Future as KafkaFuture

from kafka_parallel import (
    Batch,
    ConfigurationError,
    Halt,
    HandlerUnfinished,
    PluginError,
    RecordFailed,
    Retry,
    Skip,
    hookimpl,
)
from kafka_parallel._unfinished import require_finished
from kafka_parallel.testing.simulation.user_code import BEHAVIOURS, Behaviour
from kafka_parallel_plugins.key_ordered import KeyOrdered
from tests.runtime.app import App
from tests.runtime.cell import HANDLERS, ODD, Cell, handle, handle_at_once, require

ON = pytest.mark.parametrize("executor", HANDLERS)
SINGLE_OR_BATCH = pytest.mark.parametrize("batch", [None, Batch(max_records=2)], ids=["single", "batch"])


def generate(given):
    yield


async def generate_async(given):
    yield


class Generating:
    def __call__(self, given):
        yield


NEVER_RUN = {
    "a context manager": contextlib.contextmanager(generate),
    "an async context manager": contextlib.asynccontextmanager(generate_async),
    "a generator function": generate,
    "an async generator function": generate_async,
    "one behind a partial": functools.partial(generate),
    "an object": Generating(),
    "a method": Generating().__call__,
    "an object behind a partial": functools.partial(functools.partial(Generating())),
}


@pytest.mark.parametrize("batch", [None, Batch()], ids=["single", "batch"])
@pytest.mark.parametrize("handler", NEVER_RUN.values(), ids=NEVER_RUN)
def test_a_handler_that_a_call_does_not_run_is_refused(handler, batch):
    app = App()

    with pytest.raises(ConfigurationError, match="has a yield in it"):
        app.parallel().run(handler, batch)

    assert app.committed == 0


@pytest.mark.parametrize("ordering", [*NEVER_RUN.values(), handle_at_once], ids=[*NEVER_RUN, "async def"])
def test_an_ordering_that_a_call_does_not_run_is_refused(ordering):
    class Ordered:
        @hookimpl
        def provide_ordering(self):
            return ordering

    with pytest.raises(ConfigurationError, match="give a plain function"):
        App().parallel(ordering=ordering)
    with pytest.raises(PluginError, match="no async and no yield"):
        App().parallel(plugins=[Ordered()]).run(handle)
    with pytest.raises(ConfigurationError, match="give a function"):
        KeyOrdered(key=ordering)


class Swallowing:
    """A wrapper that forgets to return its handler's value, as many do; it hears the outcome of the record."""

    def __init__(self):
        self.errors = []

    @hookimpl(wrapper=True)
    def on_record(self):
        yield

    @hookimpl
    def on_handled(self, handled):
        self.errors += [type(error) for record, *_, error in handled if record.offset == ODD]


@ON
@SINGLE_OR_BATCH
@pytest.mark.parametrize("name", ["returns a coroutine", "returns a map"])
def test_work_is_found_inside_of_the_wrappers_and_told_as_a_failure(name, executor, batch):
    plugin, behaviour = Swallowing(), next(found for found in BEHAVIOURS if found.name == name)
    cell = Cell("handler", behaviour, executor, batch=batch)

    require(cell.run(plugins=[plugin]), "failed", "handle")

    assert plugin.errors == [HandlerUnfinished]


class AskedFirst:
    """Lets the handler have every record, but could answer in its place."""

    @hookimpl
    def on_record(self):
        return None


@ON
@SINGLE_OR_BATCH
@pytest.mark.parametrize("plugins", [[], [AskedFirst()]], ids=["alone", "surrounded"])
@pytest.mark.parametrize("verdict", [Retry(5), Skip("no"), Halt("stop")], ids=["Retry", "Skip", "Halt"])
def test_an_answer_of_on_error_that_a_handler_returns_is_a_failure(verdict, plugins, executor, batch):
    behaviour = Behaviour("returns a verdict", lambda _given, _public: verdict, "failed", is_work=True)
    cell = Cell("handler", behaviour, executor, batch=batch)

    require(cell.run(plugins=plugins), "failed", "handle")

    assert f"returned {type(verdict).__name__}(...): that is an answer of on_error" in str(cell.error.__cause__)


class Skipping:
    @hookimpl
    def on_record(self, record):
        return Skip("not ours") if record.offset == ODD else None


@ON
@SINGLE_OR_BATCH
def test_a_plugin_may_skip_a_record_in_place_of_its_handler(executor, batch):
    cell = Cell("nowhere", BEHAVIOURS[0], executor, batch=batch)

    cell.run(plugins=[Skipping()])

    assert (cell.error, cell.asked, cell.app.committed) == (None, [], 3)


def foreign(module, name, base):
    """Stand in for a class of a library that the tests do without: it is known by its name alone, also as a base."""
    return type("Derived", (type(name, (base,), {"__module__": module}),), {})


class HasNoName:
    """Raises whatever it is asked."""

    def __getattribute__(self, name):
        raise ValueError(name)

    def __await__(self):
        yield


@pytest.mark.parametrize(
    "kind",
    [
        "a pool of threads",
        "a pool of processes",
        "imap",
        "kafka-python",
        "gevent",
        "filter",
        "a thread",
        "starmap",
        "celery",
        "dask",
    ],
)
def test_promises_that_cannot_be_awaited_are_known(kind):
    with ThreadPoolExecutor(1) as threads, ThreadPool(1) as processes:  # the latter has the promises of the real one
        promise = {
            "a pool of threads": lambda: threads.submit(print),
            "a pool of processes": lambda: processes.apply_async(print),
            "imap": lambda: processes.imap(print, []),
            "kafka-python": KafkaFuture,  # the result of a producer's send() derives from it
            "gevent": lambda: greenlet(print),
            "filter": lambda: filter(None, []),
            "a thread": lambda: threading.Thread(target=print),
            "starmap": lambda: itertools.starmap(print, [("not called",)]),
            "celery": foreign("celery.canvas", "Signature", dict),
            "dask": foreign("dask.delayed", "Delayed", object),
        }[kind]()

    with pytest.raises(HandlerUnfinished, match="instead of doing its work"):
        require_finished(promise)


def test_the_message_says_which_function_and_asks_what_cannot_answer_nothing():
    async def save():
        """Is not awaited."""

    with pytest.raises(HandlerUnfinished, match=r"coroutine of 'test_the.*save' instead of doing its work: make"):
        require_finished(save())
    with pytest.raises(HandlerUnfinished, match="a HasNoName"):
        require_finished(HasNoName())


@pytest.mark.parametrize("returned", [None, 1, "done", [], {}, object(), threading.Thread, iter([]), range(3)])
def test_other_results_do_not_matter(returned):
    require_finished(returned)


def entered():
    manager = contextlib.contextmanager(generate)(None)
    manager.__enter__()
    return manager


def ended_thread():
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    return thread


class Session:
    """As libraries for databases have it: it can be entered, both ways, and be waited for."""

    gen, args, func = (record for record in ()), (), None

    def __enter__(self):
        raise AssertionError("it is not asked")

    __exit__ = __aenter__ = __aexit__ = get = wait = result = __enter__


@pytest.mark.parametrize("make", [entered, ended_thread, Session, threading.Lock, contextlib.nullcontext,
                                  contextlib.ExitStack, io.StringIO, foreign("celery.result", "AsyncResult",
                                  Session)])  # fmt: skip
def test_objects_that_can_be_entered_or_waited_for_may_be_returned(make):
    require_finished(make())


def retry(times=3):
    """Is to be written with parentheses: without, the handler is passed as *times*."""

    def decorate(function):
        @functools.wraps(function, assigned=())
        def call(record):
            return function(record)

        return call

    return decorate


class Saves:
    def save(self):
        """Is not called."""


@pytest.mark.parametrize(
    "handler", [retry(handle), lambda given: functools.partial(print, given), lambda given: Saves().save,
                lambda given: [given].sort, lambda given: lambda: print(given)]
)  # fmt: skip
def test_a_handler_that_returns_a_function_instead_of_calling_it_has_failed(handler):
    app = App()

    with pytest.raises(RecordFailed) as raised:
        app.parallel().run(handler)

    assert isinstance(raised.value.__cause__, HandlerUnfinished)
    assert "parentheses may be missing" in str(raised.value.__cause__)
    assert app.committed == 0


def test_a_coroutine_that_has_begun_is_left_alone():
    class Pause:
        def __await__(self):
            yield

    async def work():
        try:
            await Pause()
        finally:
            left.append("closed")

    left = []
    running = work()
    running.send(None)

    with pytest.raises(HandlerUnfinished):
        require_finished(running)

    assert left == []
    running.close()
