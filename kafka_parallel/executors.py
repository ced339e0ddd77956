"""How an executor gets work and gives it back: the two sides of ``provide_executor``.

An executor owns threads (or processes, or an event loop) and pulls: its workers take chunks of tasks from a `Work`,
run them in the order the chunk gives them, and hand the chunk back. It decides nothing about order, retries or
commits; it only decides how much to take and where to run it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from kafka_parallel.values import Stage

__all__ = ["Chunk", "Exchange", "Executor", "Program", "RemoteExecutor", "Report", "Work"]


class Report(NamedTuple):
    """The outcome of some records that were sent elsewhere.

    :ivar unit: the list of records it is about, by its place in the message.
    :ivar returned: how many more of its records the handler returned from.
    :ivar error: the error of the record behind them; those behind that one were not run. ``None`` if nothing failed.
    :ivar stage: how far that one got.
    :ivar is_unbegun: true if the records of the unit that were not reported yet are to be run elsewhere: they were not
        begun and never will be, or the first of them was interrupted and is not to blame for it.
    :ivar durations_ms: milliseconds that each of these took, the failed one too, if the `Program` is timed; empty = not
        known.
    """

    unit: int
    returned: int = 0
    error: BaseException | None = None
    stage: Stage = "handle"
    is_unbegun: bool = False
    durations_ms: Sequence[float] = ()


Exchange: TypeAlias = "Callable[[list[list[Any]], Callable[[int], bool]], Iterator[Sequence[Report]]]"
"""Has records run elsewhere: a function of lists of raw records, each list to be run in order, and of a function that
tells by its place whether a list is still wanted: once it is not, it never will be again. It yields reports as they
come, until each list was reported to its end, to its first error, or as not begun. It raises only if it cannot run
anything any more."""


class Program(NamedTuple):
    """The program that a `RemoteExecutor` takes to the place where handlers run.

    :ivar payload: pickled: the handler, which raises `HandlerUnfinished` instead of returning work that has yet to be
        done, and a function that makes its record of ``tuple(raw_record)``.
    :ivar name: the name of the handler in messages.
    :ivar is_surrounded: whether plugins surround each call; then records must be run by `Work.run`, one at a time.
    :ivar is_batch: whether it is a batch handler; then `Work.run` must be used too, and a call is about a list.
    :ivar is_timed: whether plugins ask how long records take, by ``on_handled``; then reports should tell it.
    :ivar see: makes of the raw record of a task the one that is sent for it, which may name another place: a record of
        a retry topic is handled as that of its source. Only ``stack_of`` and ``workers_of`` need it, which are asked
        about tasks.
    """

    payload: bytes
    name: str
    is_surrounded: bool
    is_batch: bool = False
    is_timed: bool = False
    see: Callable[[Any], Any] = lambda record: record


class Chunk(Protocol):
    """Tasks that one worker took together. With batch handlers, a task is a whole batch; there is just one in a chunk.

    Iterating claims one task after the other; an idle worker may take tasks that are not claimed yet out of it again.
    """

    def __iter__(self) -> Iterator[Any]:
        """Claim the tasks one by one, in an order that keeps every ordering key in offset order."""


class Work(Protocol):
    """The source of tasks for workers. Every method may be called from any thread.

    In a process that a handler has forked, a call of a method ends the process.
    """

    def next_chunk(self, limit: int, done: Any = None) -> Chunk | None:
        """Wait for work and take at most *limit* tasks; ``None`` means there will never be more: end the worker.

        :param done: a chunk that the worker is through with; it is handed over as by `finish`, in the same act.
        """

    def next_chunk_nowait(self, limit: int, done: Any = None) -> Chunk | None:
        """Take at most *limit* tasks, or ``None`` if nothing may run now; nothing is taken away from other workers.

        :param done: as for `next_chunk`.
        """

    def run(self, chunk: Any, task: Any) -> bool:
        """Run the handler and its hooks on *task* here and now; keep the outcome in *chunk*. Never raises.

        :returns: false if it took longer than its deadline: *chunk* was taken from this worker, and if the worker was
            replaced (see `Executor`) it should end.
        """

    def run_remote(self, chunk: Any, exchange: Exchange) -> None:
        """Have *exchange* run all tasks of *chunk*, and hand over the outcomes. Raises only errors of *exchange*."""

    def run_async(self, chunk: Any, task: Any) -> Awaitable[None] | None:
        """Run an ``async def`` handler and its hooks on *task*, inside a task of the running event loop.

        The outcome is kept in *chunk*.

        :returns: an awaitable that ends when the chunk has; ``None`` if it has ended already, without waiting for
            anything. Awaiting it never raises, except when cancelled.
        """

    def wants(self, task: Any) -> bool:
        """Tell whether the result of *task* is still wanted: its partition is ours, and the consumer has not ended."""

    def is_stopping(self) -> bool:
        """Tell whether the run is about to end: an executor that waits in its ``start`` gives that up then."""

    def finish(self, chunk: Any) -> None:
        """Hand over the outcomes *chunk* has so far. May be called several times.

        It must be called at the end of *chunk*, unless that is given to `next_chunk` or `next_chunk_nowait` as *done*.
        """

    def fail(self, error: BaseException) -> None:
        """Stop run() with *error*: for an executor whose own code broke."""


class Executor(Protocol):
    """The answer of ``provide_executor``.

    One that calls ``Work.run_async`` says so with an attribute ``runs_coroutines`` that is true; without it,
    ``async def`` handlers are refused.

    It may have three more methods. ``replace_worker() -> bool`` is called on the thread of run() when a handler takes
    longer than its deadline: start another worker in place of the one it keeps, and tell whether that was done. The
    others are called on any thread. ``stack_of(task) -> str | None`` tells where a handler is, as ``traceback`` formats
    it. ``workers_of(tasks) -> Sequence[str | None]`` tells for each of some tasks the name of the worker that is at it.
    """

    def start(self, work: Work) -> None:
        """Start taking work from *work*. Called once."""

    def join(self, timeout_ms: float) -> bool:
        """Wait up to *timeout_ms* for all workers to end (``next_chunk`` gives them ``None``); tell if they did."""


class RemoteExecutor(Executor, Protocol):
    """An executor that runs handlers where they cannot be called from here: it is known by its method ``bind``.

    It ends handlers that take longer than their deadline. One that cannot says so with an attribute
    ``cannot_stop_handlers`` that is true: then records with a deadline are surrounded calls, which are treated as those
    of threads are, and ``replace_worker`` is called.

    Its workers call `Work.run_remote`, or `Work.run` if plugins surround each call or it is about a batch; then the
    handler's place is taken by `call`. Context variables do not go with a record.
    """

    def bind(self, program: Program) -> None:
        """Learn the *program* to run. Called once, before ``start``, which must not return before it can be run."""

    def call(self, record: Any) -> Any:
        """Have the handler run on a raw *record*, and return its value or raise its error; called inside of `Work.run`.

        For a batch handler it is a list of raw records.
        """
