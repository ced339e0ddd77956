"""Resources that belong to one worker: a database session, an HTTP client, a connection.

A `WorkerResource` is a plugin made of public hooks: the scope of an attempt tells when the resource is in use and
whether it may be broken, ``on_worker_end`` and ``on_stop`` tell when to close it. One resource never serves two
threads; the handlers of an event loop share one.
"""

from __future__ import annotations

import asyncio
import atexit
import inspect
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Generator, Iterator
from concurrent import futures
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from weakref import WeakKeyDictionary, WeakValueDictionary

from kafka_parallel.errors import ConfigurationError, PluginError, StateError
from kafka_parallel.hookspecs import hookimpl
from kafka_parallel.plugin_support import get_logger, is_async, shown
from kafka_parallel.resources._closing import Closing
from kafka_parallel.resources._workers import ResourceOfLoop, ResourceOfWorker, UseByAttempt

if TYPE_CHECKING:
    from kafka_parallel.values import AttemptScope, ChildWrapper, LeaveScope, Settings

__all__ = ["WorkerResource"]

log: logging.LoggerAdapter[logging.Logger] = get_logger(__name__)

T = TypeVar("T")
# The time that resources of an application's event loop get to be closed at the end of run_async(), in seconds.
CLOSE_TIMEOUT = 5.0

# The arguments of the user's functions.
ARGUMENTS: dict[str, tuple[str, ...]] = {
    "open": (),
    "close": ("the resource",),
    "is_broken": ("the resource", "the error"),
}

# Those of this process by their names: where a handler runs in a child process, only the name is sent there.
_by_name: WeakValueDictionary[str, WorkerResource[Any]] = WeakValueDictionary()


# see docs/decisions/0090-resources-of-workers.md
class WorkerResource(Generic[T]):
    """A resource that each worker opens once, keeps for its records, and closes at its end.

    Make it at the top of a module, give it to a consumer as a plugin, and ask for it in the handler:
    ``session = sessions.get()``. It is opened by the first record of a worker that asks. An error of *open* is an error
    of that attempt, as if the handler had raised it: ``retry`` and ``on_error`` decide, and the next attempt opens
    anew. A resource that is broken is closed as soon as no attempt uses it, and the next attempt opens another.

    A worker is a thread of the pool, a child process, or an event loop, whose handlers share one resource. A thread
    closes its resource before it ends, and after a record that missed its deadline; a child process at its end, but not
    if it is killed; an event loop when it is ended, that of ``run_async()`` when the run has ended. An error of *close*
    is logged. A thread whose handler never returns keeps its resource, for no other thread may close it.

    One object serves one run at a time.

    :param name: of the resource in messages, and of the plugin; of one kind in the process.
    :param open: opens it, on the worker; with ``async def`` handlers it may be ``async def``: see `get_async`.
    :param close: closes it, on the worker; with ``async def`` handlers it may return an awaitable. ``None`` = its own
        method ``close()``, on an event loop ``aclose()`` before that, if it has one.
    :param is_broken: is told the resource and the error of a failed attempt that used it; true = another one is opened
        for the next attempt. ``None`` = after every failed attempt. One that raises counts as true.
    :raises ConfigurationError: for a name that is not a text, or a function that cannot be called with its arguments.
    """

    serves_one_run = True

    def __init__(
        self,
        name: str,
        *,
        open: Callable[[], T | Awaitable[T]],  # noqa: A002 - the word for it
        close: Callable[[T], Any] | None = None,
        is_broken: Callable[[T, BaseException], bool] | None = None,
    ) -> None:
        _require(name, open, close, is_broken)
        self.plugin_name = name
        self._open = open
        self._is_broken = is_broken
        self._closing = Closing(name, close)
        self._attempt: ContextVar[UseByAttempt[T]] = ContextVar(f"kafka_parallel_{name}")
        self._threads = threading.local()
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, ResourceOfLoop[T]] = WeakKeyDictionary()
        self._closes_at_exit_of = 0
        _by_name[name] = self

    if not TYPE_CHECKING:  # a checker knows the attributes, and finds the same mistake

        def __getattr__(self, name: str) -> Any:
            """Say how to get at the resource, where it was asked for what only that has.

            :raises AttributeError: always.
            """
            called = self.__dict__.get("plugin_name", "")
            raise AttributeError(
                f"worker resource {called!r} has no {name!r}; get() returns the resource itself: write .get().{name}"
            )

    # The handler's side

    def get(self) -> T:
        """Return the worker's resource, opened if it is not; in a handler, or a wrapper around it.

        :raises StateError: outside of an attempt of a run that has this plugin.
        :raises ConfigurationError: *open* is ``async def``: see `get_async`.
        :raises Exception: the error of *open*.
        """
        attempt = self._current_attempt()
        if attempt.opened is None:
            opened = attempt.worker.current
            if opened is None:
                self._require_own(attempt)
                opened = attempt.worker.hold(self._opened())
            attempt.use(opened)
            return opened.resource
        return attempt.opened.resource

    async def get_async(self) -> T:
        """Return the event loop's resource, opened if it is not; handlers that ask meanwhile wait for it.

        :raises StateError: outside of an attempt of a run that has this plugin.
        :raises Exception: the error of *open*.
        """
        attempt = self._current_attempt()
        self._require_own(attempt)
        worker = cast("ResourceOfLoop[T]", attempt.worker)
        if attempt.opened is None:
            async with worker.opening:
                opened = worker.current
                if opened is None:
                    found = self._open()
                    opened = worker.hold(cast("T", await found if inspect.isawaitable(found) else found))
                attempt.use(opened)
            return opened.resource
        return attempt.opened.resource

    def _current_attempt(self) -> UseByAttempt[T]:
        attempt = self._attempt.get(None)
        if attempt is None or attempt.has_ended:
            raise StateError(
                f"worker resource {self.plugin_name!r} was asked for outside of a handler of its run: give it to the "
                "consumer, ParallelConsumer(..., plugins=[it]), and ask in the handler"
            )
        return attempt

    def _require_own(self, attempt: UseByAttempt[T]) -> None:
        if self._worker_here() is not attempt.worker:
            raise StateError(
                f"worker resource {self.plugin_name!r} was asked for on another thread than its worker's, which has "
                "not opened it: ask in the handler, and hand it to the thread"
            )

    def _opened(self) -> T:
        if is_async(self._open):
            raise ConfigurationError(
                f"open of worker resource {self.plugin_name!r} is async def: write await get_async() in an async def "
                "handler, or give a plain function"
            )
        return cast("T", self._open())

    # The run's side

    @hookimpl
    def provide_attempt_scope(self, settings: Settings) -> AttemptScope | None:
        """Let attempts at single records use it."""
        return None if settings.batch is not None else lambda *_: self._enter()

    @hookimpl(wrapper=True)
    def on_batch(self) -> Generator[None, Any, Any]:
        """Let the call of a handler that takes lists use it."""
        with self._in_attempt():
            return (yield)

    @hookimpl
    def provide_child_wrapper(self) -> ChildWrapper:
        """Let handlers in child processes use it."""
        return _ChildWrapper(self.plugin_name)

    @hookimpl
    def on_worker_end(self) -> None:
        """Close the resource of this thread."""
        worker = self._worker_of_thread()
        if worker.current is not None:
            worker.retire(worker.current)

    @hookimpl
    def on_stop(self, settings: Settings) -> None:
        """Close the resource of the application's event loop, and say what stays open."""
        loop = settings.event_loop
        worker = None if loop is None or loop.is_closed() else self._loops.get(loop)
        if worker is not None and loop is not None:
            futures.wait([asyncio.run_coroutine_threadsafe(worker.close_all(), loop)], CLOSE_TIMEOUT)
        self._closing.say_left_open()

    def _enter(self) -> LeaveScope:
        attempt = UseByAttempt(self._worker_here())
        self._attempt.set(attempt)
        return lambda error: attempt.end_use(lambda resource: error is not None and self._broke(resource, error))

    @contextmanager
    def _in_attempt(self) -> Iterator[None]:
        leave = self._enter()
        try:
            yield
        except BaseException as error:
            leave(error)
            raise
        leave(None)

    def _broke(self, resource: T, error: BaseException) -> bool:
        if self._is_broken is None:
            return True
        try:
            return bool(self._is_broken(resource, error))
        except Exception:
            log.exception("is_broken of worker resource %s failed: it counts as broken, and another one is opened",
                          self.plugin_name)  # fmt: skip
            return True

    def _worker_here(self) -> ResourceOfWorker[T]:
        """The place of the resource of the event loop that runs here, or of this thread."""
        loop = asyncio._get_running_loop()  # noqa: SLF001 - documented, and it raises nothing without a loop
        if loop is None:
            return self._worker_of_thread()
        if loop not in self._loops:
            self._loops[loop] = ResourceOfLoop(self._closing, lambda: self._forget(loop))
        return self._loops[loop]

    def _forget(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loops.pop(loop, None)

    def _worker_of_thread(self) -> ResourceOfWorker[T]:
        if not hasattr(self._threads, "worker"):
            self._threads.worker = ResourceOfWorker(self._closing)
        return cast("ResourceOfWorker[T]", self._threads.worker)

    # The child process's side

    def in_child(self) -> AbstractContextManager[None]:
        """Return what surrounds a call of the handler in a child process, which closes the resource when it ends."""
        if self._closes_at_exit_of != os.getpid():
            self._closes_at_exit_of = os.getpid()
            atexit.register(self._close_at_exit)
        return self._in_attempt()

    def _close_at_exit(self) -> None:
        if self._closes_at_exit_of == os.getpid():  # else it was forked from the process that has opened it
            self.on_worker_end()


class _ChildWrapper:
    """Finds the resource of a name where the handler runs."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, _record: object, _context: object) -> AbstractContextManager[None]:
        found = _by_name.get(self._name)
        if found is None:
            raise PluginError(
                f"worker resource {self._name!r} is not there in the child process: make it at the top of the module "
                "of the handler, so that it is made when that is imported"
            )
        return found.in_child()


def _require(name: object, *functions: object) -> None:
    if not (isinstance(name, str) and name):
        raise ConfigurationError(f"the name of a worker resource is {shown(name)}: it must be a text")
    for argument, function in zip(ARGUMENTS, functions, strict=True):
        if not (callable(function) or (function is None and argument != "open")):
            raise ConfigurationError(f"{argument} of worker resource {name!r} is {shown(function)}: give a function")
        if function is not None and (problem := _problem(function, len(ARGUMENTS[argument]))):
            right = f"give a function of {' and '.join(ARGUMENTS[argument]) or 'nothing'}"
            raise ConfigurationError(f"{argument} of worker resource {name!r} {problem}: {right}")


def _problem(function: Any, count: int) -> str | None:
    """Say why a call of *function* with *count* arguments would do nothing of use; ``None`` if it would."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return "has a yield in it, so a call of it runs nothing"
    try:
        signature = inspect.signature(function, follow_wrapped=False)
    except (TypeError, ValueError):  # it does not tell, as many functions written in C
        return None
    try:
        signature.bind(*[None] * count)
    except TypeError as error:
        return f"cannot be called so ({error})"
    return None
