"""The brokers that the client is not connected to.

kafka-python says nothing of an unreachable broker: ``poll()`` brings no records, as from an empty topic, and logs at
debug level. Its object for connections tells for each broker whether it is connected, with the same methods in 2.x
and 3.x. It is looked at without a lock: each question is one look into a dictionary.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kafka import TopicPartition


class Connections:
    """The connections of one consumer.

    :param consumer: the user's consumer; one without connections, as a fake, has none that could be missed.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer

    @property
    def _net(self) -> Any:
        return getattr(self._consumer, "_client", None)

    def has_none(self) -> bool:
        """Tell whether no broker of the cluster is connected, although the consumer is open: closing ends all."""
        net = None if getattr(self._consumer, "_closed", False) else self._net
        return net is not None and all(net.is_disconnected(_node_id(broker)) for broker in net.cluster.brokers())

    def addresses(self) -> list[str]:
        """The brokers that the client looks for: those it has heard of, or else those of ``bootstrap_servers``."""
        brokers = [] if self._net is None else self._net.cluster.brokers()
        known = sorted(f"{broker.host}:{broker.port}" for broker in brokers if hasattr(broker, "host"))
        given = getattr(self._consumer, "config", {}).get("bootstrap_servers") or ()
        return known or ([given] if isinstance(given, str) else [*map(str, given)])

    def lost_leaders(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Those of *partitions* whose leader is not connected, or that have none: -1."""
        net = self._net
        if net is None:
            return {}
        leaders = {partition: net.cluster.leader_for_partition(partition) for partition in partitions}
        return {
            partition: leader
            for partition, leader in leaders.items()
            if leader is not None and (leader == -1 or net.is_disconnected(leader))
        }


def _node_id(broker: Any) -> int:
    """The number of a broker; 2.x has another name for it."""
    number: int = broker.nodeId if hasattr(broker, "nodeId") else broker.node_id
    return number
