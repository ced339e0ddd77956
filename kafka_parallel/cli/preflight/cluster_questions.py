"""Asks a cluster for the facts, through an admin client: nothing is joined, created or changed.

kafka-python 2.x and 3.x name the calls and the fields of the answers differently. Of an answer that a broker is too old
for, or that this user may not have, only that is known.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from time import sleep
from typing import Any, TypeVar

import kafka.errors
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from kafka_parallel.cli.cluster_description import brokers_of
from kafka_parallel.cli.preflight.cluster_facts import ClusterFacts, GroupFacts, MemberFacts, TopicFacts

__all__ = ()

T = TypeVar("T")
MISSING_TOPIC = 3
# A group that no member ever joined; it is raised, or said in the answer.
NO_GROUP = "GroupIdNotFoundError"
FORBIDDEN = ("GroupAuthorizationFailedError",)
# A coordinator that is starting: the first question of all makes a cluster create the topic of its offsets.
PASSING = ("CoordinatorNotAvailableError", "CoordinatorLoadInProgressError", "NotCoordinatorError")
COORDINATOR_TRIES, COORDINATOR_WAIT = 20, 0.25


def ask_cluster(admin: Any, servers: str, topics: Collection[str], group_id: str | None) -> ClusterFacts:
    """Ask for the brokers, the *topics* and the group.

    :param admin: a ``KafkaAdminClient``.
    :param servers: where it was connected to, for the report.
    :raises KafkaError: the cluster stopped answering.
    """
    brokers = brokers_of(admin)
    one = str(next(iter(brokers), ""))
    names = sorted(topics)
    configs = _configs(admin, ConfigResourceType.TOPIC, names)
    described = (
        {found.get("name", found.get("topic")): found for found in admin.describe_topics(names)} if names else {}
    )
    return ClusterFacts(
        servers=servers,
        brokers=len(brokers),
        config=_configs(admin, ConfigResourceType.BROKER, [one]).get(one) if one else None,
        topics={name: _topic(described.get(name, {"error_code": MISSING_TOPIC}), configs.get(name)) for name in names},
        group=None if group_id is None else _group(admin, group_id),
    )


def _topic(found: Mapping[str, Any], config: Mapping[str, str] | None) -> TopicFacts:
    partitions = found.get("partitions", ())
    error = found["error_code"]
    copies = [len(each.get("replica_nodes", each.get("replicas", ()))) for each in partitions]
    return TopicFacts(
        partitions=len(partitions),
        replicas=min(copies, default=0),
        refusal=_error_name(error) if error not in (0, MISSING_TOPIC) else None,
        operations=_operations(found.get("authorized_operations")),
        config=config or None,
    )


def _operations(found: Iterable[object] | None) -> frozenset[str] | None:
    """The acts by their names; both lines of the client give names, and 2.2 none at all."""
    return None if found is None else frozenset(getattr(each, "name", str(each)) for each in found)


def _error_name(code: int) -> str:
    return str(kafka.errors.for_code(code).__name__)


# Settings


def _configs(admin: Any, kind: Any, names: Iterable[str]) -> dict[str, dict[str, str]]:
    """The settings of each of *names* that the cluster tells."""
    resources = [ConfigResource(kind, name) for name in names]
    if not resources:
        return {}
    options = {"config_filter": "all"} if _is_3(admin) else {}
    answer = _or_none(lambda: admin.describe_configs(resources, **options))
    if answer is None:
        return {}
    if isinstance(answer, Mapping):
        return {
            name: {setting: str(entry["value"]) for setting, entry in found.items() if entry["value"] is not None}
            for name, found in answer.get(kind.name.lower(), {}).items()
        }
    return {
        resource[4]: {str(entry[0]): str(entry[1]) for entry in resource[5] if entry[1] is not None}
        for response in answer
        for resource in map(_fields, response.resources)
    }


def _fields(resource: Any) -> tuple[Any, ...]:
    """An item of the answer in 2.x: error, its text, kind, name, settings; a place of zero comes first."""
    return (None, *tuple(resource)) if len(tuple(resource)) == 5 else tuple(resource)


def _is_3(admin: Any) -> bool:
    return hasattr(admin, "describe_groups")


def _or_none(ask: Callable[[], T]) -> T | None:
    """The answer to *ask*; ``None`` if the broker is too old for it, or this user may not have it."""
    try:
        return ask()
    except (
        kafka.errors.AuthorizationError,
        kafka.errors.IncompatibleBrokerVersion,
        kafka.errors.UnsupportedVersionError,
    ):
        return None


# The group


def _group(admin: Any, group_id: str) -> GroupFacts:
    """The facts about a group; a coordinator that is just starting gets some time."""
    for _ in range(COORDINATOR_TRIES - 1):
        found = _group_now(admin, group_id)
        if found.refusal is None or not any(name in found.refusal for name in PASSING):
            return found
        sleep(COORDINATOR_WAIT)
    return _group_now(admin, group_id)


def _group_now(admin: Any, group_id: str) -> GroupFacts:
    try:
        found = _described(admin, group_id)
    except KafkaError as error:
        refusal = type(error).__name__
        if refusal != NO_GROUP and refusal not in {*PASSING, *FORBIDDEN}:
            raise
        return GroupFacts(refusal=None if refusal == NO_GROUP else refusal)
    refusal = found["error"]
    if refusal is not None and NO_GROUP not in refusal:
        return GroupFacts(refusal=refusal)
    return GroupFacts(
        state=found["state"],
        protocol=found["protocol_type"],
        kind=_kind(admin, group_id),
        assignor=found["assignor"],
        members=tuple(map(_member, found["members"])),
        operations=_operations(found["operations"]),
    )


def _described(admin: Any, group_id: str) -> dict[str, Any]:
    """The description of a group, by the same names for both lines of the client."""
    if _is_3(admin):
        found = admin.describe_groups([group_id])[group_id]
        return {
            "state": found["group_state"], "protocol_type": found["protocol_type"], "assignor": found["protocol_data"],
            "members": found["members"], "operations": found.get("authorized_operations"), "error": found["error"],
        }  # fmt: skip
    [found] = admin.describe_consumer_groups([group_id])
    return {
        "state": found.state, "protocol_type": found.protocol_type, "assignor": found.protocol,
        "members": [member._asdict() for member in found.members], "operations": found.authorized_operations,
        "error": _error_name(found.error_code) if found.error_code else None,
    }  # fmt: skip


def _member(found: Mapping[str, Any]) -> MemberFacts:
    subscription = found["member_metadata"]
    if not isinstance(subscription, Mapping):
        subscription = {"topics": getattr(subscription, "topics", getattr(subscription, "subscription", ()))}
    return MemberFacts(
        client_id=found["client_id"],
        host=found["client_host"].lstrip("/"),
        instance_id=found.get("group_instance_id"),
        topics=frozenset(subscription.get("topics", ())),
    )


def _kind(admin: Any, group_id: str) -> str | None:
    """The kind of the group; only 3.x of the client, with brokers of 3.8 and later, can tell."""
    if not _is_3(admin):
        return None
    groups = _or_none(admin.list_groups) or []
    return next((found.get("group_type") for found in groups if found["group_id"] == group_id), None)
