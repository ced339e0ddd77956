"""The settings that make one Kafka node a quick throwaway broker.

Kafka's defaults assume three nodes and patience: internal topics in three copies of fifty partitions, and three seconds
of waiting for more members before a group starts.
"""

from __future__ import annotations

import random
import socket
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping

from kafka_parallel.errors import BrokerError

__all__ = ()

HOST = "127.0.0.1"

# Outside the ranges from which Linux (32768-) and macOS (49152-) give ports to outgoing connections: a client that
# reconnects to a broker that is down could otherwise be given the broker's own port, and connect to itself.
PORTS = range(20_000, 32_000)

SINGLE_NODE = {
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    # Tests of a member that is removed would wait six seconds by default.
    "group.min.session.timeout.ms": "500",
    # Records with timestamps of long ago, which tests like, would be gone at the first look, 30 s after the start.
    "log.retention.ms": "-1",
    # 128 MB by default, a quarter of the heap we give it.
    "log.cleaner.dedupe.buffer.size": "10485760",
}


# Over those of a single node: any one of three nodes may be away, and written records are still there.
THREE_NODES = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
}

# The time for which a ZooKeeper takes a killed node for alive: its session, and the tick in which that is noticed.
ZOOKEEPER_SESSION_S = 3.0

QUORUM = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
}


def server_properties(port: int, controller_port: int, *, bind: str, config: Mapping[str, str]) -> dict[str, str]:
    """Settings of one node that clients reach at 127.0.0.1.

    :param port: where clients connect.
    :param controller_port: where the node talks to itself.
    :param bind: address to listen on for clients; empty for all (only inside a container).
    :param config: settings that are added or replaced.
    """
    return {
        **QUORUM,
        **SINGLE_NODE,
        "listeners": f"PLAINTEXT://{bind}:{port},CONTROLLER://{HOST}:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://{HOST}:{port}",
        "controller.quorum.voters": f"1@{HOST}:{controller_port}",
        **config,
    }


def node_properties(
    number: int, port: int, controller_ports: Mapping[int, int], *, config: Mapping[str, str]
) -> dict[str, str]:
    """Settings of one of three nodes that clients reach at 127.0.0.1.

    :param number: the node's own number.
    :param port: where clients and the other nodes connect.
    :param controller_ports: where the controller of each node listens, by the node's number.
    :param config: settings that are added or replaced.
    """
    voters = (f"{each}@{HOST}:{controller_port}" for each, controller_port in controller_ports.items())
    return {
        **server_properties(port, controller_ports[number], bind=HOST, config={}),
        **THREE_NODES,
        "node.id": str(number),
        "controller.quorum.voters": ",".join(voters),
        **config,
    }


def zookeeper_properties(port: int, zookeeper: str, *, config: Mapping[str, str]) -> dict[str, str]:
    """Settings of one node that keeps its metadata in a ZooKeeper.

    :param port: where clients connect.
    :param zookeeper: the ZooKeeper's ``host:port``.
    :param config: settings that are added or replaced.
    """
    return {
        **SINGLE_NODE,
        "broker.id": "1",
        "zookeeper.connect": zookeeper,
        "zookeeper.session.timeout.ms": "2000",
        "listeners": f"PLAINTEXT://{HOST}:{port}",
        **config,
    }


def cluster_id() -> str:
    """A new id: sixteen random bytes as Kafka writes them. A leading dash would be read as an option."""
    return "k" + urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]


def free_ports(count: int) -> list[int]:
    """Choose different loopback ports on which no process listens now.

    Another process may take one before it is used, so a start that fails on a taken port is worth another try.

    :raises BrokerError: 100 random ports were all taken.
    """
    found: list[int] = []
    for port in random.SystemRandom().sample(PORTS, 100):
        if _is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise BrokerError(f"no {count} free ports among 100 tried between {PORTS.start} and {PORTS.stop} on {HOST}")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As Kafka does, or a port would count as taken for a minute after its last connection.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
