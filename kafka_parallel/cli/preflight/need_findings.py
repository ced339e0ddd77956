"""Are the topics there that plugins and results are written to, and do they take what is written?"""

from __future__ import annotations

from collections.abc import Iterator

from kafka_parallel.cli.preflight.cluster_facts import ClusterFacts, TopicFacts
from kafka_parallel.cli.preflight.findings import Finding, failure, good, warning
from kafka_parallel.cli.preflight.intended import Intended
from kafka_parallel.cli.preflight.topic_findings import may, missing, unseen
from kafka_parallel.topic_needs import TopicNeed

__all__ = ()

SIZE = "max.message.bytes"


def need_findings(intended: Intended, cluster: ClusterFacts) -> Iterator[Finding]:
    """Judge the topics that the *intended* consumer needs beside its own."""
    for who, need in intended.needs:
        subject, found = f"{who} topic {need.topic}", cluster.topics[need.topic]
        source = None if need.source is None else cluster.topics.get(need.source)
        if found.refusal is not None:
            yield unseen(subject, found.refusal, "DESCRIBE and WRITE")
        elif not found.partitions:
            yield missing(subject, "the start is refused", cluster.creates_topics)
        else:
            problems = list(_problems(subject, need, found, source))
            yield from problems or [good(subject, f"{found.partitions} partitions")]


def _problems(subject: str, need: TopicNeed, found: TopicFacts, source: TopicFacts | None) -> Iterator[Finding]:
    yield from may(subject, found, "WRITE", "no record gets there, and the consumer stops at the first")
    if need.is_read:
        yield from may(subject, found, "READ", "its records are never tried again")
    if found.config is None:
        yield warning(
            subject, "its settings are not known: this user may not DESCRIBE_CONFIGS, or the broker is too old"
        )
    else:
        yield from _settings(subject, need, found)
    if source is not None and source.partitions:
        yield from _beside(subject, need, found, source)


def _settings(subject: str, need: TopicNeed, found: TopicFacts) -> Iterator[Finding]:
    if "compact" in (found.config or {}).get("cleanup.policy", ""):
        yield failure(
            subject,
            "cleanup.policy has compact: a record without a key is refused there, and of several with one key only the "
            "last is kept; set cleanup.policy=delete",
        )
    kept = found.number("retention.ms")
    if kept is not None and 0 <= kept < need.kept_ms:
        yield failure(
            subject,
            f"retention.ms={kept} is below the delay of {need.kept_ms:g} ms: records are deleted before they are due; "
            f"set retention.ms to {2 * need.kept_ms:g} or more",
        )
    in_sync = found.number("min.insync.replicas")
    if in_sync is not None and in_sync > found.replicas:
        yield failure(
            subject,
            f"min.insync.replicas={in_sync}, and it has {found.replicas} replicas: every write with acks=all is "
            "refused; add replicas, or lower the setting",
        )


def _beside(subject: str, need: TopicNeed, found: TopicFacts, source: TopicFacts) -> Iterator[Finding]:
    """Compare a topic with the one whose records are copied into it."""
    if found.partitions < source.partitions:
        yield warning(
            subject,
            f"{found.partitions} partitions, and {need.source} has {source.partitions}: records of several partitions "
            f"mix in one; give it {source.partitions}",
        )
    room, largest = found.number(SIZE), source.number(SIZE)
    if room is None or largest is None:
        return
    wanted = largest + need.extra_bytes
    if room < largest:
        yield failure(
            subject,
            f"{SIZE}={room} is below the {largest} of {need.source}: the values of large records do not fit; set it "
            f"to {wanted}",
        )
    elif room < wanted:
        yield warning(
            subject,
            f"{SIZE}={room}, and a copy may be {need.extra_bytes} bytes larger than its record, of up to {largest} "
            f"bytes in {need.source}: the largest lose their stack trace or value; set it to {wanted}",
        )
