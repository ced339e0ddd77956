"""How is a topic created so that a client can use it at once.

An answer to "create topic" means that the controller has decided; the partitions get their leaders a moment later.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from kafka_parallel.errors import BrokerError

__all__ = ()

LEADERS_S = 10.0
PAUSE_S = 0.01


def create_topic(
    bootstrap_servers: str, name: str, partitions: int, config: Mapping[str, str], *, replication_factor: int = 1
) -> None:
    """Create a topic and wait until every partition has a leader.

    :param replication_factor: on how many nodes each partition is.

    :raises BrokerError: the broker refused or did not answer.
    """
    from kafka.admin import KafkaAdminClient, NewTopic
    from kafka.errors import KafkaError

    try:
        admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers.split(","))
        try:
            admin.create_topics([NewTopic(name, partitions, replication_factor, topic_configs=dict(config))])
            _wait_for_leaders(admin, name, partitions)
        finally:
            admin.close()
    except KafkaError as error:
        raise BrokerError(
            f"cannot create the topic {name!r} with {partitions} partitions and the settings {dict(config)} "
            f"at {bootstrap_servers}: {error}"
        ) from error


def without_all_copies(bootstrap_servers: str) -> list[str]:
    """Partitions, as ``topic[number]``, of which not all copies are up to date; of all topics, internal ones included.

    :raises BrokerError: the cluster did not answer.
    """
    from kafka.admin import KafkaAdminClient
    from kafka.errors import KafkaError

    try:
        admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers.split(","))
        try:
            topics = admin.describe_topics()
        finally:
            admin.close()
    except KafkaError as error:
        raise BrokerError(f"cannot ask {bootstrap_servers} for its topics: {error}") from error
    return [
        f"{_field(topic, 'name', 'topic')}[{_field(partition, 'partition_index', 'partition')}]"
        for topic in topics
        for partition in topic["partitions"]
        if len(_field(partition, "isr_nodes", "isr")) < len(_field(partition, "replica_nodes", "replicas"))
    ]


def _wait_for_leaders(admin: Any, name: str, partitions: int) -> None:
    deadline = time.monotonic() + LEADERS_S
    while _with_leader(admin, name) < partitions:
        if time.monotonic() > deadline:
            raise BrokerError(
                f"the topic {name!r} was created, but has partitions without a leader after {LEADERS_S} s"
            )
        time.sleep(PAUSE_S)


def _with_leader(admin: Any, name: str) -> int:
    topic = admin.describe_topics([name])[0]
    leaders = (
        _field(partition, "leader_id", "leader") for partition in topic["partitions"] if not partition["error_code"]
    )
    return sum(leader >= 0 for leader in leaders)


def _field(described: Mapping[str, Any], name: str, older: str) -> Any:
    """A field of a description: kafka-python 3 names it as the protocol does, 2 in its own way."""
    return described[name] if name in described else described[older]
