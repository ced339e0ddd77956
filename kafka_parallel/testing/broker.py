"""Finds or starts a real Kafka for tests.

:func:`start_broker` finds or starts one: the broker named in ``KAFKA_BOOTSTRAP_SERVERS``, else a container, else a
child process, of the version that ``KAFKA_PARALLEL_KAFKA_VERSION`` names if it does (2.8.2 or 3.4.1). Whatever it
started goes when this process goes, even if it is killed. From a shell::

    python -m kafka_parallel.testing.broker
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from kafka_parallel.errors import BrokerError
from kafka_parallel.testing.broker_docker import start_docker_broker
from kafka_parallel.testing.broker_external import start_external_broker
from kafka_parallel.testing.broker_jvm import JvmBroker, start_jvm_broker
from kafka_parallel.testing.faults import NotAvailableError

__all__ = ["Broker", "NotAvailableError", "start_broker"]


class Backend(Protocol):
    """The implementation behind a :class:`Broker`."""

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients: ``host:port``."""

    def stop(self) -> None:
        """Stop the broker; a second call does nothing."""


@dataclass(frozen=True)
class Broker:
    """A running Kafka. Made by :func:`start_broker`; methods may be called from any thread, one at a time.

    Leaving a ``with`` block stops it.

    :ivar kind: where it came from: "external", "docker" or "jvm".
    """

    kind: str
    _backend: Backend = field(repr=False)

    @property
    def bootstrap_servers(self) -> str:
        """The address for clients: ``host:port``. It remains the same after `restart`."""
        return self._backend.bootstrap_servers

    def create_topic(self, name: str, partitions: int = 1, *, config: Mapping[str, str] | None = None) -> None:
        """Create the topic *name* with so many *partitions*, and wait until all of them can be used.

        :param config: settings of the topic, such as ``{"cleanup.policy": "compact"}``.
        :raises BrokerError: the broker refused (the topic exists, a setting is unknown) or did not answer.
        """
        from kafka_parallel.testing.topics import create_topic

        create_topic(self.bootstrap_servers, name, partitions, config or {})

    def stop(self) -> None:
        """End the broker and remove its files; an external one is left alone. A second call does nothing."""
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

    def __exit__(self, *_: object) -> None:
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

    :param kind: "external" (named in ``KAFKA_BOOTSTRAP_SERVERS``), "docker" or "jvm"; None takes the first that is
        available.
    :param progress: show a bar on standard error while Kafka is downloaded, once per machine.
    :param timeout_ms: how long the broker may take to get ready, in milliseconds; downloads are not counted.
    :param config: settings of the broker that are added or replaced; refused for an external one.
    :raises NotAvailableError: nothing failed, but no broker is available here; a child of :class:`BrokerError`.
    :raises BrokerError: the broker did not get ready; nothing is left of it. Or *kind* is unknown.
    """
    starters: dict[str, Callable[[], Backend]] = {
        "external": lambda: start_external_broker(config, timeout_ms),
        "docker": lambda: start_docker_broker(config, timeout_ms, progress=progress),
        "jvm": lambda: start_jvm_broker(config, timeout_ms, progress=progress),
    }
    if kind is None:
        return _first(starters)
    if kind not in starters:
        raise BrokerError(f"unknown kind of broker {kind!r}; it can be {', '.join(map(repr, starters))} or None")
    return Broker(kind, starters[kind]())


def _first(starters: Mapping[str, Callable[[], Backend]]) -> Broker:
    """Only unavailable kinds are passed over: a broker that fails is a fault, and is not hidden."""
    reasons = []
    for kind, start in starters.items():
        try:
            return Broker(kind, start())
        except NotAvailableError as error:
            reasons.append(f"{kind}: {error}")
    raise NotAvailableError("no Kafka broker is to be had here: " + "; ".join(reasons))


def main() -> None:
    """Start a broker, print ``bootstrap_servers=host:port``, and keep it until a signal or the end of input."""
    options = _parser().parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        broker = start_broker(kind=options.kind, timeout_ms=options.timeout_ms, config=dict(options.config))
    except BrokerError as error:
        sys.exit(f"error: {error}")
    with broker:
        print(f"bootstrap_servers={broker.bootstrap_servers}", flush=True)
        if options.stdin:
            sys.stdin.read()
        else:
            threading.Event().wait()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m kafka_parallel.testing.broker", description=main.__doc__)
    parser.add_argument("--kind", help="external, docker or jvm; the first that is available if not given")
    parser.add_argument("--timeout-ms", type=int, default=60_000, help="how long the broker may take to get ready")
    parser.add_argument(
        "--config", action="append", default=[], type=_setting, metavar="NAME=VALUE", help="a setting of the broker"
    )
    parser.add_argument("--stdin", action="store_true", help="also end when standard input ends")
    return parser


def _setting(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


if __name__ == "__main__":
    main()
