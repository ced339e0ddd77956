"""Runs CPU-bound handlers in several processes, each with a thread here that takes work for it.

The threads pull chunks as those of ``thread-pool`` do; nearly all of their time they wait for their process. A process
that dies is replaced at once, before its thread takes more.
"""

from __future__ import annotations

import atexit
import os
import pickle
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from kafka_parallel import ConfigurationError, Executor, Settings, Work, hookimpl
from kafka_parallel.errors import WorkerDied
from kafka_parallel.executors import Program, Report
from kafka_parallel.plugin_support import shown
from kafka_parallel_plugins.chunk_size import ChunkSizer
from kafka_parallel_plugins.process_pool.process import Process

__all__ = ["ProcessPool"]

# The work that is sent at once, in seconds: a round trip costs about 0.3 ms, in which the process waits and this one
# takes a core away. Longer records are sent one at a time, and those that wait behind a much longer one are asked back.
CHUNK_SECONDS = 0.02
# The most processes in a row that may fail to start, or to begin a single record, before the consumer stops.
MOST_FAILED_STARTS = 3


class ProcessPool:
    """Provides the executor ``process-pool``.

    :param start_timeout_ms: milliseconds that a process gets to import the handler.
    """

    def __init__(self, start_timeout_ms: float = 60_000) -> None:
        if not isinstance(start_timeout_ms, (int, float)) or not start_timeout_ms > 0:
            raise ConfigurationError(f"start_timeout_ms={shown(start_timeout_ms)}: must be a number, more than 0")
        self._start_timeout = start_timeout_ms / 1000

    @hookimpl
    def provide_executor(self, settings: Settings) -> Executor:
        """Provide ``settings.workers`` processes; one whose handler exceeds ``handler_timeout_ms`` is killed."""
        timeout_ms = settings.handler_timeout_ms
        return Processes(settings.workers, self._start_timeout, None if timeout_ms is None else timeout_ms / 1000)


# see docs/decisions/0035-units-come-back.md
class Processes:
    """A fixed number of processes and of daemon threads that pull work for them.

    :param workers: how many.
    :param start_timeout: seconds that a process gets to be ready.
    :param handler_timeout: seconds that a handler gets before its process is killed; ``None`` = no limit.
    """

    def __init__(self, workers: int, start_timeout: float, handler_timeout: float | None = None) -> None:
        self._number = workers
        self._start_timeout = start_timeout
        self._handler_timeout = handler_timeout
        self._sizer = ChunkSizer(CHUNK_SECONDS)
        self._program: Program
        self._workers: list[Worker] = []
        self._threads: list[threading.Thread] = []
        self._is_ending = threading.Event()
        self._pid = 0
        self._here = threading.local()

    def __repr__(self) -> str:
        return "process-pool"

    def bind(self, program: Program) -> None:
        """Take the handler that the processes import and run; called once, before `start`."""
        self._program = program

    def start(self, work: Work) -> None:
        """Start the processes, wait until each is ready, then start the threads; if the run is to end, give it up.

        :raises ConfigurationError: a process cannot be made ready; none is left then.
        """
        self._pid = os.getpid()
        atexit.register(self._kill_at_exit)
        are_ready = False
        try:
            are_ready = self._start_processes(work.is_stopping)
        finally:
            if not are_ready:
                for worker in self._workers:
                    worker.process.close()
        for number, worker in enumerate(self._workers if are_ready else ()):
            self._start_thread(f"kafka-parallel-{number}", work, worker)

    def _start_thread(self, name: str, work: Work, worker: Worker) -> None:
        thread = threading.Thread(target=self._pull, args=(work, worker), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _start_processes(self, is_stopping: Callable[[], bool]) -> bool:
        """Start all at once, and wait until the last one is ready; tell whether it is, or the run is to end."""
        for _ in range(self._number):
            self._workers.append(Worker(self._new_process, self._start_timeout, self._is_ending))
        deadline = time.monotonic() + self._start_timeout
        return all(worker.process.wait_until_ready(deadline, is_stopping) for worker in self._workers)

    def join(self, timeout_ms: float) -> bool:
        """Wait up to *timeout_ms* for processes and threads to end, then kill the rest; tell whether they did.

        Handlers whose results are no longer wanted have been killed by then.
        """
        self._is_ending.set()
        deadline = time.monotonic() + timeout_ms / 1000
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._kill()
        for thread in self._threads:
            thread.join(timeout_ms / 1000)
        for worker in self._workers:
            worker.process.wait_until_gone()
        atexit.unregister(self._kill_at_exit)
        return not any(thread.is_alive() for thread in self._threads)

    def call(self, record: Any) -> Any:
        """Have the handler run on *record*, or on a list of them, in the process of this thread."""
        return self._here.worker.call(record, self._here.wants)

    def stack_of(self, task: Any) -> str:
        """Return where the process is that has *task*: the stacks of its threads as text, nothing if there is none.

        :param task: one, or a batch of them.
        """
        process = self._process_of(task)
        return "" if process is None else process.stack()

    def workers_of(self, tasks: Sequence[Any]) -> list[str | None]:
        """The id of the process that has each of *tasks*; ``None`` if it has just ended."""
        return [None if (process := self._process_of(task)) is None else str(process.pid) for task in tasks]

    def _process_of(self, task: Any) -> Process | None:
        record = self._program.see(task.tasks[0].record)
        processes = [worker.process for worker in self._workers]
        return next((found for found in processes if found.is_at(record.topic, record.partition, record.offset)), None)

    def _new_process(self) -> Process:
        return Process(self._program, self._handler_timeout, self._sizer.saw)

    def _kill_at_exit(self) -> None:
        """Kill the processes with their parent; a process that was forked from it has none, and runs this as well."""
        if os.getpid() == self._pid:
            self._kill()

    def _kill(self) -> None:
        for worker in self._workers:
            worker.process.kill()

    # The threads

    def _pull(self, work: Work, worker: Worker) -> None:
        self._here.worker = worker
        try:
            for chunk in self._chunks(work):
                worker.revive()
                self._run(work, worker, chunk)
                worker.revive()
        except BaseException as error:  # noqa: BLE001 - no process can be had, or our own bug: stop the consumer
            if not self._is_ending.is_set():
                work.fail(error)
        finally:
            worker.process.end()

    def _chunks(self, work: Work) -> Iterator[Any]:
        """Take one chunk after the other, each with up to twice as many tasks as the last one was allowed."""
        limit = 1
        while True:
            chunk = work.next_chunk_nowait(limit)
            if chunk is None:  # it has been idle, so others may be as well: little at first leaves some for them
                limit, chunk = 1, work.next_chunk(1)
            if chunk is None:
                return
            limit = min(2 * limit, self._limit)
            yield chunk

    @property
    def _limit(self) -> int:
        """The number of tasks that a process that is never idle gets at once."""
        is_single = self._program.is_surrounded or self._handler_timeout is not None
        return 1 if is_single else self._sizer.limit

    def _run(self, work: Work, worker: Worker, chunk: Any) -> None:
        if not (self._program.is_surrounded or self._program.is_batch):
            work.run_remote(chunk, worker.exchange)
            return
        for task in chunk:
            self._here.wants = lambda _, task=task: work.wants(task)
            work.run(chunk, task)
            work.finish(chunk)


class Worker:
    """The process of one thread, and after its death the next one.

    :param new: starts a process.
    :param start_timeout: seconds that it gets to be ready.
    :param is_ending: set before the processes are killed for good: none that is started later is known to the killer.
    :ivar process: the newest one.
    """

    def __init__(self, new: Callable[[], Process], start_timeout: float, is_ending: threading.Event) -> None:
        self._new = new
        self._start_timeout = start_timeout
        self._is_ending = is_ending
        self._failures = 0
        self.process = new()

    def exchange(self, records: list[list[Any]], wants: Callable[[int], bool]) -> Iterator[Sequence[Report]]:
        """Have *records* run; see `kafka_parallel.executors.Exchange`."""
        self.revive()
        yield from self.process.exchange(records, wants)

    def call(self, record: Any, wants: Callable[[int], bool]) -> Any:
        """Have one *record*, or a list of them, run with one call; return its value or raise its error."""
        records = record if isinstance(record, list) else [record]
        for reports in self.process.exchange([records], wants, wants_result=True):
            for report in reports:
                if report.is_unbegun:
                    raise WorkerDied("the process ended before it had begun the record", None)
                if report.error is not None:
                    raise report.error
        result = self.process.result
        return None if result is None else pickle.loads(result)  # noqa: S301 - our own child's, through its own pipe

    def revive(self) -> None:
        """Replace the process if it has ended.

        :raises ConfigurationError: several in a row could not be started.
        :raises WorkerDied: several in a row ended before they had begun a record, or the pool ends.
        """
        while not self.process.is_alive:
            self._failures = 0 if self.process.has_begun else self._failures + 1
            if self._failures >= MOST_FAILED_STARTS:
                raise WorkerDied(
                    f"{MOST_FAILED_STARTS} worker processes in a row ended before they had begun a record", None
                )
            self._replace()

    def _replace(self) -> None:
        self.process.close()
        self._refuse_at_the_end()
        self.process = self._new()
        self._refuse_at_the_end()
        try:
            self.process.wait_until_ready(time.monotonic() + self._start_timeout, self._is_ending.is_set)
            self._refuse_at_the_end()
        except ConfigurationError:
            if self._failures + 1 >= MOST_FAILED_STARTS:
                raise

    def _refuse_at_the_end(self) -> None:
        if self._is_ending.is_set():
            self.process.kill()
            raise WorkerDied("no worker process is started any more: the pool ends", None)
