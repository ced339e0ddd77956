"""The brokers that the client is not connected to, and those that do not answer it.

kafka-python says nothing of an unreachable broker: ``poll()`` brings no records, as from an empty topic, and logs at
debug level. Its object for connections tells for each broker whether it is connected, with the same methods in 2.x
and 3.x. It is looked at without a lock: each question is one look into a dictionary, or into a copy.

A broker that is frozen, or behind a network that drops packets, stays connected until a request has timed out (30 s
with 3.x, five minutes with 2.x). So the requests on their way tell it, each with the time when it was sent.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kafka import TopicPartition

    from kafka_parallel._runtime.clock import Clock

# A request may wait so long for its answer, in seconds, beside the time that a fetch waits for records at the broker.
PATIENCE = 5.0
# kafka-python 2.x notes wall time and 3.x monotonic time. No machine runs for 30 years: larger numbers are wall time.
LEAST_WALL_TIME = 1e9


class Connections:
    """The connections of one consumer.

    :param consumer: the user's consumer; one without connections, as a fake, has none that could be missed.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer

    @property
    def _net(self) -> Any:
        return getattr(self._consumer, "_client", None)

    @property
    def _config(self) -> dict[str, Any]:
        config: dict[str, Any] = getattr(self._consumer, "config", {})
        return config

    def has_none(self) -> bool:
        """Tell whether no broker of the cluster is connected, although the consumer is open: closing ends all."""
        net = None if getattr(self._consumer, "_closed", False) else self._net
        return net is not None and all(net.is_disconnected(_node_id(broker)) for broker in net.cluster.brokers())

    def unanswered(self, clock: Clock, *, is_joining: bool) -> dict[str, float]:
        """The brokers that have not answered a request for long, each with the seconds that it waits.

        :param is_joining: whether the member waits for the group: the coordinator may take minutes to answer that.
        """
        patience = PATIENCE + self._config.get("fetch_max_wait_ms", 0) / 1000
        found: dict[str, float] = {}
        for node, sent in self._sent_first().items():
            seconds = _age(sent, clock)
            if seconds > patience and not (is_joining and str(node).startswith("coordinator-")):
                name = self._address(node)
                found[name] = max(seconds, found.get(name, 0.0))
        return found

    def _sent_first(self) -> dict[Any, float]:
        """For each connection the time when its oldest request was sent that is not answered."""
        net = self._net
        open_ones = getattr(getattr(net, "_manager", net), "_conns", None) or {}
        waiting = {node: connection.in_flight_requests.copy() for node, connection in open_ones.copy().items()}
        return {node: min(map(_sent_at, _requests(requests))) for node, requests in waiting.items() if requests}

    def _address(self, node: Any) -> str:
        broker = self._net.cluster.broker_metadata(node)
        return f"broker {node}" if broker is None else f"{broker.host}:{broker.port}"

    def silent_for(self, clock: Clock) -> float | None:
        """Seconds since any broker answered; ``None`` if it is not known: kafka-python notes it for its metrics."""
        metrics = getattr(self._consumer, "_metrics", None)
        sensor = metrics and metrics.get_sensor("bytes-received")
        return None if sensor is None else _age(sensor._last_record_time / 1000, clock)  # noqa: SLF001

    def addresses(self) -> list[str]:
        """The brokers that the client looks for: those it has heard of, or else those of ``bootstrap_servers``."""
        brokers = [] if self._net is None else self._net.cluster.brokers()
        known = sorted(f"{broker.host}:{broker.port}" for broker in brokers if hasattr(broker, "host"))
        given = self._config.get("bootstrap_servers") or ()
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


def _requests(waiting: Any) -> Iterable[tuple[Any, ...]]:
    """The requests of a connection: 2.x has them by number, which 3.x puts before the rest."""
    return waiting.values() if isinstance(waiting, dict) else (request[1:] for request in waiting)


def _sent_at(request: tuple[Any, ...]) -> float:
    sent_at: float = request[1]
    return sent_at


def _age(at: float, clock: Clock) -> float:
    return max(0.0, (clock.wall() if at >= LEAST_WALL_TIME else clock.monotonic()) - at)
