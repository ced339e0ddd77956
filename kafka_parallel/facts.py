"""The facts about a run: how far it is in each partition, which records its workers are at, how it goes as a whole.

A program asks its `ParallelConsumer`, a plugin asks ``settings.facts``; both get the same. Nothing is counted for it
while no thread asks, and nothing per record at all. Each answer is one consistent view of one moment. The values are
here; ``_runtime/loop/run_facts.py`` fills them in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from kafka import TopicPartition

    from kafka_parallel.explanations import Explanation

__all__ = ["Facts", "NoFacts", "PartitionProgress", "RunningRecord", "State", "Statistics"]

State: TypeAlias = Literal["new", "starting", "running", "stopping", "stopped", "failed"]
"""How far a run is: ``"new"`` before run() or start(), ``"starting"`` until the first poll, ``"running"``,
``"stopping"`` while running records finish, and then ``"stopped"``, or ``"failed"`` if run() raises."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """One consistent view of a consumer; totals count since run() began.

    :ivar processed: records whose handler returned.
    :ivar failed: attempts that raised.
    :ivar retried: attempts that were scheduled again.
    :ivar skipped: records finished by ``Skip``: dead letters, and those that a plugin left out before the handler.
    :ivar in_flight: records taken by a worker and not finished.
    :ivar waiting: records waiting for a retry.
    :ivar buffered: records taken from ``poll()`` and not finished; contains the two above.
    :ivar buffered_bytes: bytes of the buffered records.
    :ivar paused: partitions paused by back-pressure.
    :ivar throttled: how many records plugins let be in flight: bounds by the plugin's name; 0 = nothing is started.
    :ivar rate_limited: records that could start now if a rate limit allowed it: at most one per ordering key.
    :ivar committed: newest offset that the broker confirmed, per partition of the current assignment.
    :ivar uncommitted: offsets from the committed offset to the newest record taken from ``poll()``, per partition: a
        crash repeats at most that many. Gaps between offsets count, and records that were not polled yet do not, so it
        is not the consumer group's lag: see ``kafka-consumer-groups --describe`` for that.
    :ivar commits: commits that the broker confirmed.
    :ivar commit_failures: commits that failed.
    :ivar overdue: handlers that still run although their records have failed by ``handler_timeout_ms``.
    :ivar abandoned: records that workers were at, or had claimed with these, when their partition was taken away or the
        consumer stopped.
    :ivar unreadable: partitions that stand still because kafka-python cannot read a record, each with its offset.
    :ivar state: how far the run is: see `ParallelConsumer.state`.
    :ivar longest_running_ms: milliseconds that the handler has been running that began first; 0 if none runs.
    :ivar since_poll_ms: milliseconds since the loop came out of ``poll()``; ``None`` before the first time. A rebalance
        that waits for running records keeps it inside.
    :ivar backpressure_ms: milliseconds in which at least one partition was paused by back-pressure.
    :ivar rebalances: how often partitions were ``"assigned"``, ``"revoked"`` and ``"lost"``.
    :ivar workers: most handlers that may run at once.
    :ivar plugin_errors: how often a hook of a plugin raised an error of its own, by the names of both.
    """

    processed: int = 0
    failed: int = 0
    retried: int = 0
    skipped: int = 0
    in_flight: int = 0
    waiting: int = 0
    buffered: int = 0
    buffered_bytes: int = 0
    paused: frozenset[TopicPartition] = frozenset()
    throttled: Mapping[str, int] = field(default_factory=dict)
    rate_limited: int = 0
    committed: Mapping[TopicPartition, int] = field(default_factory=dict)
    uncommitted: Mapping[TopicPartition, int] = field(default_factory=dict)
    commits: int = 0
    commit_failures: int = 0
    overdue: int = 0
    abandoned: int = 0
    unreadable: Mapping[TopicPartition, int] = field(default_factory=dict)
    state: State = "new"
    longest_running_ms: float = 0.0
    since_poll_ms: float | None = None
    backpressure_ms: float = 0.0
    rebalances: Mapping[str, int] = field(default_factory=dict)
    workers: int = 0
    plugin_errors: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PartitionProgress:
    """How far one partition is.

    :ivar position: the offset of the next record to be taken from ``poll()``: one past the newest that was taken, or
        more where the client has passed offsets that hold no record for it (transaction markers, compaction); ``None``
        before it is known.
    :ivar log_end: the offset behind the last record of the log, the high watermark: with
        ``isolation_level="read_committed"`` too; ``None`` while it is not known, or was heard of more than 30 seconds
        ago.
    :ivar committed: the newest offset that the broker confirmed under this assignment; ``None`` before that.
    :ivar unfinished: records taken from ``poll()`` and not finished, those included that were given up because the
        partition leaves.
    :ivar span: offsets from the committed offset to the newest record taken: a crash repeats at most that many.
    :ivar head_offset: the lowest unfinished offset, which holds the commit point; ``None`` if nothing is unfinished.
    :ivar head_timestamp_ms: the timestamp of that record, in milliseconds since the Unix epoch; ``None`` without one,
        or if the record stopped the run.
    :ivar paused_by: the reasons for which it is not fetched, each a `kafka_parallel.explanations.PauseReason` or the
        name of a plugin whose throttle is closed; empty = it is fetched.
    """

    position: int | None = None
    log_end: int | None = None
    committed: int | None = None
    unfinished: int = 0
    span: int = 0
    head_offset: int | None = None
    head_timestamp_ms: int | None = None
    paused_by: tuple[str, ...] = ()

    @property
    def lag(self) -> int | None:
        """The records that are left to do: those of the log that were not taken, and those taken and not finished.

        Offsets without a record that were not passed yet count as well. ``None`` while the end or the position is not
        known.
        """
        if self.log_end is None or self.position is None:
            return None
        return self.log_end - self.position + self.unfinished

    @property
    def committed_lag(self) -> int | None:
        """The offsets from the committed one to the end: the number that ``kafka-consumer-groups`` and KEDA see.

        One slow record holds it up although all above are done. ``None`` while one of both is not known.
        """
        if self.log_end is None or self.committed is None:
            return None
        return self.log_end - self.committed


@dataclass(frozen=True, slots=True)
class RunningRecord:
    """A record whose handler runs, or a batch of them.

    :ivar topic: its topic; of a batch, that of its first record, as all other fields.
    :ivar partition: its partition.
    :ivar offset: its offset.
    :ivar key: its key as Kafka delivered it, which may be personal data, so ``repr`` does not show it; ``None`` without
        one, and where deserialisers run in ``poll()``.
    :ivar attempt: 1 for the first attempt.
    :ivar running_ms: milliseconds that its handler has been running. Without a plugin that implements ``on_handled`` it
        may be too little by the time between two rounds of the loop, a tenth of a second.
    :ivar worker: the thread, asyncio task or process id that it runs on; ``None`` if the executor does not say.
    :ivar place: the line at which its handler is, as ``file:line``; ``None`` unless it was asked for and is known.
    :ivar batch_size: how many records the handler has; 1 without batches.
    :ivar partitions: topics and partitions of all records that the handler has; more than one only in a batch.
    """

    topic: str
    partition: int
    offset: int
    key: bytes | None = field(default=None, repr=False)
    attempt: int = 1
    running_ms: float = 0.0
    worker: str | None = None
    place: str | None = None
    batch_size: int = 1
    partitions: frozenset[tuple[str, int]] = frozenset()


class Facts(Protocol):
    """All there is to know about a run.

    Any thread may ask, at any time: before the first poll the answers tell the little that is known, after the end
    the last state, without partitions. A hook that runs on the thread of run() may ask too.
    """

    @property
    def state(self) -> State:
        """How far the run is, from ``"new"`` to ``"stopped"`` or ``"failed"``; see `State`."""

    @property
    def error(self) -> BaseException | None:
        """The error that run() raised or is about to raise; ``None`` unless it has failed."""

    @property
    def has_joined(self) -> bool:
        """True once the first rebalance is over, with partitions or without, or partitions were chosen by hand."""

    @property
    def is_rebalancing(self) -> bool:
        """True while a rebalance waits for running records, for a commit, or for a plugin."""

    @property
    def is_stopping(self) -> bool:
        """True as soon as a stop was asked for, or the run ends by itself; it remains so."""

    def statistics(self) -> Statistics:
        """Return the counts of the run, all of one moment; they only rise, unless `Statistics` says otherwise."""

    def progress(self) -> Mapping[TopicPartition, PartitionProgress]:
        """Return how far each partition of the current assignment is.

        Ends of logs that the client does not learn by fetching are asked for as long as this is called at least once
        a minute; the answer to the first call may lack some.
        """

    def running(self, *, places: bool = False) -> Sequence[RunningRecord]:
        """Return the records that workers are at, the one that has been running for the longest first.

        :param places: whether to look where each handler is. A worker process is asked for that by a signal, and may
            take a second.
        """

    def explain(self, *, keys: bool = False) -> Sequence[Explanation]:
        """Return why the run does not go on, the worst reason first; one that says so if it does.

        :param keys: whether sentences may show the keys of records, which may be personal data.
        """


class NoFacts:
    """The facts where there is no run: those of `Settings` that were made by hand."""

    state: State = "new"
    error = None
    has_joined = is_rebalancing = is_stopping = False

    def statistics(self) -> Statistics:
        """Return counts of which each is 0."""
        return Statistics()

    def progress(self) -> Mapping[TopicPartition, PartitionProgress]:
        """Return an empty mapping: without a run no partition is assigned."""
        return {}

    def running(self, *, places: bool = False) -> Sequence[RunningRecord]:  # noqa: ARG002 - the protocol's
        """Return nothing, whatever *places* says: without a run no handler is called."""
        return ()

    def explain(self, *, keys: bool = False) -> Sequence[Explanation]:  # noqa: ARG002 - the protocol's
        """Return nothing, whatever *keys* says: a run that is not there stands still for no reason."""
        return ()
