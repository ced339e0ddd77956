"""The facts about a cluster that a consumer depends on, as it told them; ``None`` = it did not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ()


@dataclass(frozen=True, kw_only=True)
class TopicFacts:
    """A topic.

    :ivar partitions: how many; 0 = there is no such topic.
    :ivar replicas: the fewest copies that one of its partitions has.
    :ivar refusal: the name of Kafka's error, if the topic may not be seen.
    :ivar operations: the acts that this user may do with it, as Kafka names them (``"WRITE"``).
    :ivar config: its settings.
    """

    partitions: int = 0
    replicas: int = 1
    refusal: str | None = None
    operations: frozenset[str] | None = None
    config: Mapping[str, str] | None = None

    def number(self, name: str) -> int | None:
        """The setting *name*, a number; ``None`` if it is not known."""
        found = None if self.config is None else self.config.get(name)
        return None if found is None else int(found)


@dataclass(frozen=True, kw_only=True)
class MemberFacts:
    """A member of a group.

    :ivar client_id: as its client calls itself.
    :ivar host: where it runs.
    :ivar instance_id: of a static member.
    :ivar topics: its subscription.
    """

    client_id: str = ""
    host: str = ""
    instance_id: str | None = None
    topics: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True)
class GroupFacts:
    """A consumer group.

    :ivar state: as Kafka names it; ``"Dead"`` = there is none.
    :ivar protocol: ``"consumer"``, or empty without members; others belong to other kinds of clients.
    :ivar kind: ``"classic"``, ``"consumer"`` (KIP-848) or ``"share"``.
    :ivar assignor: the one that its members agreed on; empty without members.
    :ivar refusal: the name of Kafka's error, if it may not be seen.
    :ivar operations: the acts that this user may do with it.
    """

    state: str = "Dead"
    protocol: str = ""
    kind: str | None = None
    assignor: str = ""
    members: tuple[MemberFacts, ...] = ()
    refusal: str | None = None
    operations: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True)
class ClusterFacts:
    """A cluster.

    :ivar servers: where it was asked.
    :ivar brokers: how many it has.
    :ivar silence: why no broker answered; ``None`` = one did.
    :ivar config: the settings of one broker.
    :ivar topics: each that was asked for.
    :ivar group: the consumer's; ``None`` = it has none.
    """

    servers: str = ""
    brokers: int = 0
    silence: str | None = None
    config: Mapping[str, str] | None = None
    topics: Mapping[str, TopicFacts] = field(default_factory=dict)
    group: GroupFacts | None = None

    @property
    def creates_topics(self) -> bool | None:
        """True if it makes a topic when one is asked for."""
        found = None if self.config is None else self.config.get("auto.create.topics.enable")
        return None if found is None else found == "true"
