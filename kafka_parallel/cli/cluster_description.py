"""Finds the id and the brokers of a cluster, through an admin client of either line of kafka-python.

With brokers before 3.7, ``describe_cluster()`` of kafka-python 3.0 looks for a field that the answer does not have
(KIP-919). The facts are in each answer about metadata as well, which both lines of the client keep.
"""

from __future__ import annotations

from typing import Any

__all__ = ()


def id_of_cluster(admin: Any) -> str | None:
    """The id of the cluster of *admin*; ``None`` if it does not tell."""
    try:
        return str(admin.describe_cluster()["cluster_id"])
    except KeyError:
        found: str | None = getattr(_metadata(admin), "cluster_id", None)
        return found


def brokers_of(admin: Any) -> list[int]:
    """The ids of the brokers of *admin*."""
    try:
        found = admin.describe_cluster()["brokers"]
    except KeyError:
        return [broker.node_id for broker in _metadata(admin).brokers()]
    return [broker.get("broker_id", broker.get("node_id")) for broker in found]


def _metadata(admin: Any) -> Any:
    holder = getattr(admin, "_manager", None) or getattr(admin, "_client", None)
    return getattr(holder, "cluster", None)
