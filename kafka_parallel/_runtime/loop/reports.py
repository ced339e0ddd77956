"""The sentences that an operator reads in the log while a consumer starts, runs, stands still and stops."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from kafka_parallel._logs import area_logger
from kafka_parallel._runtime.loop.sentences import MOST_NAMED, above, named, shortened, waits_for
from kafka_parallel.logs import RecordInfo

if TYPE_CHECKING:
    from kafka import TopicPartition

    from kafka_parallel._core.scheduler import Repeated
    from kafka_parallel._core.standstill import Standing
    from kafka_parallel._runtime.loop.sentences import Where
    from kafka_parallel.facts import Statistics
    from kafka_parallel.values import Settings

run_log = area_logger("run")
rebalance_log = area_logger("rebalance")
handlers_log = area_logger("handlers")
commits_log = area_logger("commits")


def starting(settings: Settings, plugins: Iterable[str]) -> None:
    """Announce the run."""
    group = "no group (nothing is committed)" if settings.group_id is None else f"group {settings.group_id}"
    run_log.info("starting: %s reads %s with %d workers; plugins: %s",
                 group, named_source(settings), settings.workers, ", ".join(plugins))  # fmt: skip


def named_source(settings: Settings) -> str:
    """Name the topics that a run reads, as the user has chosen them."""
    return f"topics matching {settings.pattern.pattern!r}" if settings.pattern else named_topics(settings.topics)


def assigned(partitions: Collection[TopicPartition]) -> None:
    """Say which partitions came."""
    rebalance_log.info("assigned %s", named(partitions))


def revoking(partitions: Collection[TopicPartition], timeout: float) -> None:
    """Say which partitions are about to leave, and how long their records may take."""
    rebalance_log.info(
        "revoking %s: their running records get up to %g s to finish", named(partitions), round(timeout, 1)
    )


def left(partitions: Collection[TopicPartition]) -> None:
    """Say which partitions have left in good order."""
    rebalance_log.info("revoked %s", named(partitions))


def lost(partitions: Collection[TopicPartition], gap: float, session_timeout: float) -> None:
    """Say which partitions were lost, and whether the loop stood still before.

    :param gap: the longest time that the loop did not come round lately, in seconds.
    :param session_timeout: seconds without a heartbeat after which a member is removed.
    """
    rebalance_log.warning("lost %s: their new owners in the group process uncommitted records again%s",
                          named(partitions), _why_lost(gap, session_timeout))  # fmt: skip


def _why_lost(gap: float, session_timeout: float) -> str:
    if gap < session_timeout / 2:
        return ""
    return (
        f"; the loop had not come round for {gap:.1f} s, and the broker waits session_timeout_ms="
        f"{session_timeout * 1000:g} for a heartbeat: a handler that holds the interpreter in one long call of C code "
        "(a regular expression, a parser) stops heartbeats too; run such handlers with executor='process-pool'"
    )


def stands_still(
    partition: TopicPartition, standing: Standing, seconds: float, now: float, where: Where, group: str | None
) -> None:
    """Say which partition stands where, for how long, and why."""
    handlers_log.warning("%s[%d] stands at offset %d for %.0f s: %s%s",
                         partition.topic, partition.partition, standing.offset, seconds,
                         waits_for(standing, now, where), above(standing),
                         extra=fields_of(partition, standing.offset, group, standing.attempt))  # fmt: skip


def will_repeat(repeated: Mapping[TopicPartition, Repeated], what: str, group: str | None) -> None:
    """Say which finished records run again, because one below them waits for longer than the stop or revoke does."""
    for partition, (offset, records) in sorted(repeated.items()):
        rebalance_log.warning(
            "%s[%d]@%d waits for longer than the %s: %d finished records above it will be processed again",
            partition.topic, partition.partition, offset, what, records, extra=fields_of(partition, offset, group),
        )  # fmt: skip


def last_commit_failed(uncommitted: Collection[TopicPartition]) -> None:
    """Say that a run ends without its last commit, and whether that has a consequence.

    :param uncommitted: partitions of which records were finished since the commit before.
    """
    if uncommitted:
        commits_log.error("the last commit failed: the records finished since the one before will be processed again")
    else:
        commits_log.info("the last commit failed, and no record was finished since the one before: nothing is repeated")


def stopping(why: str | None, timeout: float) -> None:
    """Say that the way out has begun."""
    run_log.info("stopping because of %s: running records get up to %g s to finish", why, round(timeout, 1))


def still_stopping(records: Collection[str], left: float) -> None:
    """Name the records that a stop waits for."""
    more = f" and {len(records) - MOST_NAMED} more" * (len(records) > MOST_NAMED)
    names = ", ".join(list(records)[:MOST_NAMED])
    run_log.info("still stopping, for %.0f s at most; still running: %s%s", left, names or "nothing", more)


def and_unbegun(records: int) -> str:
    """Name *records* that had not begun beside those that ran."""
    return f" and {records} more had not begun" * bool(records)


def abandoning(records: Collection[str]) -> None:
    """Say that a second signal ends the wait."""
    names = ", ".join(list(records)[:MOST_NAMED])
    run_log.warning("told to stop again: %d running records are abandoned, uncommitted, and will be processed again%s",
                    len(records), f": {names}" * bool(records))  # fmt: skip


def stopped(statistics: Statistics, error: BaseException | None) -> None:
    """Say how the run ended."""
    run_log.info("stopped%s: %d records processed, %d attempts failed, %d records skipped, %d abandoned",
                 "" if error is None else f" by {type(error).__name__}",
                 statistics.processed, statistics.failed, statistics.skipped, statistics.abandoned)  # fmt: skip


def fields_of(
    partition: TopicPartition, offset: int, group: str | None, attempt: int | None = None
) -> dict[str, str | int | None]:
    """The fields of a log line about the record at *offset*."""
    return RecordInfo(partition.topic, partition.partition, offset, group, attempt).fields()


def named_topics(topics: Collection[str]) -> str:
    """Name *topics*, the first ones of many."""
    return shortened(sorted(topics))
