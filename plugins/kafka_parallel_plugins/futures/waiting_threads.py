"""Runs handlers on any `concurrent.futures.Executor`: on another pool, on the machines of a cluster.

The threads pull as those of ``thread-pool`` do, one record or batch at a time. Each submits it as one call and waits
for its future. So there is never a doubt which record a broken worker had, and none waits behind another there.
"""

from __future__ import annotations

import pickle
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Future
from itertools import count
from typing import Any

from kafka_parallel import ConfigurationError, Executor, Settings, Work, hookimpl
from kafka_parallel.errors import WorkerDied
from kafka_parallel.executors import Program, Report
from kafka_parallel.plugin_support import class_name, wrong_setting
from kafka_parallel_plugins.futures import remote
from kafka_parallel_plugins.futures.executor_source import ExecutorSource, not_importable, require_executor
from kafka_parallel_plugins.sent_errors import exception_of
from kafka_parallel_plugins.thread_pool import Threads

__all__ = ["Futures"]

# How often a call is submitted whose future is cancelled each time by others, before the consumer stops.
MOST_CANCELLED = 3


class Futures:
    """Provides the executor ``futures``.

    :param executor: a `concurrent.futures.Executor`, which stays the application's to shut down; a function without
        arguments that makes one, which is shut down at the end and made anew if it breaks; or ``"module:name"`` of
        either.
    :param start_timeout_ms: milliseconds that an executor gets to run a first call, which imports the handler.
    """

    def __init__(self, executor: Any, start_timeout_ms: float = 60_000) -> None:
        if not isinstance(start_timeout_ms, (int, float)) or not start_timeout_ms > 0:
            raise wrong_setting("futures", "start_timeout_ms", start_timeout_ms, "a number, more than 0")
        require_executor(executor)
        self._given = executor
        self._start_timeout = start_timeout_ms / 1000

    @hookimpl
    def provide_executor(self, settings: Settings) -> Executor:
        """Provide ``settings.workers`` threads that submit calls."""
        return WaitingThreads(settings.workers, ExecutorSource(self._given, self._start_timeout))


# see docs/decisions/0100-futures-of-any-executor.md
class WaitingThreads(Threads):
    """Threads that have each of their records run by an executor, and wait for it.

    :ivar cannot_stop_handlers: deadlines are those of threads, for a call that runs cannot be ended.
    """

    cannot_stop_handlers = True

    def __init__(
        self,
        workers: int,
        source: ExecutorSource,
        thread_module: Any = threading,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(workers, thread_module, clock)
        self._source = source
        self._program: Program
        self._waiting: dict[Future[Any], None] = {}  # single acts on a dict are atomic, with and without the GIL
        self._is_ending = thread_module.Event()
        self._names = map(f"{uuid.uuid4().hex}-{{}}".format, count())

    def __repr__(self) -> str:
        return "futures"

    def bind(self, program: Program) -> None:
        """Learn the program to run."""
        self._program = program

    def start(self, work: Work) -> None:
        """Wait until the executor has imported the handler, then start the first thread.

        :raises ConfigurationError: it cannot.
        """
        is_ready = False
        try:
            is_ready = self._source.open(self._program, work.is_stopping)
        finally:
            if not is_ready:
                self._source.close(waits=False)
        if is_ready:
            super().start(work)

    def join(self, timeout_ms: float) -> bool:
        """Cancel the calls whose results nothing waits for any more, and wait up to *timeout_ms* for the threads."""
        self._is_ending.set()
        for future in list(self._waiting):
            future.cancel()
        have_ended = super().join(timeout_ms)
        self._source.close(waits=have_ended)
        return have_ended

    def call(self, record: Any) -> Any:
        """Have the handler run on *record*, or on a list of them, and return its value or raise its error."""
        records = record if isinstance(record, list) else [record]
        outcome = self._outcome(records, wants_result=True)
        if outcome.raised is not None:
            raise exception_of(outcome.raised)
        return None if outcome.result is None else pickle.loads(outcome.result)  # noqa: S301 - of our own code there

    def stack_of(self, task: Any) -> str | None:  # noqa: ARG002
        """Nothing: an executor does not tell where its calls are."""
        return None

    def _run(self, work: Work, chunk: Any) -> bool:
        if self._program.is_surrounded or self._program.is_batch:
            return super()._run(work, chunk)
        work.run_remote(chunk, self._exchange)
        return True

    def _exchange(self, records: list[list[Any]], wants: Callable[[int], bool]) -> Iterator[Sequence[Report]]:
        """Have *records* run; see `kafka_parallel.executors.Exchange`."""
        for place, unit in enumerate(records):
            for record in unit:
                if not wants(place):
                    yield [Report(place, is_unbegun=True)]
                    break
                report = self._report(place, record)
                yield [report]
                if report.error is not None:
                    break

    def _report(self, place: int, record: Any) -> Report:
        try:
            outcome = self._outcome([record], wants_result=False)
        except WorkerDied as death:
            return Report(place, 0, death)
        took = (outcome.duration_ms,)
        if outcome.raised is None:
            return Report(place, 1, durations_ms=took)
        return Report(place, 0, exception_of(outcome.raised), outcome.raised.stage, durations_ms=took)

    def _outcome(self, records: list[Any], *, wants_result: bool) -> remote.Outcome:
        """Have one call made for *records*, and wait for its end.

        :raises WorkerDied: the executor failed it, which says nothing about how far the handler got.
        :raises ConfigurationError: no call can be made any more.
        """
        program, sent = self._program, pickle.dumps([tuple(record) for record in records])
        for _ in range(MOST_CANCELLED):
            executor, future = self._source.submit(
                remote.run, program.payload, sent, next(self._names),
                is_batch=program.is_batch, wants_result=wants_result,
            )  # fmt: skip
            self._wait(future)
            try:
                return self._checked(future.result())
            except CancelledError as error:
                if self._is_ending.is_set():
                    raise WorkerDied("nothing waits for it any more", None, is_unwanted=True) from error
            except ConfigurationError:
                raise
            except BaseException as error:
                if isinstance(error, BrokenExecutor):
                    self._source.replace(executor)
                raise WorkerDied(self._death(records, error), None) from error
        raise ConfigurationError(
            f"the future of record {_name(records)} was cancelled {MOST_CANCELLED} times in a row by other code, and "
            "nothing of it is run: let kafka-parallel alone cancel the futures that it submits"
        )

    def _wait(self, future: Future[Any]) -> None:
        done = self._thread_module.Event()
        self._waiting[future] = None
        future.add_done_callback(lambda _: done.set())
        if self._is_ending.is_set():  # join() may have looked before this one was there
            future.cancel()
        done.wait()
        del self._waiting[future]

    def _checked(self, outcome: object) -> remote.Outcome:
        if not isinstance(outcome, remote.Outcome):
            raise ConfigurationError(
                f"the executor of plugin futures answered {type(outcome).__name__} instead of the result of the call"
            )
        if outcome.import_error is not None:
            raise not_importable("the executor of plugin futures", self._program.name, outcome.import_error)
        return outcome

    def _death(self, records: list[Any], error: BaseException) -> str:
        return (
            f"the executor that ran {self._program.name} on {_name(records)} failed "
            f"({class_name(error)}: {error}): how far the handler got is not known"
        )


def _name(records: list[Any]) -> str:
    """The first of *records*, and how many others there are, for a message."""
    first, others = records[0], len(records) - 1
    name = f"{first.topic}[{first.partition}]@{first.offset}"
    return f"{name} and {others} more" if others else name
