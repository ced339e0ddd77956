"""How an executor gets work and gives it back: the two sides of ``provide_executor``.

An executor owns threads (or processes, or an event loop) and pulls: its workers take chunks of tasks from a `Work`,
run them in the order the chunk gives them, and hand the chunk back. It decides nothing about order, retries or
commits; it only decides how much to take and where to run it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol


class Chunk(Protocol):
    """Tasks that one worker took together. With batch handlers, a task is a whole batch; there is just one in a chunk.

    Iterating claims one task after the other; an idle worker may take tasks that are not claimed yet out of it again.
    """

    def __iter__(self) -> Iterator[Any]:
        """Claim the tasks one by one, in an order that keeps every ordering key in offset order."""


class Work(Protocol):
    """Where workers get tasks from. Every method may be called from any thread."""

    def take(self, limit: int) -> Chunk | None:
        """Wait for work and take at most *limit* tasks; ``None`` means there will never be more: end the worker."""

    def take_nowait(self, limit: int) -> Chunk | None:
        """Take at most *limit* tasks, or ``None`` if nothing may run now."""

    def run(self, chunk: Any, task: Any) -> bool:
        """Run the handler and its hooks on *task* here and now; keep the outcome in *chunk*. Never raises.

        :returns: false if it took longer than its deadline: *chunk* was taken from this worker, and if the worker was
            replaced (see `Executor`) it should end.
        """

    async def run_async(self, chunk: Any, task: Any) -> None:
        """Do the same with an ``async def`` handler, on the running event loop. Never raises, except when cancelled."""

    def wants(self, task: Any) -> bool:
        """Tell whether anybody still waits for *task*: its partition is ours, and the consumer has not ended."""

    def finish(self, chunk: Any) -> None:
        """Hand over the outcomes *chunk* has so far. May be called several times; must be called at its end."""

    def fail(self, error: BaseException) -> None:
        """Stop run() with *error*: for an executor whose own code broke."""


class Executor(Protocol):
    """What ``provide_executor`` hands back.

    One that calls ``Work.run_async`` says so with an attribute ``runs_coroutines`` that is true; without it,
    ``async def`` handlers are refused.

    It may have two more methods. ``replace_worker() -> bool`` is called when a handler takes longer than its deadline:
    start another worker in place of the one it keeps, and tell whether that was done. ``stack_of(task) -> str | None``
    tells where a handler is that takes long, as ``traceback`` formats it. Both are called on the thread of run().
    """

    def start(self, work: Work) -> None:
        """Start taking work. Called once."""

    def join(self, timeout: float) -> bool:
        """Wait up to *timeout* seconds for all workers to end (``take`` gives them ``None``); tell whether they did."""
