"""Functions that do nothing when called are refused at start; what returns work to be done has failed."""

from __future__ import annotations

import functools
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import pytest
from greenlet import greenlet
from kafka.future import Future as KafkaFuture

from kafka_parallel import Batch, ConfigurationError, HandlerUnfinished, PluginError, hookimpl
from kafka_parallel.testing.simulation.user_code import BEHAVIOURS
from kafka_parallel.unfinished import require_finished
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
    """A wrapper that forgets to return what its handler returned, as many do; it hears what became of the record."""

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


class HasNoName:
    """Raises whatever it is asked."""

    def __getattribute__(self, name):
        raise ValueError(name)

    def __await__(self):
        yield


@pytest.mark.parametrize("kind", ["a pool of threads", "a pool of processes", "kafka-python", "gevent", "filter"])
def test_promises_that_cannot_be_awaited_are_known(kind):
    with ThreadPoolExecutor(1) as threads, ThreadPool(1) as processes:  # the latter has the promises of the real one
        promise = {
            "a pool of threads": lambda: threads.submit(print),
            "a pool of processes": lambda: processes.apply_async(print),
            "kafka-python": KafkaFuture,  # what a producer's send() returns derives from it
            "gevent": lambda: greenlet(print),
            "filter": lambda: filter(None, []),
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
