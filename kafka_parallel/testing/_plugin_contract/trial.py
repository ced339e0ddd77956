"""One run of a consumer with the plugin under test, on a fake cluster and real threads, and all that was seen of it."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeAlias

from kafka import TopicPartition

from kafka_parallel import Batch, ParallelConsumer, Statistics
from kafka_parallel.testing._plugin_contract.call_profile import LOOP
from kafka_parallel.testing._plugin_contract.observers import (
    Attempt,
    CommitsOutside,
    Listener,
    LogLines,
    Outside,
    Verdicts,
    WatchedConsumer,
)
from kafka_parallel.testing._plugin_contract.plugin_under_test import PluginUnderTest
from kafka_parallel.testing._plugin_contract.trial_handlers import BAD, Noting, Seen, Sent
from kafka_parallel.testing.fake import FakeCluster

__all__: list[str] = []

Ordering: TypeAlias = Literal["key", "partition", "unordered"]
GROUP = "contract"
# How many times its patience a run may take in all: one that tries a record for ever makes progress.
LONGEST = 10
# The seconds that worker processes may take to start, in addition.
STARTING = 60.0
# The interval at which a run is looked at, in seconds.
LOOK = 0.005
_numbers = itertools.count()
# The kinds of handlers: the name of the executor, the method that is the handler, and batches.
EXECUTORS: dict[str, tuple[str, str, Batch | None]] = {
    "threads": ("thread-pool", "plain", None),
    "asyncio": ("asyncio", "coroutine", None),
    "processes": ("process-pool", "plain", None),
    "batches": ("thread-pool", "batch", Batch(max_records=4, max_wait_ms=5)),
    "batches on asyncio": ("asyncio", "batch_coroutine", Batch(max_records=4, max_wait_ms=5)),
    "batches in processes": ("process-pool", "batch", Batch(max_records=4, max_wait_ms=5)),
}


@dataclass
class Setup:
    """How a trial is set up.

    :ivar make: makes the plugin, as an item of ``plugins=[...]``, once its cluster is there.
    :ivar bad: the offsets, in each partition, whose handler fails.
    :ivar before, after: plugins that are registered before and after the one under test.
    :ivar patience: seconds without any progress after which a run is given up.
    :ivar act: is called with each record, in the handler.
    :ivar topic: its name; one that no other trial has if not given.
    :ivar is_there: false to run without the plugin, to compare.
    :ivar as_object: whether the plugin is given as the object that is observed, even if it was named.
    :ivar topics: further topics to create, each with its number of partitions.
    """

    make: Callable[[FakeCluster], Any]
    executor: str = "threads"
    ordering: Ordering = "key"
    records: int = 40
    partitions: int = 2
    keys: int = 4
    bad: Sequence[int] = ()
    before: Sequence[object] = ()
    after: Sequence[object] = ()
    patience: float = 10.0
    act: Callable[[Any], object] = lambda _: None
    options: dict[str, Any] = field(default_factory=dict)
    topics: dict[str, int] = field(default_factory=dict)
    topic: str = ""
    is_there: bool = True
    as_object: bool = False


@dataclass
class Outcome:
    """One run as it was seen.

    :ivar error: the error of run(); ``None`` if it ended well.
    :ivar stuck: why it made no progress any more; empty if it did.
    :ivar places: partition and offset of each record, in the order in which handlers began.
    :ivar seen: records as handlers in this process got them.
    :ivar missing: the offsets that were not committed, by partition.
    """

    under_test: PluginUnderTest
    topic: str
    error: BaseException | None
    stuck: str
    statistics: Statistics
    attempts: list[Attempt]
    places: list[tuple[int, int]]
    seen: list[Seen]
    logs: list[str]
    calls_on_consumer: list[str]
    missing: dict[int, range]
    verdicts: Verdicts
    outside: Outside
    commits: CommitsOutside
    cluster: FakeCluster

    @property
    def own_errors(self) -> list[str]:
        """The hooks of the plugin that raised errors of their own, as sentences."""
        found = self.statistics.plugin_errors.items()
        return [f"{hook} raised {count} times" for (name, hook), count in found if name == self.under_test.name]


class Trial:
    """A run that can be observed while it goes on.

    :ivar parallel: the consumer under test.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self.topic = setup.topic or f"contract-{next(_numbers)}"
        self.cluster = FakeCluster()
        self._fill()
        self._is_here = "processes" not in setup.executor
        self._folder = TemporaryDirectory(prefix="plugin-contract-")
        Path(self._folder.name, "places").touch()
        self._sent = Sent(f"{self._folder.name}/places")
        self.under_test = PluginUnderTest(setup.make(self.cluster))
        self.listener, self.verdicts, self.outside = Listener(), Verdicts(most_attempts=3), Outside()
        self.commits, self.handlers, self.log = CommitsOutside(), Noting(setup.act), LogLines()
        self._threads: dict[int, threading.Thread] = {}
        self._errors: dict[int, BaseException] = {}
        self.consumer = self.member()
        item = self.under_test.plugin if setup.as_object else self.under_test.item
        self.parallel = self.parallel_of(self.consumer, [item] if setup.is_there else [])

    def _fill(self) -> None:
        setup = self._setup
        self.cluster.create_topic(self.topic, setup.partitions)
        for name, partitions in setup.topics.items():
            self.cluster.create_topic(name, partitions)
        self.append()

    def append(self) -> None:
        """Append as many records as the set-up says, spread over the partitions."""
        setup = self._setup
        for number in range(setup.records):
            partition = number % setup.partitions
            offset = self.cluster.log(TopicPartition(self.topic, partition)).end
            value = BAD if offset in setup.bad else b"%d" % offset
            key, headers = b"key-%d" % (offset % setup.keys), [("number", b"%d" % offset)]
            self.cluster.append(self.topic, value, key, partition=partition, headers=headers)

    def member(self) -> WatchedConsumer:
        """Make one more consumer of the group."""
        made = WatchedConsumer(
            self.topic, cluster=self.cluster, group_id=GROUP, auto_offset_reset="earliest", auto_commit_interval_ms=20,
            max_poll_records=7,
        )  # fmt: skip
        made.calls, made.under_test = [], self.under_test
        return made

    def parallel_of(self, consumer: WatchedConsumer, plugins: Sequence[object]) -> ParallelConsumer:
        """Make the consumer under test out of *consumer*."""
        setup = self._setup
        around = [] if "processes" in setup.executor else [self.outside, self.commits]  # else records travel singly
        every = [self.listener, *setup.before, *plugins, *setup.after, self.verdicts, *around]
        chosen = None if self.under_test.implements("provide_executor") else EXECUTORS[setup.executor][0]
        workers = 2 if "processes" in setup.executor else 4
        defaults: dict[str, Any] = {"workers": workers, "max_buffered_records": 12, "stop_timeout_ms": 2000}
        defaults["install_signal_handlers"] = False
        ordering: Ordering | None = None if self.under_test.implements("provide_ordering") else setup.ordering
        return ParallelConsumer(
            consumer, executor=chosen, plugins=every, ordering=ordering, **{**defaults, **setup.options}
        )

    def run(self) -> Outcome:
        """Run until all is committed, or nothing happens any more."""
        stuck = [""]

        def act() -> None:
            self.start(self.parallel)
            why = self.wait_until_committed()
            stuck[0] = why or self.end(self.parallel)
            if why:
                self.end(self.parallel)

        self.log.during(act)
        return self.outcome(stuck[0])

    def start(self, parallel: ParallelConsumer) -> None:
        """Start *parallel*."""
        _, method, batch = EXECUTORS[self._setup.executor]
        handler = getattr(self.handlers if self._is_here else self._sent, method)

        def run() -> None:
            try:
                parallel.run(handler, batch=batch)
            except BaseException as error:  # noqa: BLE001 - whatever it is, it is the outcome
                self._errors[id(parallel)] = error

        # not start(): the thread of that would keep the process of the tests alive if a hook never returns
        thread = threading.Thread(target=run, name=LOOP, daemon=True)
        self._threads[id(parallel)] = thread
        thread.start()
        while parallel.state == "new" and thread.is_alive():
            threading.Event().wait(LOOK)

    def wait_until_committed(self) -> str:
        """Wait until all is committed; say why, if it is not."""
        last, since = self._progress(), time.monotonic()
        latest = since + LONGEST * self._setup.patience
        while self.missing() and self.is_running:
            patience = self._setup.patience + (STARTING if self.parallel.state == "starting" else 0.0)
            if time.monotonic() - since > patience or time.monotonic() > latest:
                return self._why_stuck()
            threading.Event().wait(LOOK)
            if (now := self._progress()) != last:
                last, since = now, time.monotonic()
        return ""

    @property
    def is_running(self) -> bool:
        """Tell whether the run goes on."""
        return self._threads[id(self.parallel)].is_alive()

    @property
    def _statistics(self) -> Statistics:
        """The counts; none if the start was refused before anything could be counted."""
        return Statistics() if self.parallel.state == "new" else self.parallel.statistics()

    def _progress(self) -> object:
        counts = self._statistics
        return counts.processed, counts.skipped, counts.failed, counts.commits, sum(map(len, self.missing().values()))

    def _why_stuck(self) -> str:
        places = self.under_test.standing() or [found.sentence for found in self.parallel.explain()]
        return "; ".join(places)

    def missing(self) -> dict[int, range]:
        """The offsets that are not committed, by partition."""
        found = {}
        for number in self.cluster.partitions_of(self.topic):
            place = TopicPartition(self.topic, number)
            committed = self.cluster.committed(GROUP, place)
            offsets = range(committed.offset if committed else 0, self.cluster.log(place).end)
            if offsets:
                found[number] = offsets
        return found

    def end(self, parallel: ParallelConsumer) -> str:
        """Stop the run of *parallel*; say where it hangs, and leave it alone then."""
        parallel.stop(timeout_ms=2000)
        thread = self._threads[id(parallel)]
        thread.join(self._setup.patience)
        return self._why_stuck() if thread.is_alive() else ""

    def outcome(self, stuck: str) -> Outcome:
        """Put together what was seen."""
        with self._folder:
            places = [seen[:2] for seen in self.handlers.seen] if self._is_here else self._sent.places()
        return Outcome(
            self.under_test, self.topic, self._errors.get(id(self.parallel)), stuck, self._statistics,
            self.listener.attempts, places, self.handlers.seen, self.log.lines, self.consumer.calls, self.missing(),
            self.verdicts, self.outside, self.commits, self.cluster,
        )  # fmt: skip
