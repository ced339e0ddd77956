"""Lets ``kafka-parallel top`` look at a running consumer, over a Unix socket that only its user can open.

Once a second each viewer gets a line of JSON. Viewers only read: whatever they send is ignored. While there is none,
no time is kept: of ``on_handled`` only the consumer's own cost is left, 0.2 µs per record.

Rates and quantiles are measured here and not taken from ``timing-metrics``: a view needs those of the last seconds, the
other plugin may not be there, and plugins do not know each other.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from kafka_parallel import ConfigurationError, hookimpl, top_sockets
from kafka_parallel.plugin_support import class_name, get_logger, shown
from kafka_parallel_plugins.background_server import BackgroundServer, Inquiry
from kafka_parallel_plugins.top.frames import FrameMaker, unknown
from kafka_parallel_plugins.top.recent_times import RecentTimes

if TYPE_CHECKING:
    from kafka_parallel import Handled, Settings
    from kafka_parallel_plugins.background_server import Serve

__all__ = ["Top"]

log = get_logger(__name__)

# Seconds between two frames.
INTERVAL = 1.0
# The time that the facts may take, which are behind the consumer's lock, in seconds.
LOCK_TIMEOUT = 1.0
# The time that a viewer may take for a frame, in seconds.
VIEWER_TIMEOUT = 5.0


class Top:
    """Sends the state of the consumer to viewers on a Unix socket, once a second.

    :param keys: whether viewers see the keys of the records that run, and those that took the most of the handlers'
        time in the last ten seconds. Keys may be personal data.
    :raises ConfigurationError: a setting cannot work.
    """

    def __init__(self, *, keys: bool = False) -> None:
        if not isinstance(keys, bool):
            raise ConfigurationError(f"keys of plugin top is {shown(keys)}: it must be True or False")
        self._shows_keys = keys
        self._times = RecentTimes(with_keys=keys)
        self._is_watched = False
        self._viewers = 0
        self._server: BackgroundServer | None = None
        self._path: Path | None = None
        self._has_failed = False
        self._inquiry: Inquiry[bytes]
        self._has_viewers: asyncio.Event
        self._next: asyncio.Future[bytes]
        self._making: asyncio.Task[None]

    @property
    def path(self) -> Path | None:
        """The path of the socket for ``kafka-parallel top``; ``None`` before the start and after the stop."""
        return self._path

    @hookimpl
    def on_start(self, settings: Settings) -> None:
        """Begin to listen.

        :raises ConfigurationError: the folder of the socket is not this user's alone, or the path is too long.
        """
        if self._server is not None:
            raise ConfigurationError(
                "this object of plugin top belongs to another consumer that runs: give each its own"
            )
        folder = top_sockets.folder(os.environ)
        top_sockets.require_private(folder)
        self._path = path = top_sockets.free_path(folder, os.getpid())
        maker = FrameMaker(settings, self._times, self._shows_keys, time.time)
        self._inquiry = Inquiry(maker.make, "kafka-parallel-top-facts")
        try:
            self._server = BackgroundServer(
                lambda serve: self._listen(serve, path), self._serve, self._died, "kafka-parallel-top"
            )
        except OSError as error:
            self._path = None
            raise ConfigurationError(f"top cannot listen at {str(path)!r}: {error}") from error

    @hookimpl
    def on_handled(self, handled: Sequence[Handled]) -> None:
        """Keep the times of attempts while a viewer is connected; without one, nothing is measured."""
        if self._is_watched:
            self._times.add(handled)

    @hookimpl
    def on_stop(self) -> None:
        """Close the connections of viewers, and remove the file of the socket."""
        self._is_watched = False
        if self._server is not None:
            self._server.close()
        if self._path is not None:
            with suppress(OSError):  # it was removed before
                self._path.unlink()
        self._server = self._path = None

    # On the thread of the server

    async def _listen(self, serve: Serve, path: Path) -> asyncio.Server:
        server = await asyncio.start_unix_server(serve, path)
        path.chmod(0o600)
        self._has_viewers = asyncio.Event()
        self._next = asyncio.get_running_loop().create_future()
        self._making = asyncio.create_task(self._make_frames())
        return server

    @staticmethod
    def _died(error: BaseException) -> None:
        log.error("the server of top has ended (%r): viewers see nothing, and the consumer goes on", error)

    async def _make_frames(self) -> None:
        while True:
            await self._has_viewers.wait()
            ready, self._next = self._next, asyncio.get_running_loop().create_future()
            ready.set_result(await self._frame())
            await asyncio.sleep(INTERVAL)

    async def _frame(self) -> bytes:
        try:
            return await asyncio.wait_for(asyncio.wrap_future(self._inquiry.put()), LOCK_TIMEOUT)
        except asyncio.TimeoutError:
            return unknown("the lock of the consumer could not be had within a second")
        except Exception as error:
            if not self._has_failed:
                self._has_failed = True
                log.exception("a view of the consumer could not be made", exc_info=error)
            return unknown(f"the view could not be made: {class_name(error)}")

    async def _serve(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.set_write_buffer_limits(high=0)  # drain() waits until all was sent
        self._comes()
        try:
            while True:
                writer.write(await asyncio.shield(self._next))
                await asyncio.wait_for(writer.drain(), VIEWER_TIMEOUT)
        finally:
            self._leaves()

    def _comes(self) -> None:
        self._viewers += 1
        self._is_watched = True
        self._has_viewers.set()

    def _leaves(self) -> None:
        self._viewers -= 1
        if not self._viewers:
            self._is_watched = False
            self._has_viewers.clear()
