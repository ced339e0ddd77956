"""The resource of a worker: is it open, do attempts use it, and when is it closed?

A worker is a thread or an event loop. Only its own thread changes what is here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from kafka_parallel.resources._closing import Closing

T = TypeVar("T")


class Opened(Generic[T]):
    """A resource that is open, and how many attempts use it."""

    def __init__(self, resource: T) -> None:
        self.resource = resource
        self.users = 0
        self.is_retired = False


class ResourceOfWorker(Generic[T]):
    """The place of a worker's resource.

    :param closing: closes resources.
    :ivar current: the one that the next attempt uses; ``None`` = it opens one.
    """

    def __init__(self, closing: Closing) -> None:
        self._closing = closing
        self.current: Opened[T] | None = None

    def hold(self, resource: T) -> Opened[T]:
        """Keep *resource*, which was just opened, for the attempts of this worker."""
        self._closing.note_opened()
        self.current = Opened(resource)
        return self.current

    def retire(self, opened: Opened[T]) -> None:
        """Let no further attempt use *opened*, and close it when none does."""
        opened.is_retired = True
        if self.current is opened:
            self.current = None
        if opened.users == 0:
            opened.users = -1  # it is closed once
            self.close(opened.resource)

    def close(self, resource: T) -> None:
        """Close *resource*, which was held here."""
        self._closing.close(resource)


class ResourceOfLoop(ResourceOfWorker[T]):
    """The same of an event loop: a task keeps the resource, and closes it when the loop cancels its tasks.

    :param ended: called when there is nothing to keep any more.
    :ivar opening: lets one attempt open the resource while others wait.
    """

    def __init__(self, closing: Closing, ended: Callable[[], None]) -> None:
        super().__init__(closing)
        self.opening = asyncio.Lock()
        self._ended = ended
        self._keeper: asyncio.Task[None] | None = None
        self._being_closed: set[asyncio.Task[None]] = set()

    def hold(self, resource: T) -> Opened[T]:
        """Keep *resource*, as long as the loop lasts."""
        if self._keeper is None:
            self._keeper = asyncio.get_running_loop().create_task(self._keep())
        return super().hold(resource)

    def close(self, resource: T) -> None:
        """Begin to close *resource*."""
        task = asyncio.get_running_loop().create_task(self._closing.close_async(resource))
        self._being_closed.add(task)
        task.add_done_callback(self._being_closed.discard)

    async def close_all(self) -> None:
        """Close what is open, and wait for that; on the event loop."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])

    async def _keep(self) -> None:
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self._ended()
            if self.current is not None:
                self.current.users = 0  # its attempts are being cancelled as well
                self.retire(self.current)
            if self._being_closed:
                await asyncio.wait([*self._being_closed])


class UseByAttempt(Generic[T]):
    """The use of a resource by one attempt at a record, or by one call with a batch.

    :ivar worker: the worker that runs it.
    :ivar opened: the resource that it has asked for.
    :ivar has_ended: whether it is over, and may ask for none any more.
    """

    def __init__(self, worker: ResourceOfWorker[T]) -> None:
        self.worker = worker
        self.opened: Opened[T] | None = None
        self.has_ended = False

    def use(self, opened: Opened[T]) -> None:
        """Note that the attempt uses *opened* until its end."""
        opened.users += 1
        self.opened = opened

    def end_use(self, broke: Callable[[Any], bool]) -> None:
        """End it.

        :param broke: tells of a resource whether it is not to be used again.
        """
        self.has_ended = True
        if self.opened is None or self.opened.users <= 0:
            return
        self.opened.users -= 1
        if self.opened.is_retired or broke(self.opened.resource):
            self.worker.retire(self.opened)
