"""Starts a Kafka of several nodes for tests, whose nodes can be stopped one by one.

:func:`start_cluster` runs three nodes on this machine, each in a JVM of its own, on loopback only. Every topic has
three copies, of which two must have a record before it counts as written, so that any one node may be away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from types import MappingProxyType

from kafka_parallel.errors import BrokerError
from kafka_parallel.testing.faults import NotAvailableError, with_free_port
from kafka_parallel.testing.jvm_node import Installation, JvmNode, install
from kafka_parallel.testing.probe import ATTEMPT_S, brokers_at
from kafka_parallel.testing.server_config import HOST, cluster_id, free_ports, node_properties
from kafka_parallel.testing.topics import create_topic, without_all_copies

__all__ = ["Cluster", "start_cluster"]

NODES = (1, 2, 3)

# Three heaps of the size of a single broker's would be much for a small machine.
HEAP = ("-Xmx320m",)
PAUSE_S = 0.1


class Cluster:
    """Three nodes of one *installation*, their folders and their ports; `start_cluster` makes it.

    Methods may be called from any thread, one at a time.

    Leaving a ``with`` block stops it.

    :ivar bootstrap_servers: where clients connect: ``host:port`` of each node, with commas between them.
    :param config: settings of every node that are added or replaced.
    :param timeout_ms: how long each wait may take, in milliseconds: formatting, a start, a shutdown, the copies.
    :raises BrokerError: it did not get ready; nothing is left of it.
    """

    def __init__(self, installation: Installation, config: Mapping[str, str], timeout_ms: int) -> None:
        self._timeout_s = timeout_ms / 1000
        free = free_ports(2 * len(NODES))
        ports, controller_ports = (
            dict(zip(NODES, each, strict=True)) for each in (free[: len(NODES)], free[len(NODES) :])
        )
        self._addresses = {number: f"{HOST}:{port}" for number, port in ports.items()}
        self.bootstrap_servers: str = ",".join(self._addresses.values())
        self._nodes: dict[int, JvmNode] = {}
        with ExitStack() as stack:
            for number in NODES:
                self._nodes[number] = JvmNode(installation, self._timeout_s, name=f"node {number} of the cluster")
                stack.callback(self._nodes[number].close)
            self._prepare(ports, controller_ports, config)
            for node in self._nodes.values():
                node.begin()
            for number in NODES:
                self._wait_until_ready(number)
            self._stack = stack.pop_all()

    def create_topic(self, name: str, partitions: int = 1, *, config: Mapping[str, str] = MappingProxyType({})) -> None:
        """Create the topic *name* with so many *partitions* of three copies, and wait until all of them can be used.

        :param config: settings of the topic.
        :raises BrokerError: the cluster refused or did not answer.
        """
        create_topic(self.bootstrap_servers, name, partitions, config, replication_factor=len(NODES))

    def kill(self, number: int) -> None:
        """Kill the node (SIGKILL), as a crash would; :meth:`start` brings it back with its data.

        :param number: 1, 2 or 3.
        """
        self._nodes[number].kill()

    def shut_down(self, number: int) -> None:
        """End the node as an operator would (SIGTERM): it first hands its partitions over to the others.

        :param number: 1, 2 or 3.
        :raises BrokerError: it had not ended in time.
        """
        self._nodes[number].shut_down()

    def start(self, number: int) -> None:
        """Start a node that was stopped, on its port and with its data, and wait until it serves and has all copies.

        After a kill the others refuse it until they have noticed that it had died, nine seconds by default.

        :param number: 1, 2 or 3.
        :raises BrokerError: it did not get ready, or has not caught up in time.
        """
        self._nodes[number].begin()
        self._wait_until_ready(number)
        self._wait_for_copies()

    def stop(self) -> None:
        """Kill all nodes and remove their files; a second call does nothing."""
        self._stack.close()

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _prepare(
        self, ports: Mapping[int, int], controller_ports: Mapping[int, int], config: Mapping[str, str]
    ) -> None:
        identity = cluster_id()
        for number, node in self._nodes.items():
            node.configure(node_properties(number, ports[number], controller_ports, config=config))
            node.begin_format(identity)
        for node in self._nodes.values():
            node.end_format()

    def _wait_until_ready(self, number: int) -> None:
        self._nodes[number].wait_until_ready(partial(_wait_for_all_nodes, self._addresses[number]))

    def _wait_for_copies(self) -> None:
        deadline = time.monotonic() + self._timeout_s
        while behind := without_all_copies(self.bootstrap_servers):
            if time.monotonic() > deadline:
                raise BrokerError(f"after {self._timeout_s * 1000:.0f} ms not all copies are up to date of {behind}")
            time.sleep(PAUSE_S)


def _wait_for_all_nodes(address: str, timeout_s: float, check: Callable[[], None]) -> str | None:
    """Wait until the node at *address* serves and knows all others; None if it does, or why it does not."""
    deadline = time.monotonic() + timeout_s
    reason = "there was no time to ask"
    while time.monotonic() < deadline:
        check()
        try:
            known = brokers_at(address, ATTEMPT_S)
        except OSError as error:
            reason = str(error)
        else:
            if known == len(NODES):
                return None
            reason = f"it knows of {known} nodes, itself included"
        time.sleep(PAUSE_S)
    return reason


def start_cluster(
    *, progress: bool = True, timeout_ms: int = 180_000, config: Mapping[str, str] = MappingProxyType({})
) -> Cluster:
    """Start a Kafka of three nodes, and wait until all of them serve.

    :param progress: show a bar on standard error while Kafka is downloaded, once per machine.
    :param timeout_ms: how long each wait may take, in milliseconds; downloads are not counted.
    :param config: settings of every node that are added or replaced.
    :raises NotAvailableError: a package of the extra ``testing`` is not installed, or this Kafka needs a ZooKeeper.
    :raises BrokerError: the jars cannot be had, or the cluster did not get ready; nothing is left of it.
    """
    installation = install(progress=progress, flags=HEAP)
    if not installation.has_quorum:
        raise NotAvailableError(f"a cluster needs Kafka 3.3 or newer, this is {installation.version}")
    return with_free_port(lambda: Cluster(installation, config, timeout_ms))
