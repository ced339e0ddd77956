"""Are the topics there that a consumer reads, and may it read them?"""

from __future__ import annotations

from collections.abc import Iterator

from kafka_parallel.cli.preflight.cluster_facts import ClusterFacts, TopicFacts
from kafka_parallel.cli.preflight.findings import Finding, failure, good, remark, warning
from kafka_parallel.cli.preflight.installation import CODECS, PythonFacts
from kafka_parallel.cli.preflight.intended import Intended

__all__ = ()


def source_findings(intended: Intended, cluster: ClusterFacts, installed: PythonFacts) -> Iterator[Finding]:
    """Judge the topics that the *intended* consumer reads by its own subscription."""
    if intended.pattern is not None:
        yield remark("topics", f"{intended.pattern.pattern!r} is a pattern: its topics were not looked at")
    elif not intended.topics:
        yield failure("topics", "none is named: the consumer reads nothing; give --topic")
    for name in sorted(intended.topics):
        found, subject = cluster.topics[name], f"topic {name}"
        if found.refusal is not None:
            yield unseen(subject, found.refusal, "DESCRIBE and READ")
        elif not found.partitions:
            yield missing(subject, "the consumer waits for it, and reads nothing", cluster.creates_topics)
        else:
            yield good(subject, f"{found.partitions} partitions")
            yield from may(subject, found, "READ", "its records cannot be fetched")
            yield from _readable(subject, found, installed)


def _readable(subject: str, found: TopicFacts, installed: PythonFacts) -> Iterator[Finding]:
    codec = None if found.config is None else found.config.get("compression.type")
    if codec in CODECS and codec not in installed.codecs:
        yield failure(
            subject, f"compression.type={codec}, which this Python cannot read: pip install kafka-python[{codec}]"
        )


def missing(subject: str, consequence: str, creates_topics: bool | None) -> Finding:  # noqa: FBT001 - one of three facts
    """A topic that is not there: as bad as the cluster does not create it."""
    if creates_topics:
        return warning(
            subject,
            "does not exist; the cluster creates topics when they are asked for (auto.create.topics.enable), with its "
            "defaults of partitions and retention: create it before, with those that you want",
        )
    why = "and the cluster creates none (auto.create.topics.enable=false)"
    if creates_topics is None:
        why = "and whether the cluster creates it is not known: it does not tell its settings"
    return failure(subject, f"does not exist, {why}: {consequence}; create it")


def unseen(subject: str, refusal: str, rights: str) -> Finding:
    """A topic that this user may not see."""
    return failure(subject, f"may not be seen ({refusal}): allow {rights} for this user, or check the name")


def may(subject: str, found: TopicFacts, operation: str, consequence: str) -> Iterator[Finding]:
    """The right to do something with a topic."""
    if found.operations is None:
        yield warning(subject, f"the right to {operation} is not known: the broker or the client is too old to tell it")
    elif operation not in found.operations:
        yield failure(subject, f"this user may not {operation} it: {consequence}; allow {operation}")
