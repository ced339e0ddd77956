"""The plan of one simulated run, and the promises that hold for a run of that plan.

It is drawn from the seed before the run begins (``drawing.py``), and made smaller by the shrinker. The rest (the next
actor, the time of a handler, the call that fails) is drawn while the run goes on.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Event: TypeAlias = Literal[
    "start",
    "stop",
    "kill",
    "freeze",
    "freeze in rebalance",
    "rebalance",
    "add partition",
    "delete records",
    "pause",
    "expire",
    "interrupt",
    "move commits",
]

OddPlace: TypeAlias = Literal["handler", "deserializer", "ordering"]
# How late a slow commit at the interval takes effect, and how late its answer comes after that.
ANSWER_SECONDS = (0.0, 0.01, 0.1, 0.1, 0.5, 1.0)


@dataclass(frozen=True)
class Planned:
    """A record to be produced.

    :ivar wait: seconds before it.
    :ivar gap: offsets before it that hold none.
    """

    partition: int
    key: bytes | None
    value: bytes
    gap: int
    wait: float


@dataclass(frozen=True)
class Plan:
    """One run.

    :ivar lanes: the scope of the order: records of a key, of a partition, or nothing.
    :ivar membership: how partitions are assigned.
    :ivar options: of the consumer under test.
    :ivar events: the events, each after so many seconds.
    :ivar max_poll_interval: seconds after which the group gives up on a member that does not poll.
    :ivar hiccups: how likely a commit fails that may be tried again at once: no reason to repeat anything.
    :ivar slow, failing, commit_faults, poll_faults, late, hostile: how likely a handler is slow, a handler fails, a
        commit or a poll fails, an answer is late, a plugin misbehaves; each from 0 to 1.
    :ivar is_halting: whether some failures stop the consumer.
    :ivar is_fatal: whether some faults are of the kind that stops the consumer.
    :ivar dead_letters: whether the ``dlq`` plugin decides about failures.
    :ivar limit: the settings of its limit, if it has one; then handlers fail less by lot after each halt.
    :ivar backoff: the settings of the ``retry`` plugin, if it decides about failures.
    :ivar executor: the executor, and so the kind of the handlers: see ``kinds.py``.
    :ivar retry_topics: the delays of the ``retry-topics`` plugin in milliseconds, if it decides about failures.
    :ivar group: the name of the consumer group.
    :ivar neighbour: whether another group with retry topics reads the same topic: with topics of its own ("apart"), or
        with the same ones ("shared"), whose names have no group in them; empty = there is none.
    :ivar is_unreadable: whether there is a deserialiser, which raises for the longest values.
    :ivar breaker: the settings of the ``circuit-breaker`` plugin, if it is there.
    :ivar pace: the settings of the ``rate-limit`` plugin, if it is there.
    :ivar adaptive: the settings of the ``adaptive-concurrency`` plugin, if it is there.
    :ivar places: how many records of the topic the ``topic-workers`` plugin lets be in flight, if it is there.
    :ivar batches: the settings of batches, if handlers are of a kind that takes them.
    :ivar deadline_ms: the deadline of handlers, if they are of a kind that has one.
    :ivar overdue, dying, kept_out: how likely such a handler takes longer, the process of a handler dies (or the future
        of its call ends without it), a wrapper keeps a record out of a batch; each from 0 to 1.
    :ivar oddity: the behaviour of user code that fails, by its name in ``user_code.py``; empty = as most code fails.
    :ivar odd_place: which user code does that: handlers, the deserialiser or the ordering.
    :ivar is_heard: whether a plugin hears of attempts that have ended.
    :ivar seeks: whether the application jumps in its partitions beside the run.
    :ivar jumps_ahead: whether these jumps go only to records that a commit tells to be finished.
    :ivar is_meddled_with: whether the application goes on using its consumer beside the run.
    :ivar is_refused_first: whether each first start is refused, and another one follows on the same consumer.
    :ivar is_rearranged: whether the application has a consumer class whose polls change the order of records.
    :ivar begins_at: when the first record is written if the group begins at the end of the log, in seconds.
    :ivar quiet: partitions whose records come after all others, and not before `lull` seconds.
    :ivar transactions: how likely a record belongs to a transaction of its own, from 0 to 1.
    :ivar has_guests: whether there are plugins of others, which may hold records back.
    :ivar isolation: whether consumers get records of aborted transactions, and wait for the end of those that are open.
    """

    seed: int
    partitions: int
    lanes: Literal["key", "partition", "unordered"]
    habits: Literal["2.x", "3.x"]
    membership: Literal["eager", "cooperative", "static", "assigned"]
    options: dict[str, Any]
    reset: Literal["earliest", "latest"]
    records: tuple[Planned, ...]
    events: tuple[tuple[float, Event], ...]
    max_poll_interval: float = 60.0
    hiccups: float = 0.0
    slow: float = 0.0
    failing: float = 0.0
    commit_faults: float = 0.0
    poll_faults: float = 0.0
    late: float = 0.0
    hostile: float = 0.0
    is_halting: bool = False
    is_fatal: bool = False
    dead_letters: bool = False
    backoff: Mapping[str, Any] | None = None
    breaker: Mapping[str, Any] | None = None
    pace: Mapping[str, Any] | None = None
    adaptive: Mapping[str, Any] | None = None
    places: int | None = None
    retry_topics: tuple[int, ...] = ()
    group: str = "group"
    neighbour: Literal["", "apart", "shared"] = ""
    executor: str = "thread-pool"
    is_unreadable: bool = False
    oddity: str = ""
    odd_place: OddPlace = "handler"
    batches: Mapping[str, Any] = field(default_factory=dict)
    deadline_ms: int = 500
    overdue: float = 0.0
    dying: float = 0.0
    kept_out: float = 0.0
    limit: Mapping[str, Any] | None = None
    is_heard: bool = False
    is_meddled_with: bool = False
    is_refused_first: bool = False
    seeks: bool = False
    jumps_ahead: bool = False
    is_rearranged: bool = False
    begins_at: float = 0.3
    quiet: frozenset[int] = frozenset()
    lull: float = 0.0
    transactions: float = 0.0
    has_guests: bool = False
    isolation: Literal["read_uncommitted", "read_committed"] = "read_uncommitted"

    @property
    def commits_at_once(self) -> bool:
        """Tell whether nothing but the group itself keeps an instance from committing."""
        trouble = (self.hiccups, self.commit_faults, self.late, self.hostile, self.is_fatal, self.is_slow_to_answer)
        return not any(trouble) and not (self.is_meddled_with or self.is_refused_first or self.seeks)

    @property
    def has_odd_keys(self) -> bool:
        """Tell whether ordering keys have code of their own: a lot of its own, of the seed alone."""
        return random.Random(f"keys {self.seed}").random() < 0.2

    @property
    def has_map(self) -> bool:
        """Tell whether the plugin ``offset-map`` is there: a lot of its own, of the seed alone."""
        return random.Random(f"map {self.seed}").random() < 0.4

    @property
    def is_slow_to_answer(self) -> bool:
        """Tell whether answers to commits at the interval take their time: a lot of its own, of the seed alone."""
        return random.Random(f"slow answers {self.seed}").random() < 0.3

    @property
    def is_calm(self) -> bool:
        """Tell whether only a kill excuses a repeat, of records it left uncommitted: no handler outlives a drain."""
        if self.options["revoke_timeout_ms"] < CALM_REVOKE_MS or self.options["stop_timeout_ms"] < CALM_STOP_MS:
            return False
        slow = 0.0 if self.options["stop_timeout_ms"] >= PATIENT_STOP_MS else self.slow
        likely = (slow, self.failing, self.commit_faults, self.poll_faults, self.late, self.hostile, self.dying)
        if self.timeout_ms is not None or (self.batch is not None and self.kept_out):
            return False
        if self.is_slow_to_answer and self.max_poll_interval <= 2 * max(ANSWER_SECONDS):  # waited for at the end
            return False
        return (
            not any(likely)
            and self.places is None  # a drain may end before all that it needs had a place
            and not (self.is_unreadable or self.oddity)
            and not self._has(FREEZES | {"expire", "delete records", "interrupt"})
        )

    @property
    def batch(self) -> dict[str, Any] | None:
        """The settings of batches; ``None`` if handlers take single records."""
        if not self.executor.startswith("batch"):
            return None
        most = min(self.batches["max_records"], self.options["max_buffered_records"])
        scope = "mixed" if self.lanes == "unordered" and self.batches["of"] == "key" else self.batches["of"]
        # If little fits into the buffer, only time gives batches out, and the run would be one long wait.
        most_waiting = min(self.options["max_buffered_records"], self.options["max_uncommitted"])
        has_room = most_waiting >= 20 and self.options["max_buffered_bytes"] > 1000
        wait = min(self.batches["max_wait_ms"], 25_000 if has_room else 2_000)
        return {**self.batches, "max_records": most, "max_wait_ms": wait, "of": scope}

    @property
    def timeout_ms(self) -> int | None:
        """The deadline of a handler, in milliseconds; ``None`` = none."""
        return self.deadline_ms if self.executor.endswith("deadline") else None

    @property
    def most_running(self) -> int:
        """The most handlers of an instance that run at once: one that is overdue has another worker in its place."""
        workers: int = self.options["workers"]
        if self.timeout_ms is None:
            return min(workers, self.places or workers)
        return 2 * workers if "thread-pool" in self.executor or "futures" in self.executor else workers

    @property
    def is_timed_exactly(self) -> bool:
        """Tell whether nothing takes time between a handler and its measurement."""
        if self.hostile or self._has(FREEZES):
            return False
        return self.executor in {"thread-pool", "asyncio", "batch on thread-pool", "batch on asyncio"}

    @property
    def is_roomy(self) -> bool:
        """Tell whether all records can be buffered at once."""
        records: int = self.options["max_buffered_records"]
        size: int = self.options["max_buffered_bytes"]
        return records > MOST_RECORDS and size > MOST_RECORDS * 100

    @property
    def is_punctual(self) -> bool:
        """Tell whether a batch waits for nothing but company, workers, and others of its keys."""
        # Between a first fetch and its start being committed, the answer to the commit on its way is waited for.
        return self.is_calm and not (
            "futures" in self.executor  # a worker waits longer than its handler takes
            or self.pace
            or self.adaptive
            or self.hiccups
            or self.is_slow_to_answer
            or self.has_guests
        )

    @property
    def is_paced(self) -> bool:
        """Tell whether the starts of single records can be told apart."""
        return self.batch is None and not self.is_elsewhere

    @property
    def retry_topic(self) -> str:
        """The name of a retry topic, as the setting of the plugin."""
        return "{topic}-retry-{number}" if self.neighbour == "shared" else "{topic}-{group}-retry-{number}"

    @property
    def retry_topic_names(self) -> list[str]:
        """The retry topics of its group."""
        count = range(len(self.retry_topics))
        return [self.retry_topic.format(topic=TOPIC, group=self.group, number=number) for number in count]

    @property
    def is_elsewhere(self) -> bool:
        """Tell whether handlers run where nothing of the consumer is, and may begin some time after it was decided."""
        return "process-pool" in self.executor or "futures" in self.executor

    @property
    def may_halt(self) -> bool:
        """Tell whether a failure may stop the consumer."""
        return self.is_halting or self.dead_letters or bool(self.retry_topics) or self.hostile > 0

    def _has(self, kinds: frozenset[Event]) -> bool:
        return any(event in kinds for _, event in self.events)


TOPIC = "t"
# Times within which quick handlers always finish.
CALM_REVOKE_MS, CALM_STOP_MS = 1500, 20_000
# A stop that waits for every handler, however slow.
PATIENT_STOP_MS = 600_000
MOST_RECORDS = 60
# The longest value of a record, in bytes.
LONGEST = 9
FREEZES: frozenset[Event] = frozenset({"freeze", "freeze in rebalance"})
