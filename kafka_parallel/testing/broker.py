"""Where does a test get a real Kafka from.

:func:`start_broker` finds or starts one: the broker named in ``KAFKA_BOOTSTRAP_SERVERS``, else a container, else a child process.
Whatever it started goes when this process goes, even if it is killed. From a shell::

    python -m kafka_parallel.testing.broker
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import Literal, Protocol, TypeAlias

from kafka_parallel.errors import BrokerError
from kafka_parallel.testing.broker_jvm import JvmBroker, start_jvm_broker
from kafka_parallel.testing.probe import wait_until_ready

Kind: TypeAlias = Literal["external", "docker", "jvm"]

SERVERS_VARIABLE = "KAFKA_BOOTSTRAP_SERVERS"


class Backend(Protocol):
    """What stands behind a :class:`Broker`."""

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect: ``host:port``."""

    def stop(self) -> None:
        """End it; a second call does nothing."""


@dataclass(frozen=True)
class ExternalBroker:
    """A broker that somebody else started and will stop."""

    bootstrap_servers: str

    def stop(self) -> None:
        """Leave it running."""


@dataclass(frozen=True)
class Broker:
    """A running Kafka. Made by :func:`start_broker`; methods may be called from any thread, one at a time.

    Leaving a ``with`` block stops it.

    :ivar kind: where it came from: "external", "docker" or "jvm".
    """

    kind: Kind
    _backend: Backend = field(repr=False)

    @property
    def bootstrap_servers(self) -> str:
        """Where clients connect: ``host:port``."""
        return self._backend.bootstrap_servers

    def create_topic(self, name: str, partitions: int = 1, *, config: Mapping[str, str] | None = None) -> None:
        """Create a topic and wait until all its partitions can be used.

        :param config: settings of the topic, such as ``{"cleanup.policy": "compact"}``.
        :raises BrokerError: the broker refused (the topic exists, a setting is unknown) or did not answer.
        """
        from kafka_parallel.testing.topics import create_topic

        create_topic(self.bootstrap_servers, name, partitions, config or {})

    def stop(self) -> None:
        """End the broker and remove what it wrote; an external one is left alone. A second call does nothing."""
        self._backend.stop()

    def kill(self) -> None:
        """Kill the broker's process (SIGKILL), as a crash would; :meth:`restart` brings it back with its data.

        :raises BrokerError: the broker is not of the kind "jvm".
        """
        self._jvm("killed").kill()

    def restart(self) -> None:
        """Start a killed broker again on the same port, with its data; one that runs is killed first.

        :raises BrokerError: the broker is not of the kind "jvm", or did not get ready again.
        """
        self._jvm("restarted").restart()

    def __enter__(self) -> Broker:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _jvm(self, what: str) -> JvmBroker:
        if not isinstance(self._backend, JvmBroker):
            raise BrokerError(f"a broker of the kind {self.kind!r} cannot be {what}; start one with kind='jvm'")
        return self._backend


def start_broker(
    *,
    kind: str | None = None,
    progress: bool = True,
    timeout_ms: int = 60_000,
    config: Mapping[str, str] = MappingProxyType({}),
) -> Broker:
    """Find or start a Kafka broker, and wait until it serves.

    :param kind: "external" (named in ``KAFKA_BOOTSTRAP_SERVERS``), "docker" or "jvm"; None takes the first that is to be had.
    :param progress: show a bar on standard error while Kafka is downloaded, once per machine.
    :param timeout_ms: how long the broker may take to get ready, in milliseconds; downloads are not counted.
    :param config: settings of the broker that are added or replaced; refused for an external one.
    :raises BrokerError: no broker is to be had, or it did not get ready; nothing is left of it.
    """
    starters: dict[str, Callable[[], Broker]] = {
        "external": lambda: Broker("external", _external(config, timeout_ms)),
        "jvm": lambda: Broker("jvm", start_jvm_broker(config, timeout_ms, progress=progress)),
    }
    if kind is None:
        kind = "external" if os.environ.get(SERVERS_VARIABLE) else "jvm"
    if kind not in starters:
        raise BrokerError(f"unknown kind of broker {kind!r}; it can be {', '.join(map(repr, starters))} or None")
    return starters[kind]()


def _external(config: Mapping[str, str], timeout_ms: int) -> ExternalBroker:
    servers = os.environ.get(SERVERS_VARIABLE)
    if not servers:
        raise BrokerError(f"no external broker is named; set {SERVERS_VARIABLE} to its host:port")
    if config:
        raise BrokerError(f"settings {sorted(config)} cannot be given to the broker of {SERVERS_VARIABLE}={servers}; unset it")
    reason = wait_until_ready(servers, timeout_ms / 1000)
    if reason is not None:
        raise BrokerError(f"no broker answers at {SERVERS_VARIABLE}={servers} in {timeout_ms} ms: {reason}; start it or unset it")
    return ExternalBroker(servers)
