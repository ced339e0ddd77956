"""How is a topic created so that a client can use it at once.

An answer to "create topic" means that the controller has decided; the partitions get their leaders a moment later.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from kafka_parallel.errors import BrokerError

LEADERS_S = 10.0
PAUSE_S = 0.01


def create_topic(bootstrap_servers: str, name: str, partitions: int, config: Mapping[str, str]) -> None:
    """Create a topic in one copy and wait until every partition has a leader.

    :raises BrokerError: the broker refused or did not answer.
    """
    from kafka.admin import KafkaAdminClient, NewTopic
    from kafka.errors import KafkaError

    try:
        admin = KafkaAdminClient(bootstrap_servers=bootstrap_servers.split(","))
        try:
            admin.create_topics([NewTopic(name, partitions, 1, topic_configs=dict(config))])
            _wait_for_leaders(admin, name, partitions)
        finally:
            admin.close()
    except KafkaError as error:
        raise BrokerError(
            f"cannot create the topic {name!r} with {partitions} partitions and the settings {dict(config)} "
            f"at {bootstrap_servers}: {error}"
        ) from error


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
    return sum(partition["error_code"] == 0 and _leader(partition) >= 0 for partition in topic["partitions"])


def _leader(partition: Mapping[str, int]) -> int:
    """kafka-python 3 names it as the protocol does, 2 in its own way."""
    return partition["leader_id"] if "leader_id" in partition else partition["leader"]
