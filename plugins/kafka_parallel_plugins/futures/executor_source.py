"""The executor that calls are submitted to: the user's own, or one that a function makes, and makes anew if it breaks.

The user's own executor is never shut down here. One that was made here is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from pkgutil import resolve_name
from typing import Any

from kafka_parallel import ConfigurationError
from kafka_parallel.executors import Program
from kafka_parallel.plugin_support import class_name, get_logger, shown, wrong_setting
from kafka_parallel_plugins.futures import remote

__all__ = ()

log = get_logger("kafka_parallel_plugins.futures")

# The interval, in seconds, at which a start looks whether the run is about to end.
LOOK_EVERY = 0.1
# The most executors in a row that may be made and not run a call, before the consumer stops.
MOST_FAILED_STARTS = 3
MUST_BE = (
    "a concurrent.futures.Executor (client.get_executor() for a Client of Dask), a function without arguments that "
    "makes one, or 'module:name' of either"
)


class ExecutorSource:
    """The origin of executors.

    :param given: an executor, a function that makes one, or the place of either as ``"module:name"``.
    :param start_timeout: seconds that an executor gets to run a first call, which imports the handler.
    :param thread_module: the module ``threading``; a simulation gives a substitute.
    :param clock: tells seconds.
    """

    def __init__(
        self,
        given: Any,
        start_timeout: float,
        thread_module: Any = threading,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._thread_module = thread_module
        self._clock = clock
        self._given = given
        self._start_timeout = start_timeout
        self._make: Callable[[], Any] | None = None
        self._executor: Executor | None = None
        self._program: Program
        self._replacing = thread_module.Lock()
        self._is_over = thread_module.Event()

    def open(self, program: Program, is_stopping: Callable[[], bool]) -> bool:
        """Have the executor, and wait until it has imported the handler; tell whether it did, or the run is to end.

        :raises ConfigurationError: it cannot.
        """
        self._program = program
        found = _at(self._given) if isinstance(self._given, str) else self._given
        if isinstance(found, Executor):
            self._executor = found
        elif callable(found):
            self._make, self._executor = found, _made(found)
        else:
            raise wrong_setting("futures", "executor", found, MUST_BE)
        return self._try_out(self._executor, is_stopping)

    def submit(self, *call: Any, **options: Any) -> tuple[Executor | None, Future[Any]]:
        """Submit a call; an executor that is broken is replaced, if it was made here. Return the one that took it.

        :raises ConfigurationError: no executor takes it.
        """
        while True:
            executor = self._executor
            try:
                return executor, executor.submit(*call, **options)  # type: ignore[union-attr]
            except BrokenExecutor as error:
                if self._make is None:
                    raise ConfigurationError(
                        f"the executor {shown(executor)} of plugin futures is broken ({error}), and was given as it "
                        "is: give a function that makes it, executor=('futures', {'executor': make_executor}), and it "
                        "is made anew"
                    ) from error
                self.replace(executor)
            except Exception as error:
                raise ConfigurationError(
                    f"the executor {shown(executor)} of plugin futures takes no calls ({error}): end the consumer "
                    "before the executor is shut down"
                ) from error

    def close(self, *, waits: bool) -> None:
        """Shut the executor down if it was made here; a later call does nothing. The thread of run() calls it."""
        if self._is_over.is_set():
            return
        self._is_over.set()
        if self._make is not None and self._executor is not None:
            self._shut_down(self._executor, waits=waits)

    # Replacement

    def replace(self, broken: Executor | None) -> None:
        """If *broken* was made here, wait until its workers are gone, and make another, unless that has been done.

        A pool of processes fails its futures before it ends the processes: a handler that runs on there would run
        beside a retry of its record.

        :raises ConfigurationError: several in a row could not be used.
        """
        if self._make is None or broken is None:
            return
        with self._replacing:
            if self._executor is not broken or self._is_over.is_set():
                return
            self._shut_down(broken, waits=True)
            self._executor = self._new(self._make)
            if self._is_over.is_set():  # close() may have found the broken one
                self._shut_down(self._executor, waits=False)

    def _new(self, make: Callable[[], Any]) -> Executor:
        """Make an executor that has run a call; several times, if need be."""
        failures = 0
        while True:
            executor = _made(make)
            try:
                self._try_out(executor, self._is_over.is_set)
            except ConfigurationError:
                failures += 1
                self._shut_down(executor, waits=False)
                if failures == MOST_FAILED_STARTS:
                    raise
            else:
                return executor

    # see docs/decisions/0100-futures-of-any-executor.md
    def _try_out(self, executor: Executor, is_over: Callable[[], bool]) -> bool:
        """Have *executor* import the handler once; tell whether it did, or *is_over*."""
        who = f"the executor {shown(executor)} of plugin futures"
        done = self._thread_module.Event()
        try:
            future = executor.submit(remote.import_program, self._program.payload)
            future.add_done_callback(lambda _: done.set())
        except Exception as error:
            raise ConfigurationError(f"{who} takes no calls ({error}): give one that is not shut down") from error
        if not self._has_ended(done, is_over):
            future.cancel()
            if is_over():
                return False
            raise ConfigurationError(
                f"{who} did not import {self._program.name} within start_timeout_ms={self._start_timeout * 1000:g}: "
                "does it have workers that are free?"
            )
        self._require_import(who, future)
        return True

    def _has_ended(self, done: Any, is_over: Callable[[], bool]) -> bool:
        """Wait for *done*, and tell whether it came before the start has to end or *is_over*."""
        deadline = self._clock() + self._start_timeout
        while not done.wait(max(0.0, min(LOOK_EVERY, deadline - self._clock()))):
            if is_over() or self._clock() >= deadline:
                return False
        return True

    def _require_import(self, who: str, future: Future[remote.Outcome]) -> None:
        """Check the end of a first call.

        :raises ConfigurationError: it has not imported the handler.
        """
        name = self._program.name
        try:
            outcome = future.result()
        except CancelledError as error:
            raise ConfigurationError(
                f"the call by which {who} was to import {name} was cancelled: keep the executor open, and let "
                "kafka-parallel alone cancel the futures that it submits; a cluster cancels a call that it cannot "
                "read, too: kafka-parallel must be installed where its workers run, in the same version"
            ) from error
        except Exception as error:
            raise ConfigurationError(
                f"{who} cannot run calls ({class_name(error)}: {error}): kafka-parallel must be installed where "
                "its workers run, in the same version"
            ) from error
        if outcome.import_error is not None:
            raise not_importable(who, name, outcome.import_error)

    @staticmethod
    def _shut_down(executor: Executor, *, waits: bool) -> None:
        try:
            executor.shutdown(wait=waits)
        except Exception as error:  # noqa: BLE001 - the run has ended or has another executor: it is told, and goes on
            log.warning("the executor %s cannot be shut down (%s); its workers may be left", shown(executor), error)


def require_executor(given: object) -> None:
    """Check that executors can come from *given*.

    :raises ConfigurationError: they cannot.
    """
    if not (isinstance(given, Executor) or callable(given) or _is_place(given)):
        raise wrong_setting("futures", "executor", given, MUST_BE)


def not_importable(who: str, name: str, trace: str) -> ConfigurationError:
    """The error of a handler that the workers of an executor cannot import."""
    return ConfigurationError(
        f"a worker of {who} cannot import {name}; it must be in a module that is installed there, and not in the main "
        f"module of this program:\n{trace}"
    )


def _is_place(given: object) -> bool:
    module, colon, name = given.partition(":") if isinstance(given, str) else ("", "", "")
    return bool(module and colon and name)


def _at(place: str) -> Any:
    """Import the object at ``"module:name"``."""
    try:
        return resolve_name(place)
    except Exception as error:
        raise ConfigurationError(
            f"executor={place!r} of plugin futures cannot be imported ({class_name(error)}: {error})"
        ) from error


def _made(make: Callable[[], Any]) -> Executor:
    """Call the user's function.

    :raises ConfigurationError: it raises, or makes something else.
    """
    try:
        executor = make()
    except Exception as error:
        raise ConfigurationError(
            f"the function {shown(make)} of plugin futures made no executor ({class_name(error)}: {error})"
        ) from error
    if not isinstance(executor, Executor):
        raise ConfigurationError(
            f"the function {shown(make)} of plugin futures made {shown(executor)}: it must make a "
            "concurrent.futures.Executor"
        )
    return executor
