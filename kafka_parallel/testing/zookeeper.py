"""How does a ZooKeeper run as a child process, for brokers that are older than KRaft."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

from kafka_parallel.testing.faults import broker_failed
from kafka_parallel.testing.guarded import Guarded
from kafka_parallel.testing.server_config import HOST, free_ports

__all__ = ()


class ZooKeeper:
    """One ZooKeeper node in a JVM, its folder and its port.

    :param java: the command line up to the name of the class.
    :param timeout_s: seconds that it may take to get ready.
    :ivar address: where brokers connect: ``host:port``.
    :raises BrokerError: it did not get ready; nothing is left of it.
    """

    def __init__(self, java: Sequence[str], timeout_s: float) -> None:
        [self._port] = free_ports(1)
        self.address: str = f"{HOST}:{self._port}"
        self._guard = Guarded("kafka-parallel-zookeeper-")
        self._log = self._guard.directory / "zookeeper.log"
        try:
            self._start(java, timeout_s)
        except BaseException:
            self._guard.close()
            raise

    def stop(self) -> None:
        """Kill the JVM and remove its folder; a second call does nothing."""
        self._guard.close()

    def _start(self, java: Sequence[str], timeout_s: float) -> None:
        settings = {
            "dataDir": str(self._guard.directory / "data"),
            "clientPort": str(self._port),
            "clientPortAddress": HOST,
            "admin.enableServer": "false",
            "tickTime": "500",
            "maxClientCnxns": "0",
        }
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        (self._guard.directory / "zookeeper.properties").write_text(text, encoding="utf-8")
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        self._guard.run([*java, main, "zookeeper.properties"], self._log)
        deadline = time.monotonic() + timeout_s
        while not self._is_ready():
            if self._guard.exit_code() is not None or time.monotonic() > deadline:
                raise broker_failed("the ZooKeeper did not get ready", self._log.read_text(errors="replace"))
            time.sleep(0.05)

    def _is_ready(self) -> bool:
        try:
            socket.create_connection((HOST, self._port), timeout=1.0).close()
        except OSError:
            return False
        return True
