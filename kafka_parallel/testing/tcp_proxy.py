"""A TCP proxy with the faults of a bad network between a client and a server.

Point clients at `TcpProxy.port`. A Kafka broker tells its clients where it is, so it has to advertise the proxy::

    with TcpProxy() as proxy:
        broker = start_broker(config={"advertised.listeners": f"PLAINTEXT://127.0.0.1:{proxy.port}"})
        proxy.connect_to(broker.bootstrap_servers)
        proxy.disturb(latency_ms=300)

As TCP sends lost packets again, bytes that a fault holds back are not lost: they arrive once the fault is over.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from kafka_parallel._logs import QuietLogger, area_logger
from kafka_parallel.testing.server_config import HOST, free_ports

__all__ = ["Fault", "TcpProxy"]

log: QuietLogger = area_logger("testing")

BLOCK = 16 * 1024
# The interval at which a direction that is held back checks whether it may go on, in seconds.
TICK = 0.01
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Fault:
    """The treatment of bytes on their way.

    :ivar latency_ms: how long each block takes, in milliseconds.
    :ivar bytes_per_second: how much of each direction passes; ``None`` = everything.
    :ivar holds_up: true: the bytes of clients are held back.
    :ivar holds_down: true: the bytes of the server are held back.
    """

    latency_ms: float = 0.0
    bytes_per_second: float | None = None
    holds_up: bool = False
    holds_down: bool = False

    def holds(self, direction: str) -> bool:
        """Tell whether nothing passes in *direction*, "up" or "down"."""
        return self.holds_up if direction == "up" else self.holds_down


class TcpProxy:
    """Passes connections on to one server. Methods may be called from any thread.

    :ivar port: where clients connect, on 127.0.0.1.
    """

    def __init__(self) -> None:
        self.port: int = free_ports(1)[0]
        self._target: tuple[str, int] | None = None
        self._fault = Fault()
        self._writers: list[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = []
        self._half_opened: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)
        self._thread.start()
        self._server = self._do(asyncio.start_server(self._accept, HOST, self.port))

    def connect_to(self, address: str) -> None:
        """Pass new connections on to *address*, ``host:port``; those that came before are refused."""
        host, _, port = address.rpartition(":")
        self._target = (host, int(port))

    # Faults

    def disturb(self, **fault: Any) -> None:
        """Let a fault begin, in place of the one before: *fault* are the fields of a `Fault`."""
        self._fault = Fault(**fault)

    def black_hole(self) -> None:
        """Let nothing pass in either direction; connections are still accepted."""
        self.disturb(holds_up=True, holds_down=True)

    def heal(self) -> None:
        """End the fault: bytes held back go on their way."""
        self.disturb()

    def reset(self) -> None:
        """Break all connections at once, with a TCP reset at both ends."""
        self._run(self._reset)

    def half_open(self) -> None:
        """Break all connections at the server's end only: the client sends on, and hears nothing."""
        self._run(self._half_open)

    def _reset(self) -> None:
        for pair in self._writers:
            for writer in pair:
                _break(writer)

    def _half_open(self) -> None:
        for to_client, to_server in self._writers:
            self._half_opened.add(to_client)
            _break(to_server)

    # Connections

    async def _accept(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        try:
            if self._target is None:
                raise ConnectionRefusedError("the proxy is not connected yet")
            server, to_server = await asyncio.open_connection(*self._target)
        except OSError:
            _break(to_client)
            return
        pair = (to_client, to_server)
        self._writers.append(pair)
        await asyncio.gather(self._pump(client, to_server, "up"), self._pump(server, to_client, "down"))
        for writer in pair:
            _break(writer)
        self._writers.remove(pair)
        self._half_opened.discard(to_client)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: str) -> None:
        """Pass bytes on until one end closes; the other end hears of it, unless the connection was half opened."""
        try:
            while block := await source.read(BLOCK):
                await self._delay(direction, len(block))
                if not sink.is_closing():  # else a half-open connection swallows the bytes
                    sink.write(block)
                    await sink.drain()
        except OSError as error:
            log.debug("a connection broke: %r", error)
        await self._delay(direction, 0)
        if sink not in self._half_opened:
            sink.close()

    async def _delay(self, direction: str, size: int) -> None:
        fault = self._fault
        await asyncio.sleep(fault.latency_ms / 1000 + size / (fault.bytes_per_second or float("inf")))
        while self._fault.holds(direction):
            await asyncio.sleep(TICK)

    # Its thread

    def _do(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(10)

    def _run(self, act: Callable[[], None]) -> None:
        async def run() -> None:
            act()

        self._do(run())

    def close(self) -> None:
        """Break all connections and stop listening; a second call does nothing."""
        if self._loop.is_closed():
            return
        self.heal()
        self._run(self._server.close)
        self.reset()
        self._do(self._finish())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _finish(self) -> None:
        """Let the tasks of the broken connections end, and their sockets be closed."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(TICK)

    def __enter__(self) -> TcpProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _break(writer: asyncio.StreamWriter) -> None:
    """End a connection with a TCP reset."""
    if not writer.transport.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        writer.transport.abort()
