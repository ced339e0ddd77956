"""Answers the probes of Kubernetes and the like: is this consumer alive, ready, started?

``/livez`` fails only where a restart helps: run() has ended, or the loop does not come round. ``/readyz`` and
``/startupz`` say whether the consumer has taken its part in the group. It costs nothing per record: facts are asked for
when a probe comes.

A probe gets its answer although the consumer's lock is held, or handlers block: the server has a thread of its own and
asks for facts on a second one. Facts that do not come within a second are the check "lock", which fails.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import threading
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from kafka_parallel import ConfigurationError, hookimpl
from kafka_parallel.plugin_support import wrong_setting
from kafka_parallel_plugins.health.health_checks import GOES_ON, Limits, liveness
from kafka_parallel_plugins.health.health_file import HealthFile
from kafka_parallel_plugins.health.http_answers import verdict
from kafka_parallel_plugins.health.probe_server import LOCK_TIMEOUT, ProbeServer
from kafka_parallel_plugins.health.vital_signs import VitalSigns

if TYPE_CHECKING:
    from kafka_parallel import Settings
    from kafka_parallel.facts import Facts

__all__ = ["Health"]

# Below this a broker that is down would count as a partition that stands still: for 30 s its log end still counts.
SHORTEST_PARTITION_STALL_MS = 60_000
# Below this a round that is a little longer than usual would count: a smaller number was meant in seconds.
SHORTEST_POLL_STALL_MS = 1_000

# The server of the run that ended last, for each port that was asked for: it answers that the run has, until another
# run needs the port, or ends. Each keeps a thread, a socket and the whole consumer.
_ended: dict[int, ProbeServer] = {}
_ended_lock = threading.Lock()


class Health:
    """Answers ``/livez``, ``/readyz`` and ``/startupz`` with 200 or 503, and keeps a file young while it lives.

    After its run it answers that the run has ended, until another run of the process with the same *port* begins or
    ends.

    :param port: the port to listen at; 0 = any free one, see `address`; ``None`` = none, for the file alone.
    :param host: the address to listen at; ``"0.0.0.0"`` for probes from outside of the container.
    :param file: a file that is replaced once a second while ``/livez`` would be 200; ``None`` = none. Each consumer
        needs one of its own.
    :param poll_stall_ms: milliseconds without a poll after which ``/livez`` fails; at least 1,000.
    :param partition_stall_ms: milliseconds after which ``/livez`` fails if a partition has lag, is not paused, has
        nothing running, waits for no retry, rate or worker, and finished nothing; at least 60,000; ``None`` = never.
    :param handler_stall_ms: milliseconds of one handler after which ``/livez`` fails; ``None`` = never; not below the
        consumer's ``handler_timeout_ms``, which ends the attempt and not the process.
    :param ready_when_throttled: whether ``/readyz`` is 200 while a plugin lets no record start.
    :raises ConfigurationError: a setting cannot work.
    """

    def __init__(
        self,
        *,
        port: int | None = 8080,
        host: str = "127.0.0.1",
        file: str | os.PathLike[str] | None = None,
        poll_stall_ms: float = 60_000,
        partition_stall_ms: float | None = None,
        handler_stall_ms: float | None = None,
        ready_when_throttled: bool = True,
    ) -> None:
        if port is not None and (isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65_535):
            raise wrong_setting("health", "port", port, "an integer from 0 to 65535, or None to serve nothing")
        if not isinstance(host, str) or not host:
            raise wrong_setting("health", "host", host, 'an address of this machine, such as "127.0.0.1" or "0.0.0.0"')
        if file is not None and not isinstance(file, (str, os.PathLike)):
            raise wrong_setting("health", "file", file, "the path of a file, or None")
        if port is None and file is None:
            raise ConfigurationError("health: port=None and file=None leave nothing that a probe could ask: set one")
        if not isinstance(ready_when_throttled, bool):
            raise wrong_setting("health", "ready_when_throttled", ready_when_throttled, "True or False")
        self._port, self._host = port, host
        self._path = None if file is None else Path(file)
        poll = _seconds("poll_stall_ms", poll_stall_ms, SHORTEST_POLL_STALL_MS)
        self._limits = Limits(
            poll=poll,
            rebalance=poll,
            partition=None
            if partition_stall_ms is None
            else _seconds("partition_stall_ms", partition_stall_ms, SHORTEST_PARTITION_STALL_MS),
            handler=None if handler_stall_ms is None else _seconds("handler_stall_ms", handler_stall_ms),
            ready_when_throttled=ready_when_throttled,
        )
        self._facts: Facts | None = None
        self._server: ProbeServer | None = None
        self._file: HealthFile | None = None

    @property
    def address(self) -> tuple[str, int] | None:
        """The host and the port at which it answers probes; ``None`` while it does not, and with a file alone."""
        return None if self._server is None else self._server.address

    def close(self) -> None:
        """Stop to answer, from any thread; a consumer that runs goes on. Without it, answers go on after run()."""
        server, file = self._server, self._file
        self._server = self._file = None
        if server is not None:
            server.close()
        if file is not None:
            file.close()

    @hookimpl
    def on_start(self, settings: Settings) -> None:
        """Begin to answer.

        :raises ConfigurationError: the port is in use, the host is not this machine's, the file cannot be written or
            is another consumer's, a handler would stall before its time is over.
        """
        if self._facts is not None and self._facts.state in GOES_ON:
            raise ConfigurationError(
                "this object of plugin health belongs to another consumer that runs: give each its own"
            )
        self._refuse_a_stall_before_the_timeout(settings.handler_timeout_ms)
        self.close()
        self._facts = settings.facts
        longest = settings.consumer_config.get("max_poll_interval_ms", 0) / 1000  # then the group gives up on it
        self._limits = replace(self._limits, rebalance=max(self._limits.poll, longest))
        watches = self._limits.partition is not None
        signs = VitalSigns(settings.facts, settings.clock, watches_partitions=watches)
        if self._path is not None:
            self._file = self._open_file(self._path, signs)
        if self._port is not None:
            self._server = self._listen(self._port, signs, watches=watches)

    @hookimpl
    def on_stop(self) -> None:
        """Leave the file alone; go on answering that the run has ended, unless it has never begun."""
        if self._facts is None or self._facts.state == "starting":
            self.close()
            return
        if self._file is not None:
            self._file.close()
        if self._server is not None and self._port is not None:
            with _ended_lock:
                before, _ended[self._port] = _ended.get(self._port), self._server
            if before is not None and before is not self._server:  # of another consumer with port=0, or another host
                before.close()

    def _refuse_a_stall_before_the_timeout(self, handler_timeout_ms: float | None) -> None:
        stall = self._limits.handler
        if stall is not None and handler_timeout_ms is not None and stall * 1000 < handler_timeout_ms:
            raise ConfigurationError(
                f"handler_stall_ms={stall * 1000:.0f} of plugin health is below "
                f"handler_timeout_ms={handler_timeout_ms:.0f}: a handler that may still run would have the process "
                "restarted; set handler_stall_ms above handler_timeout_ms"
            )

    def _listen(self, port: int, signs: VitalSigns, *, watches: bool) -> ProbeServer:
        with _ended_lock:
            ended = _ended.pop(port, None)
        if ended is not None:
            ended.close()
        try:
            return ProbeServer(signs, self._limits, self._host, port, watches=watches)
        except OSError as error:
            hint = (
                "give each consumer and each program of this machine a port of its own"
                if error.errno == errno.EADDRINUSE
                else "host must be an address of this machine, and port one that this user may open"
            )
            raise ConfigurationError(
                f"health cannot listen at host={self._host!r}, port={port} ({_reason(error)}): {hint}"
            ) from error

    def _open_file(self, path: Path, signs: VitalSigns) -> HealthFile:
        def alive() -> bytes | None:
            try:
                seen = signs.observe().result(LOCK_TIMEOUT)
            except FutureTimeoutError:
                return None
            except Exception:  # noqa: BLE001 - it was logged where it was raised
                return None
            status, body = verdict(liveness(seen, self._limits), seen)
            return json.dumps(body).encode() + b"\n" if status is HTTPStatus.OK else None

        try:
            return HealthFile(path, alive)
        except OSError as error:
            hint = (
                "give each consumer a file of its own, or one that is dead looks alive"
                if error.errno == errno.EBUSY
                else "name a file in a folder that exists and that this user may write to"
            )
            raise ConfigurationError(f"health cannot write file={str(path)!r} ({error.strerror}): {hint}") from error


def _reason(error: OSError) -> str:
    """The cause alone: the text of asyncio repeats the address, and the number of a name's lookup is no ``errno``."""
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or str(error)
    return os.strerror(error.errno)


def _seconds(name: str, milliseconds: float, least: float = 0) -> float:
    is_number = isinstance(milliseconds, (int, float)) and not isinstance(milliseconds, bool)
    if not is_number or not max(least, 1) <= milliseconds < float("inf"):
        raise wrong_setting(
            "health", name, milliseconds, f"a finite number of milliseconds, at least {max(least, 1):,}"
        )
    return milliseconds / 1000
