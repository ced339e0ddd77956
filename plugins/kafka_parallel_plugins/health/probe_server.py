"""How does a probe get its answer within a few seconds, whatever the consumer and other clients do?"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from kafka_parallel.plugin_support import get_logger
from kafka_parallel_plugins.background_server import BackgroundServer
from kafka_parallel_plugins.health.health_checks import Check
from kafka_parallel_plugins.health.http_answers import ENDPOINTS, path_of, refusal, response, verdict

if TYPE_CHECKING:
    from kafka_parallel_plugins.background_server import Serve
    from kafka_parallel_plugins.health.health_checks import Limits
    from kafka_parallel_plugins.health.vital_signs import VitalSigns

__all__ = ()

log = get_logger("kafka_parallel_plugins.health")

# The time a client gets to send its request, and again to take its answer, in seconds.
CLIENT_TIMEOUT = 1.0
# The time that the facts may take, which are behind the consumer's lock, in seconds.
LOCK_TIMEOUT = 1.0
# The time that the reasons may take, in seconds: a worker process may be asked where it is.
EXPLANATION_TIMEOUT = 0.5
# The longest request, in bytes.
LONGEST_REQUEST = 8192
# Seconds between two looks at the partitions, if they are watched.
LOOK_INTERVAL = 1.0


class ProbeServer:
    """Serves the endpoints at *host* and *port*.

    :param watches: whether to observe once a second, also while no probe comes.
    :ivar address: the address that it listens at.
    :raises OSError: it cannot listen there.
    """

    def __init__(self, signs: VitalSigns, limits: Limits, host: str, port: int, *, watches: bool) -> None:
        self._signs, self._limits = signs, limits
        self._host, self._port, self._watches = host, port, watches
        self._watching: asyncio.Task[None] | None = None
        self._server = BackgroundServer(self._listen, self._serve, self._died, "kafka-parallel-health")
        self.address: tuple[str, int] = self._server.addresses[0][:2]

    def close(self) -> None:
        """Stop answering, and close the connections; from any thread but its own."""
        self._server.close()

    async def _listen(self, serve: Serve) -> asyncio.Server:
        server = await asyncio.start_server(serve, self._host, self._port, limit=LONGEST_REQUEST)
        if self._watches:
            self._watching = asyncio.create_task(self._watch())
        return server

    async def _watch(self) -> None:
        while True:
            self._signs.observe()
            await asyncio.sleep(LOOK_INTERVAL)

    @staticmethod
    def _died(error: BaseException) -> None:
        log.error("the health server has ended (%r): probes get no answer, and the consumer goes on", error)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), CLIENT_TIMEOUT)
        writer.write(await self._answer(head))
        await asyncio.wait_for(_end(reader, writer), CLIENT_TIMEOUT)

    async def _answer(self, head: bytes) -> bytes:
        method, target, protocol = [*head.partition(b"\r\n")[0].decode("latin-1").split(" "), "", "", ""][:3]
        if not protocol.startswith("HTTP/"):
            return response(HTTPStatus.BAD_REQUEST, {}, method)
        refused = refusal(method, target)
        return await self._verdict(method, path_of(target)) if refused is None else refused

    async def _verdict(self, method: str, path: str) -> bytes:
        try:
            seen = await asyncio.wait_for(asyncio.wrap_future(self._signs.observe()), LOCK_TIMEOUT)
        except asyncio.TimeoutError:
            return response(*verdict([Check("lock", ok=False, seconds=LOCK_TIMEOUT)]), method)
        except Exception:  # noqa: BLE001 - it was logged where it was raised
            return response(*verdict([Check("facts", ok=False)]), method)
        return response(*verdict(ENDPOINTS[path](seen, self._limits), seen, await self._sentences()), method)

    async def _sentences(self) -> Sequence[str]:
        """The reasons for which the run does not go on; a probe is answered without them rather than late."""
        try:
            return await asyncio.wait_for(asyncio.wrap_future(self._signs.explain()), EXPLANATION_TIMEOUT)
        except asyncio.TimeoutError:
            return ()
        except Exception:  # noqa: BLE001 - it was logged where it was raised
            return ()


async def _end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send the rest, and read until the client has closed: to close before that would take its answer away."""
    writer.write_eof()
    while await reader.read(LONGEST_REQUEST):
        pass
