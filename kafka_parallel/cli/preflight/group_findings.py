"""Will the group take this member in, beside those that it has?"""

from __future__ import annotations

from collections.abc import Iterator

from kafka_parallel.cli.preflight.cluster_facts import ClusterFacts, GroupFacts
from kafka_parallel.cli.preflight.findings import Finding, failure, good, remark, warning
from kafka_parallel.cli.preflight.intended import Intended

__all__ = ()

CONSUMER = "consumer"
# The state of a group that no member ever joined, or whose offsets are gone.
NEW = "Dead"
OTHER_KINDS = ("share", "streams")
LIMITS = {"group.min.session.timeout.ms": min, "group.max.session.timeout.ms": max}


def group_findings(intended: Intended, cluster: ClusterFacts) -> Iterator[Finding]:
    """Judge the group of the *intended* consumer."""
    group = cluster.group
    if group is None:
        return
    subject = f"group {intended.group_id}"
    if group.refusal is not None:
        yield failure(
            subject,
            f"cannot be seen ({group.refusal}): allow READ and DESCRIBE of the group for this user, or see that the "
            "cluster's coordinator works",
        )
        return
    problems = list(_problems(subject, intended, group, cluster))
    yield from problems or [_healthy(subject, group)]


def _healthy(subject: str, group: GroupFacts) -> Finding:
    if group.members:
        return good(subject, f"{len(group.members)} members, which use {group.assignor}")
    if group.state == NEW and group.operations is None:
        return remark(subject, "is new: the cluster tells the right to READ it only when it exists")
    return good(subject, "no members now")


def _problems(subject: str, intended: Intended, group: GroupFacts, cluster: ClusterFacts) -> Iterator[Finding]:
    if group.operations is None and group.state != NEW:
        yield warning(subject, "the right to READ is not known: the broker or the client is too old to tell it")
    elif group.operations is not None and "READ" not in group.operations:
        yield failure(subject, "this user may not READ it: no offset can be committed; allow READ of the group")
    yield from _session(intended, cluster)
    other = group.kind if group.kind in OTHER_KINDS else group.protocol
    if other not in ("", CONSUMER):
        yield failure(subject, f"belongs to clients of another kind ({other}): choose another group")
    elif group.members:
        yield from _members(subject, intended, group, cluster)


def _session(intended: Intended, cluster: ClusterFacts) -> Iterator[Finding]:
    session, limits = intended.config["session_timeout_ms"], cluster.config or {}
    for name, nearer in LIMITS.items():
        bound = limits.get(name)
        if bound is not None and nearer(session, int(bound)) == session != int(bound):
            yield failure(
                "session_timeout_ms",
                f"{session} is outside of the cluster's {name}={bound}: the join is refused; set it to {bound}",
            )


def _members(subject: str, intended: Intended, group: GroupFacts, cluster: ClusterFacts) -> Iterator[Finding]:
    yield from _assignor(subject, intended, group)
    instance = intended.config.get("group_instance_id")
    if instance is not None and instance in {member.instance_id for member in group.members}:
        yield warning(
            subject,
            f"a member with group_instance_id={instance!r} runs: it is fenced when this one starts, unless it has "
            "ended by then; give each instance an id of its own",
        )
    others = frozenset().union(*(member.topics for member in group.members)) - {*intended.topics, *_read(intended)}
    if others:
        yield warning(
            subject,
            f"has members that read {', '.join(sorted(others))}, which this consumer does not: if it is another "
            "service, give it a group of its own",
        )
    partitions = sum(cluster.topics[name].partitions for name in intended.topics)
    if 0 < partitions <= len(group.members):
        yield warning(
            subject,
            f"has {len(group.members)} members for {partitions} partitions: one more is idle; raise workers, or add "
            "partitions",
        )


def _assignor(subject: str, intended: Intended, group: GroupFacts) -> Iterator[Finding]:
    offered = ", ".join(intended.assignors)
    if group.kind == CONSUMER:
        yield failure(
            subject,
            "its members use the new protocol (group.protocol=consumer), which kafka-python does not have: stop them "
            "all, or choose another group",
        )
    elif group.assignor and group.assignor not in intended.assignors:
        yield failure(
            subject,
            f"its members use {group.assignor}, and this consumer offers {offered}: the join is refused "
            f"(InconsistentGroupProtocol); add {group.assignor} to partition_assignment_strategy",
        )


def _read(intended: Intended) -> set[str]:
    return {need.topic for _, need in intended.needs if need.is_read}
