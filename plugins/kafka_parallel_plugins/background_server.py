"""How does a plugin answer clients without a thread of the consumer, and without waiting for it?

Everything that clients do happens on the event loop of one daemon thread. Each client has a time limit for the whole
of its request, and there is a largest number of them: the oldest connection makes room for the newest. So slow and
many clients take neither the thread nor the file descriptors that the consumer needs for its brokers.

Facts about the consumer are asked for on threads of their own, because that waits for its lock: see `Inquiry`.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from typing import Any, Generic, TypeAlias, TypeVar

__all__ = ()

T = TypeVar("T")
Serve: TypeAlias = "Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]"

# The most connections that are open at once. A process often may have no more than 1,024 files open.
MOST_CONNECTIONS = 64
# The time that the thread gets to close its connections, in seconds.
CLOSE_TIMEOUT = 5.0


# see docs/decisions/0071-probes-on-own-threads.md
class Inquiry(Generic[T]):
    """A question whose answer may never come, for threads that may not wait for it.

    :param question: asked on a thread of its own, by one thread at a time.
    :param thread_name: the name of that thread.
    """

    def __init__(self, question: Callable[[], T], thread_name: str) -> None:
        self._question = question
        self._thread_name = thread_name
        self._lock = threading.Lock()
        self._pending: Future[T] | None = None

    def put(self) -> Future[T]:
        """Put the question, unless its answer is waited for already; return its future, which cannot be cancelled."""
        with self._lock:
            if self._pending is None or self._pending.done():
                self._pending = Future()
                self._pending.set_running_or_notify_cancel()
                threading.Thread(
                    target=self._answer, args=(self._pending,), name=self._thread_name, daemon=True
                ).start()
            return self._pending

    def _answer(self, future: Future[T]) -> None:
        try:
            found = self._question()
        except BaseException as error:  # noqa: BLE001 - raised by those who wait for the future
            future.set_exception(error)
        else:
            future.set_result(found)


@contextmanager
def _quiet_asyncio() -> Iterator[None]:
    """Keep errors of the application's log handlers out of this thread: asyncio logs a line for each event loop.

    Its lines of this thread are still handed to the handlers.
    """
    logger, thread = logging.getLogger("asyncio"), threading.get_ident()

    def is_of_others(record: logging.LogRecord) -> bool:
        if threading.get_ident() != thread:
            return True
        with suppress(Exception):
            logger.callHandlers(record)
        return False

    logger.addFilter(is_of_others)
    try:
        yield
    finally:
        logger.removeFilter(is_of_others)


class BackgroundServer:
    """Listens, and serves each client with a coroutine, on the event loop of a daemon thread.

    :param listen: opens the sockets; called on the event loop with a function that serves one connection.
    :param serve: answers one client; the connection is closed when it returns or raises.
    :param died: called on the thread with the error that ended it.
    :param thread_name: the name of the thread.
    :ivar addresses: the addresses that it listens at.
    :raises OSError: it cannot listen.
    """

    def __init__(
        self,
        listen: Callable[[Serve], Awaitable[asyncio.Server]],
        serve: Serve,
        died: Callable[[BaseException], None],
        thread_name: str,
    ) -> None:
        self._listen, self._serve, self._died = listen, serve, died
        self._connections: dict[asyncio.StreamWriter, None] = {}
        self._loop: asyncio.AbstractEventLoop
        self._over: asyncio.Event
        ready: Future[list[Any]] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name=thread_name, daemon=True)
        self._thread.start()
        self.addresses = ready.result()

    @property
    def is_alive(self) -> bool:
        """True until `close`, or until its event loop ends with an error. Any thread may ask."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Close the sockets and all connections; from any thread but its own, as often as you like."""
        with suppress(RuntimeError):  # the event loop is closed: the thread has ended before
            self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(CLOSE_TIMEOUT)

    def _run(self, ready: Future[list[Any]]) -> None:
        try:
            with _quiet_asyncio():
                asyncio.run(self._listen_until_over(ready))
        except BaseException as error:  # noqa: BLE001 - a server that ends costs the consumer nothing
            if ready.done():
                self._died(error)
            else:
                ready.set_exception(error)

    async def _listen_until_over(self, ready: Future[list[Any]]) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        server = await self._listen(self._connected)
        ready.set_result([found.getsockname() for found in server.sockets])
        try:
            await self._over.wait()
        finally:
            server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections[writer] = None
        if len(self._connections) > MOST_CONNECTIONS:
            oldest = next(iter(self._connections))
            del self._connections[oldest]
            oldest.transport.abort()
        try:
            await self._serve(reader, writer)
        except (OSError, EOFError, asyncio.TimeoutError, asyncio.LimitOverrunError):
            pass  # the client is gone, slow, or no client of ours
        except asyncio.CancelledError:
            pass  # this server closes, and no other code waits for this task
        finally:
            self._connections.pop(writer, None)
            writer.transport.abort()
