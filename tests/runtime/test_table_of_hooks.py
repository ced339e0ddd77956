"""Every hook, in every shape, with every behaviour: the fate of the records.

The kind is all of user code in plugins. The oracle knows four endings: all records handled and committed; the run goes
on and the broken part of the plugin is not done (said in the log); run() ended with an error and the record is
uncommitted; refused before a record was taken. In none of them is a record committed that was neither handled nor
decided, or a commit counted that no broker confirmed. The bare client beside it has no plugins: it would handle and
commit all.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import threading
from types import SimpleNamespace

import pytest

from kafka_parallel import Batch, ParallelConsumer, PluginError, Skip, hookimpl
from kafka_parallel._plugins.manager import HOOKS
from tests.runtime.app import GROUP, PARTITION, App
from tests.runtime.elsewhere import Elsewhere

RECORDS = 3
PATIENCE = 60.0


class OwnError(BaseException):
    """The error of a library that thinks it is special."""


async def work():
    """Nothing awaits it."""


def generate():
    yield


@contextlib.contextmanager
def manage():
    yield


def raising(error):
    def act():
        raise error

    act.__name__ = f"raises {error.__name__}"
    return act


def nothing():
    """Answers None."""


ANSWERS = {"junk": lambda: "junk", "a number": lambda: 7, "a coroutine": work, "a generator": generate,
           "a context manager": manage}  # fmt: skip
ERRORS = {error.__name__: raising(error) for error in
          (ValueError, StopIteration, StopAsyncIteration, asyncio.CancelledError, GeneratorExit, OwnError,
           KeyboardInterrupt, SystemExit, MemoryError)}  # fmt: skip
ACTS = {"None": nothing, **ANSWERS, **ERRORS}
IS_WORK = {"a coroutine", "a generator", "a context manager"}
ENDS_ALL = {"GeneratorExit", "OwnError", "KeyboardInterrupt", "SystemExit", "CancelledError"}
OBSERVED = {"on_handled", "on_backpressure", "on_assign", "on_revoke", "on_worker_end", "on_stop"}
WRAPPED = {"on_record", "on_batch", "on_error", "on_commit"}
RUNS_HANDLERS = {"on_record", "on_batch"}


def plain(act):
    def implementation():
        return act()

    return hookimpl(implementation)


def wrapper(act):
    def implementation():
        act()
        return (yield)

    return hookimpl(wrapper=True)(implementation)


def wrapper_after(act):
    def implementation():
        yield
        return act()

    return hookimpl(wrapper=True)(implementation)


def old_wrapper(act):
    def implementation():
        act()
        yield

    return hookimpl(hookwrapper=True)(implementation)


def old_wrapper_after(act):
    def implementation():
        yield
        act()

    return hookimpl(hookwrapper=True)(implementation)


def coroutine_function(act):
    async def implementation():
        await asyncio.sleep(0)
        return act()

    return hookimpl(implementation)


def unmarked_generator(act):
    def implementation():
        act()
        yield

    return hookimpl(implementation)


def async_generator(act):
    async def implementation():
        act()
        yield

    return hookimpl(implementation)


def partial(act):
    return hookimpl(functools.partial(act))


class Callable:
    def __init__(self, act):
        self._act = act

    def __call__(self):
        return self._act()


def instance(act):
    return hookimpl(Callable(act))


def at_first(act):
    """Do it twice, and nothing from then on: a failed commit is due for ten seconds at the end of a run."""
    left = [act, act]
    return lambda: left.pop()() if left else None


NEVER = [unmarked_generator, async_generator, partial, instance]
AROUND = [wrapper, wrapper_after, old_wrapper, old_wrapper_after]


def each(one, *, is_async):
    """Make a handler of single records one of lists."""

    def handle(records):
        for record in records:
            one(record)

    async def handle_async(records):
        for record in records:
            await one(record)

    return handle_async if is_async else handle


HANDLED = []


def handle_elsewhere(record):
    """A handler that can be sent."""
    HANDLED.append(record.offset)
    RunOf.current.stop_behind(record)


class RunOf:
    """An application with one plugin, run to its end within a watchdog: it stops at the last record."""

    current: RunOf

    def __init__(self, hook, implementation, executor):
        RunOf.current = self
        self.app = app = App(RECORDS, executor)
        self.decided = []
        self.has_begun = False
        self.error = None

        class Witness:
            @hookimpl
            def on_assign(witness):  # noqa: N805
                self.has_begun = True

            @hookimpl(wrapper=True)
            def on_error(witness, record):  # noqa: N805 - self is taken
                answer = yield
                if isinstance(answer, Skip):
                    self.decided.append(record.offset)
                return answer

        def act(record):
            if hook == "on_revoke" and record.offset == 0:
                app.cluster.group(GROUP).rebalance()
            if hook == "on_error":
                raise LookupError("the handler's own")
            self.stop_behind(record)

        consumer = app.consumer(consumer_timeout_ms=float("inf"))
        options = {"workers": 2, "max_buffered_records": 2, "install_signal_handlers": False}
        plugins = [SimpleNamespace(**{hook: implementation}), Witness()]
        if hook == "provide_child_wrapper":
            plugins.append(Elsewhere())
        elif hook != "provide_executor":
            options["executor"] = executor
        self.parallel = ParallelConsumer(consumer, plugins=plugins, **options)
        one = app.handle(act)
        if hook == "provide_child_wrapper":
            one, app.handled = handle_elsewhere, HANDLED
            HANDLED.clear()
        self.batch = Batch(max_records=2, max_wait_ms=5) if hook == "on_batch" else None
        handler = one if self.batch is None else each(one, is_async=executor == "asyncio")
        thread = threading.Thread(target=self._run, args=[handler], daemon=True)
        thread.start()
        thread.join(PATIENCE)
        assert not thread.is_alive(), "it hangs"

    def _run(self, handler):
        try:
            self.parallel.run(handler, batch=self.batch)
        except BaseException as error:
            self.error = error

    def stop_behind(self, record):
        """Stop if *record* is the last: all have the same key, so those before it are done."""
        if record.offset == RECORDS - 1:
            self.parallel.stop()

    def check_promises(self):
        """Nothing is committed that was neither handled nor decided; no commit is counted that is none."""
        known = {*self.app.handled, *self.decided}
        assert set(range(self.app.committed)) <= known
        with contextlib.suppress(Exception):  # it never began
            counted = self.parallel.statistics().committed.get(PARTITION, 0)
            assert counted <= self.app.committed

    @property
    def ending(self):
        if self.error is None:
            return "all" if self.app.committed == RECORDS else "loses commits"
        return "ends" if self.has_begun else "refused"


def expected(hook, shape, act):
    """How it must end."""
    is_answer = shape in (plain, coroutine_function)
    if hook == "on_error":
        return "ends"  # the handler failed, and no record was decided
    if act == "None" or (act in ANSWERS and not is_answer):
        return "all"
    if hook in OBSERVED or hook == "on_commit":  # offsets that were not committed at first are, later
        return "ends" if act in ENDS_ALL else "all"
    if hook in RUNS_HANDLERS:
        return "ends"
    is_asked = hook not in ("on_start", "on_throttle")
    return "all" if act in ANSWERS and act not in IS_WORK and not is_asked else "refused"


CELLS = [
    *[(hook, plain, act) for hook in HOOKS for act in ACTS],
    *[(hook, shape, act) for hook in sorted(WRAPPED) for shape in AROUND for act in ACTS if act not in IS_WORK],
]


def cells(executors):
    return [
        pytest.param(*cell, executor, id=f"{cell[0]}-{cell[1].__name__}-{cell[2]}-{executor}")
        for executor in executors
        for cell in CELLS
        if executor == "thread-pool" or cell[0] in ("on_record", "on_batch", "on_error", "on_handled")
    ]


@pytest.mark.parametrize(("hook", "shape", "act", "executor"), cells(["thread-pool", "asyncio"]))
def test_what_becomes_of_the_records(hook, shape, act, executor, caplog):
    with caplog.at_level(logging.ERROR):
        run = RunOf(hook, shape(at_first(ACTS[act]) if hook == "on_commit" else ACTS[act]), executor)

    run.check_promises()
    is_awaited = hook in RUNS_HANDLERS and (act, executor) == ("a coroutine", "asyncio")
    ending = "all" if is_awaited else expected(hook, shape, act)
    assert run.ending == ending, f"{run.error!r} {run.app.handled} {run.app.committed}"
    if is_awaited:
        return
    if act in ERRORS or (shape is plain and (act in IS_WORK or (act in ANSWERS and hook in WRAPPED))):
        assert hook in caplog.text or run.error is not None, "nothing was said"


@pytest.mark.parametrize("act", ACTS)
def test_an_async_answer_beside_an_async_handler(act):
    run = RunOf("on_record", coroutine_function(ACTS[act]), "asyncio")

    run.check_promises()
    assert run.ending == expected("on_record", plain, act), repr(run.error)


@pytest.mark.parametrize("shape", [*NEVER, coroutine_function], ids=lambda shape: shape.__name__)
@pytest.mark.parametrize("hook", HOOKS)
def test_what_could_only_be_half_called_is_refused(hook, shape):
    try:
        run = RunOf(hook, shape(nothing), "thread-pool")
    except PluginError as error:
        refusal = error
    else:  # where it depends on the handler, run() refuses it
        refusal = run.error
        assert (run.app.handled, run.app.committed) == ([], 0)

    assert isinstance(refusal, PluginError)
    assert hook in str(refusal)
