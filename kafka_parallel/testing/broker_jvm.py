"""How is one Kafka node in a JVM a whole broker: with its metadata in itself, or in a ZooKeeper of its own."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial

from kafka_parallel.testing.faults import with_free_port
from kafka_parallel.testing.jvm_node import Installation, JvmNode, install
from kafka_parallel.testing.probe import wait_until_ready
from kafka_parallel.testing.server_config import (
    HOST,
    ZOOKEEPER_SESSION_S,
    cluster_id,
    free_ports,
    server_properties,
    zookeeper_properties,
)
from kafka_parallel.testing.zookeeper import ZooKeeper

__all__ = ()

# After a kill the controller refuses the new process until the session of the old one ends, nine seconds by default.
AFTER_KILL = ["--override", "broker.session.timeout.ms=2000", "--override", "broker.heartbeat.interval.ms=500"]


class JvmBroker:
    """One Kafka node in a JVM, its folder and its port. Methods may be called from any thread, one at a time.

    :param config: settings of the broker that are added or replaced.
    :param timeout_ms: how long formatting and each start may take, in milliseconds.
    :raises BrokerError: it did not get ready; nothing is left of it.
    """

    def __init__(self, installation: Installation, config: Mapping[str, str], timeout_ms: int) -> None:
        self._timeout_s = timeout_ms / 1000
        self._node = JvmNode(installation, self._timeout_s)
        self._zookeeper: ZooKeeper | None = None
        self._after_kill = AFTER_KILL if installation.has_quorum else []
        try:
            if installation.has_quorum:
                self._prepare(config)
            else:
                self._prepare_with_zookeeper(installation, config)
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Kill the JVM and remove its folder; a second call does nothing."""
        self._node.close()
        if self._zookeeper is not None:
            self._zookeeper.stop()

    def kill(self) -> None:
        """Kill the JVM (SIGKILL); folder and port are kept for :meth:`restart`."""
        self._node.kill()

    def restart(self) -> None:
        """Kill the JVM if it runs, and start it again on the same port and folder.

        :raises BrokerError: it did not get ready again.
        """
        self._node.kill()
        if self._zookeeper is not None:
            time.sleep(ZOOKEEPER_SESSION_S)  # until then the name of the node is taken
        self._start(*self._after_kill)

    def _prepare(self, config: Mapping[str, str]) -> None:
        port, controller_port = free_ports(2)
        self.bootstrap_servers: str = f"{HOST}:{port}"
        self._node.configure(server_properties(port, controller_port, bind=HOST, config=config))
        self._node.begin_format(cluster_id())
        self._node.end_format()

    def _prepare_with_zookeeper(self, installation: Installation, config: Mapping[str, str]) -> None:
        self._zookeeper = ZooKeeper(installation.java, self._timeout_s)
        [port] = free_ports(1)
        self.bootstrap_servers = f"{HOST}:{port}"
        self._node.configure(zookeeper_properties(port, self._zookeeper.address, config=config))

    def _start(self, *options: str) -> None:
        self._node.begin(*options)
        self._node.wait_until_ready(partial(wait_until_ready, self.bootstrap_servers))


def start_jvm_broker(config: Mapping[str, str], timeout_ms: int, *, progress: bool) -> JvmBroker:
    """Start Kafka in a JVM of its own; jars that are missing are downloaded first, which *timeout_ms* does not count.

    :raises NotAvailableError: a package of the extra ``testing`` is not installed.
    :raises BrokerError: the jars cannot be had, or the broker did not get ready.
    """
    installation = install(progress=progress)
    return with_free_port(lambda: JvmBroker(installation, config, timeout_ms))
