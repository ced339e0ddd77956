"""The sentences about things that do not go on, for the log and for ``explain()``.

Each is made of values that are given: nothing is asked here. A key is only shown if it is handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from kafka_parallel._showing import shown

if TYPE_CHECKING:
    from collections.abc import Collection

    from kafka import TopicPartition

    from kafka_parallel._core.buffer_limits import BufferLimits
    from kafka_parallel._core.obstacles import Obstacles
    from kafka_parallel._core.standstill import Standing
    from kafka_parallel.facts import RunningRecord

# The longest key that a sentence shows, in characters; the most partitions that one names: it counts the rest.
LONGEST_KEY, MOST_NAMED = 60, 20


class Where(NamedTuple):
    """The handler that is at a record, as far as the sentence about that may tell.

    :ivar running: the handler; ``None`` if the record's does not run, or is not known.
    :ivar key: the record's key; ``None`` without one, or if it is not to be shown.
    """

    running: RunningRecord | None = None
    key: bytes | None = None


def named(partitions: Collection[TopicPartition]) -> str:
    """Name *partitions*, the first ones of many."""
    return shortened([name_of(partition) for partition in sorted(partitions)])


def shortened(names: Sequence[str]) -> str:
    """Put *names* together, the first ones of many."""
    more = f" and {len(names) - MOST_NAMED} more" * (len(names) > MOST_NAMED)
    return f"{', '.join(names[:MOST_NAMED])}{more}"


def name_of(partition: TopicPartition) -> str:
    """Name one partition."""
    return f"{partition.topic}[{partition.partition}]"


def stands(partition: TopicPartition, standing: Standing, seconds: float, now: float, where: Where) -> str:
    """Say where a partition stands, for how long, and why."""
    lasting = f" for {seconds:.0f} s" * (seconds >= 1)
    return (
        f"{name_of(partition)} stands at offset {standing.offset}{lasting}: {waits_for(standing, now, where)}"
        f"{above(standing)}"
    )


def above(standing: Standing) -> str:
    """Count the records above a commit point that are done all the same."""
    return f"; {standing.finished:,} records above it are done and cannot be committed" * bool(standing.finished)


def waits_for(standing: Standing, now: float, where: Where = Where()) -> str:  # noqa: B008 - it is immutable
    """The reason for which the record waits that holds a commit point."""
    when = "" if standing.due is None else f" in {max(0.0, standing.due - now):.0f} s"
    ahead = "" if standing.behind is None else f", offset {standing.behind},"
    failed = "it failed" if standing.error is None else f"it failed with {standing.error}"
    if standing.is_earlier:
        return f"an earlier attempt at this record, begun before the partition was revoked, still runs{_place(where)}"
    return {
        "handler": f"its handler runs{_place(where)} ({_key(where)}attempt {standing.attempt})",
        "retry": f"{failed}, and attempt {standing.attempt} is due{when}",
        "throttle": f"plugin {standing.plugin!r} lets no record start",
        "key": f"another record of its key{ahead} runs or waits for its next attempt",
        "rate": f"a plugin bounds how fast records start, and it may start{when}",
        "limit": f"{standing.limit} holds it back" + f", and it may start{when}" * bool(when),
        "worker": "it waits for a worker, and all of them are busy",
    }[standing.reason]


def _place(where: Where) -> str:
    running = where.running
    if running is None:
        return ""
    batch = f" with a batch of {running.batch_size} records" * (running.batch_size > 1)
    worker = "" if running.worker is None else f" in {running.worker}"
    return f"{batch}{worker}" + ("" if running.place is None else f" at {running.place}")


def _key(where: Where) -> str:
    if where.key is None:
        return ""
    text = repr(where.key)
    return f"key {text if len(text) <= LONGEST_KEY else text[:LONGEST_KEY] + '...'}, "


def not_due(partition: TopicPartition, obstacles: Obstacles[TopicPartition], now: float) -> str:
    """Say that the next record of a partition has to wait; until when is not known before its topic's begin is."""
    due = obstacles.held_until[partition]
    when = "later" if due == float("inf") else f"in {max(0.0, due - now):.0f} s"
    return f"{name_of(partition)} is not fetched: its next record is due {when}"


def not_fetched(partition: TopicPartition, obstacles: Obstacles[TopicPartition]) -> str:
    """Say which limit keeps a partition from being fetched until there is room again."""
    reason, limits, total = obstacles.paused_for[partition], obstacles.limits, obstacles.total
    begin = f"{name_of(partition)} is not fetched until there is room again: "
    if reason == "uncommitted":
        return begin + _span(partition, obstacles, limits)
    filled = {
        "records": f"the buffer has {total.records:,} of max_buffered_records={limits.records:,} records",
        "bytes": f"the buffer has {total.bytes:,} of max_buffered_bytes={limits.bytes:,} bytes",
    }[reason]
    return begin + filled + _fullest(obstacles.unfinished)


def _span(partition: TopicPartition, obstacles: Obstacles[TopicPartition], limits: BufferLimits) -> str:
    offset = obstacles.head_offset(partition)
    held = "the next commit makes room" if offset is None else f"offset {offset} holds the commit point"
    return (
        f"{obstacles.spans[partition]:,} offsets from the committed one to the newest taken reach "
        f"max_uncommitted={limits.uncommitted:,}, and {held}"
    )


def _fullest(unfinished: Mapping[TopicPartition, int]) -> str:
    """Name the partition that most of the buffer is of."""
    if not unfinished:
        return ""
    fullest = max(sorted(unfinished), key=unfinished.__getitem__)
    return f", and {unfinished[fullest]:,} records in it are of {name_of(fullest)}"


def loop_is_stuck(seconds: float, place: str | None) -> str:
    """Say that the loop does not come round."""
    at = "" if place is None else f"; it is at {place}"
    return f"the thread of run() has not come out of a round for {seconds:.0f} s: nothing is fetched or committed{at}"


def commit_waits(seconds: float) -> str:
    """Say that a commit is not answered."""
    return f"a commit has waited {seconds:.0f} s for the answer of the group coordinator: nothing else is committed"


def rebalance_drains(partitions: Collection[TopicPartition], left: float, records: Collection[str]) -> str:
    """Say which records a rebalance waits for."""
    waits = shortened(sorted(records)) or "the commit of their offsets"
    return f"a rebalance takes {named(partitions)} and waits {left:.0f} s at most for {waits}"


JOINS = (
    "the group rebalances: this member waits for the answer to its join, which comes when all other members have "
    "joined too, or the longest max_poll_interval_ms of theirs has passed"
)
UNASSIGNED = (
    "no partition is assigned: the group's other members have them all, it has not joined the group yet, or its topics "
    "do not exist"
)


def no_broker(addresses: Sequence[str], seconds: float | None) -> str:
    """Say that the cluster is away, and since when, if that is known."""
    tried = f" ({shortened(addresses)})" if addresses else ""
    since = "" if seconds is None else f"; the last answer came {seconds:.0f} s ago"
    return f"no broker of the cluster is connected{tried}: nothing is fetched or committed until one answers{since}"


def unanswered(broker: str, seconds: float) -> str:
    """Say that a broker is connected, and does not answer."""
    return (
        f"{broker} has not answered for {seconds:.0f} s: nothing of its partitions is fetched, nor anything committed "
        "if it coordinates the group"
    )


def leader_is_lost(partition: TopicPartition, leader: int) -> str:
    """Say that the broker of a partition is not connected."""
    why = "it has no leader" if leader == -1 else f"its leader, broker {leader}, is not connected"
    return f"{name_of(partition)} is not fetched: {why}"


def throttled(plugin: str) -> str:
    """Say that a plugin lets nothing start."""
    return f"plugin {plugin!r} lets no record start: its throttle is closed"


def unreadable(partition: TopicPartition, offset: int, error: BaseException) -> str:
    """Say that a record cannot be read."""
    return (
        f"{name_of(partition)} stands at offset {offset}: kafka-python cannot read the record there "
        f"({type(error).__name__}); the records before it are handled, and seek() past it goes on"
    )


def paused_by_user(partition: TopicPartition) -> str:
    """Say that the program paused a partition."""
    return f"{name_of(partition)} is not fetched: the program paused it"


def idle(partitions: int) -> str:
    """Say that there is nothing to do."""
    return f"all {partitions} assigned partitions are read as far as is known, and all their records are done"


def flowing(in_flight: int, unfinished: int) -> str:
    """Say that nothing stands still."""
    return f"nothing stands still: {in_flight:,} records are in flight, {unfinished:,} are taken and not finished"


def stopping(requested_by: str) -> str:
    """Say that the way out has begun."""
    return f"the run stops because of {requested_by}: no new record is taken"


def not_running(state: str, error: BaseException | None) -> str:
    """Say that there is no run, or not yet, or not any more."""
    by = "" if error is None else f" by {type(error).__name__}"
    return f"the run is {shown(state)}{by}: nothing is handled"
