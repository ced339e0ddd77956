"""Incidents of a running consumer, drawn by seeds: each plants one cause for which it does not go on.

The real engine runs on a fake cluster in the simulated world, beside healthy traffic. An incident says which
explanation has to come first, and which others have to be there.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from kafka import TopicPartition
from kafka.errors import CorruptRecordError

from kafka_parallel import Batch, DelayedTopics, Halt, Retry, hookimpl
from kafka_parallel._options import Options
from kafka_parallel._plugins.manager import NO_AUTOLOAD_VARIABLE, Plugins
from kafka_parallel._runtime.client.consumer_adapter import Client
from kafka_parallel._runtime.loop.assembly import Parts
from kafka_parallel._runtime.loop.engine import Engine
from kafka_parallel._runtime.loop.shutdown import Shutdown
from kafka_parallel.explanations import Explanation
from kafka_parallel.testing.fake import FakeCluster, FakeConsumer
from kafka_parallel.testing.fake.commits import AnswerLostError
from kafka_parallel.testing.simulation.event_loop import SimulatedLoop
from kafka_parallel.testing.simulation.kinds import Actors, built_in
from kafka_parallel.testing.simulation.process import Process
from kafka_parallel.testing.simulation.threads import Threads
from kafka_parallel.testing.simulation.world import World

TOPIC, GROUP = "orders", "billing"
EVER = 1_000_000.0
WORKERS = 4


class Expected(NamedTuple):
    """The explanation that names the planted cause.

    :ivar words: each of them is in its sentence.
    :ivar also: causes of other explanations that are there too, each with its partition.
    """

    cause: str
    partition: TopicPartition | None = None
    offset: int | None = None
    words: tuple[str, ...] = ()
    also: tuple[tuple[str, TopicPartition | None], ...] = ()

    def problem(self, found: Iterable[Explanation]) -> str | None:
        """Say what is wrong with *found*; ``None`` if they name the cause."""
        found = list(found)
        first = found[0]
        if (first.cause, first.partition, first.offset) != (self.cause, self.partition, self.offset):
            return f"expected {self[:3]} first"
        if missing := [word for word in self.words if word not in first.sentence]:
            return f"the first sentence lacks {missing}"
        others = {(other.cause, other.partition) for other in found[1:]}
        return f"{set(self.also) - others} are missing" if set(self.also) - others else None


def by_key(record: Any) -> Any:
    return record.key


class Site:
    """A consumer, and the trouble that it may get into.

    :ivar slow: places whose handler takes so many seconds; those of others take some milliseconds.
    :ivar failing: places whose handler raises.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(f"incident {seed}")
        self.world = World(seed, most_steps=3_000_000)
        self.process = Process(self.world)
        self.cluster = FakeCluster(self.world)
        self.partitions = [TopicPartition(TOPIC, number) for number in range(self.random.randint(2, 4))]
        self.cluster.create_topic(TOPIC, len(self.partitions))
        self.slow: dict[tuple[int, int], float] = {}
        self.failing: set[tuple[int, int]] = set()
        self.plugins: list[object] = []
        self.options: dict[str, Any] = {"workers": WORKERS, "ordering": self.random.choice([by_key, "unordered"])}
        self.config: dict[str, Any] = {"auto_commit_interval_ms": 500, "auto_offset_reset": "earliest"}
        self.kind = self.random.choice(["threads", "asyncio", "batch"])
        self._habits = self.random.choice(["2.x", "3.x"])

    def write(self, partition: TopicPartition, count: int, key: bytes | None = None) -> None:
        """Append records with keys of their own, or all with *key*."""
        for number in range(count):
            self.cluster.append(TOPIC, b"v", key or b"k%d" % number, partition=partition.partition)

    def any_partition(self) -> TopicPartition:
        """Draw a partition."""
        return self.random.choice(self.partitions)

    def consumer(self, process: Process, topics: Iterable[str] = (TOPIC,)) -> FakeConsumer:
        """Make a member of the group."""
        return FakeConsumer(
            *topics, cluster=self.cluster, clock=process, habits=self._habits, group_id=GROUP, **self.config
        )

    def start(self) -> None:
        """Begin the run."""
        self.client = self.consumer(self.process)
        self.shutdown = Shutdown(20.0, self.process.monotonic)
        executor, handler, loop, batch = self._kind()
        plugins = Plugins([executor, *self.plugins], {NO_AUTOLOAD_VARIABLE: "1"})
        options = Options(**self.options)
        parts = Parts(Client(self.client), plugins, options, self.shutdown, handler, self.process, loop, batch)
        self.engine = Engine(parts)
        Process(self.world).start_thread(self._tick, "time goes on")
        self.process.start_main(self._run)

    def _tick(self) -> None:
        while True:
            self.world.sleep(1.0)

    def _run(self) -> None:
        try:
            self.engine.run_until_over()
        except Exception:
            self.world.note("the run has failed")

    def _kind(self) -> tuple[object, Callable[[Any], Any], Any, Batch | None]:
        if self.kind == "asyncio":
            executor = built_in("asyncio")(
                threads=Threads(self.process), clock=self.world.monotonic, cpu_clock=self.world.monotonic
            )
            return executor, self._handle_async, SimulatedLoop(self.world, self.process).as_loop, None
        actors = Actors(self.world, self.process, WORKERS, 1)
        if self.kind == "batch":
            return actors, self._handle_batch, None, Batch(max_records=self.random.randint(1, 3), max_wait_ms=5)
        return actors, self._handle, None, None

    def _handle(self, record: Any) -> None:
        place = record.partition, record.offset
        self.world.sleep(self.slow.get(place, self.random.random() / 100))
        if place in self.failing:
            raise OutOfStockError(place)

    def _handle_batch(self, records: list[Any]) -> None:
        for record in records:
            self._handle(record)

    async def _handle_async(self, record: Any) -> None:
        import asyncio

        place = record.partition, record.offset
        await asyncio.sleep(self.slow.get(place, self.random.random() / 100))
        if place in self.failing:
            raise OutOfStockError(place)

    def pass_time(self, seconds: float) -> None:
        """Let *seconds* pass, and a little more, until no act is half done."""
        until, lock = self.world.now + seconds, self.engine._scheduler._lock
        self.world.run(lambda: self.world.now >= until and lock.holder is None)

    def explain(self, **options: Any) -> list[Explanation]:
        """Ask the run."""
        return list(self.engine.facts.explain(**options))


class OutOfStockError(Exception):
    """The error of a handler that fails."""


class Answers:
    """A plugin that answers each error with *answer*."""

    def __init__(self, answer: object) -> None:
        self._answer = answer

    @hookimpl
    def on_error(self) -> Any:
        return self._answer


class Throttling:
    """A plugin that makes *change* to its throttle at the start."""

    def __init__(self, change: Callable[[Any], None]) -> None:
        self._change = change

    @hookimpl
    def on_throttle(self, throttle: Any) -> None:
        self._change(throttle)


def running_handler(site: Site) -> Expected:
    partition = site.any_partition()
    before, above = site.random.randint(0, 20), site.random.randint(0, 30)
    site.write(partition, before + 1 + above)
    site.slow[partition.partition, before] = EVER
    site.kind = "threads" if site.kind == "batch" else site.kind  # else its offset is that of its batch
    site.start()
    site.pass_time(20)
    words = (f"stands at offset {before} for 2", "its handler runs", "attempt 1")
    return Expected("handler", partition, before, words + (f"{above} records above",) * bool(above))


def running_batch(site: Site) -> Expected:
    partition = site.any_partition()
    site.write(partition, 1)
    site.slow[partition.partition, 0] = EVER
    site.kind = "batch"
    site.start()
    site.pass_time(20)
    return Expected("handler", partition, 0, ("its handler runs",))


def waiting_retry(site: Site) -> Expected:
    partition, before = site.any_partition(), site.random.randint(0, 5)
    site.kind = "threads" if site.kind == "batch" else site.kind
    site.plugins.append(Answers(Retry(3_600_000)))
    site.write(partition, before + 1 + site.random.randint(0, 5))
    site.failing.add((partition.partition, before))
    site.start()
    site.pass_time(30)
    words = ("it failed with OutOfStockError", "attempt 2 is due in 35")
    return Expected("retry", partition, before, words)


def bounded_rate(site: Site) -> Expected:
    partition = site.any_partition()
    site.kind = "threads"
    site.plugins.append(Throttling(lambda throttle: throttle.limit_rate(0.001)))
    site.write(partition, 2, b"one key")
    site.start()
    site.pass_time(30)
    return Expected("rate", partition, 1, ("bounds how fast", "it may start in 97"))


def closed_throttle(site: Site) -> Expected:
    site.plugins.append(Throttling(lambda throttle: throttle.limit(0)))
    site.write(site.any_partition(), 3)
    site.start()
    site.pass_time(30)
    return Expected("throttle", words=("'Throttling'",))


def full_span(site: Site) -> Expected:
    partition = site.any_partition()
    site.kind = "threads"
    site.options["max_uncommitted"] = 10
    site.write(partition, 40)
    site.slow[partition.partition, 0] = EVER
    site.start()
    site.pass_time(20)
    return Expected("handler", partition, 0, ("9 records above",), also=(("uncommitted", partition),))


def full_buffer(site: Site) -> Expected:
    partition = site.any_partition()
    site.kind = "threads"
    site.options.update(max_buffered_records=10, ordering=by_key)
    site.write(partition, 40, b"one key")
    site.slow[partition.partition, 0] = EVER
    site.start()
    site.pass_time(20)
    return Expected("handler", partition, 0, also=(("records", partition),))


def large_records(site: Site) -> Expected:
    partition = site.any_partition()
    site.kind = "threads"
    site.options.update(max_buffered_bytes=5_000, ordering=by_key)
    for _ in range(20):
        site.cluster.append(TOPIC, b"v" * 1_000, b"one key", partition=partition.partition)
    site.slow[partition.partition, 0] = EVER
    site.start()
    site.pass_time(20)
    return Expected("handler", partition, 0, also=(("bytes", partition),))


def paused_by_user(site: Site) -> Expected:
    partition = site.any_partition()
    site.start()
    site.pass_time(1)
    site.client.pause(partition)
    site.write(partition, 5)
    site.pass_time(10)
    return Expected("user", partition, words=("the program paused it",))


def unanswered_commit(site: Site) -> Expected:
    def strike(call: str, moment: str) -> None:
        if call == "commit_async":
            raise AnswerLostError

    site.cluster.on_call = strike
    site.config["auto_offset_reset"] = "latest"
    site.start()
    site.pass_time(1)
    for partition in site.partitions:
        site.write(partition, 3)
    site.pass_time(4)
    return Expected("commit", words=("for the answer",))


def draining_rebalance(site: Site) -> Expected:
    for partition in site.partitions:
        site.write(partition, 1)
        site.slow[partition.partition, 0] = EVER
    site.options["revoke_timeout_ms"] = 60_000
    site.start()
    site.pass_time(5)
    other = Process(site.world)
    member = site.consumer(other)
    other.start_thread(lambda: _poll_for_ever(member), "another member")
    site.pass_time(20)
    return Expected("rebalance", words=("waits", "at most for"))


def _poll_for_ever(member: FakeConsumer) -> None:
    while True:
        member.poll(timeout_ms=500)


def delayed_topic(site: Site) -> Expected:
    class Delays:
        @hookimpl
        def provide_topics(self) -> DelayedTopics:
            return DelayedTopics({"later": TOPIC}, lambda record, now_ms: record.timestamp + 900_000 - now_ms)

    later = TopicPartition("later", 0)
    site.cluster.create_topic("later")
    site.cluster.append("later", b"v", b"k", partition=0)
    site.plugins.append(Delays())
    site.start()
    site.pass_time(30)
    return Expected("not due", later, words=("its next record is due in 8",))


def unreachable_cluster(site: Site) -> Expected:
    site.write(site.any_partition(), 5)
    site.start()
    site.pass_time(5)
    site.cluster.brokers.unreachable.add(0)
    site.write(site.any_partition(), 5)
    site.pass_time(30)
    return Expected("broker", words=("no broker",))


def frozen_cluster(site: Site) -> Expected:
    """The broker's process is stopped: it stays connected, and answers nothing."""
    site.write(site.any_partition(), 5)
    site.start()
    site.pass_time(5)
    site.cluster.brokers.frozen[0] = site.process.monotonic()
    site.write(site.any_partition(), 5)
    site.pass_time(30)
    return Expected("broker", words=("broker 0 has not answered for 30 s",))


def unreachable_leader(site: Site) -> Expected:
    partition = site.any_partition()
    site.cluster.brokers.leaders[partition] = 7
    site.start()
    site.pass_time(5)
    site.cluster.brokers.unreachable.add(7)
    site.write(partition, 5)
    site.pass_time(30)
    return Expected("leader", partition, words=("broker 7",))


def empty_topic(site: Site) -> Expected:
    site.write(site.any_partition(), site.random.randint(0, 20))
    site.start()
    site.pass_time(60)
    return Expected("idle", words=(f"all {len(site.partitions)} assigned partitions",))


def busy_workers(site: Site) -> Expected:
    first, *others = site.random.sample(site.partitions, len(site.partitions))
    site.kind = "threads"
    site.options["stuck_after_ms"] = 8_000
    site.write(first, WORKERS)
    for offset in range(WORKERS):
        site.slow[first.partition, offset] = EVER
    site.start()
    site.pass_time(5)
    site.write(others[0], 1)
    site.pass_time(30)
    return Expected("handler", first, 0, also=(("worker", others[0]),))


def key_of_an_earlier_assignment(site: Site) -> Expected:
    partition = site.any_partition()
    site.kind = "threads"
    site.options.update(ordering=by_key, revoke_timeout_ms=100, stuck_after_ms=8_000)
    site.write(partition, 2, b"one key")
    site.slow[partition.partition, 0] = EVER
    site.start()
    site.pass_time(5)
    site.cluster.group(GROUP).rebalance()
    site.pass_time(60)
    still = site.engine.facts.progress()[partition].head_offset
    assert still == 0
    return Expected("handler", partition, still, ("an earlier attempt at this record", "still runs"))


def stuck_loop(site: Site) -> Expected:
    class Blocks:
        @hookimpl
        def on_backpressure(self) -> None:
            site.world.sleep(EVER)

    partition = site.any_partition()
    site.plugins.append(Blocks())
    site.options.update(max_buffered_records=5, ordering=by_key)
    site.slow[partition.partition, 0] = 1.0
    site.write(partition, 40, b"one key")
    site.start()
    site.pass_time(120)
    return Expected("loop", words=("has not come out of a round for 1",))


def unreadable_record(site: Site) -> Expected:
    partition = site.any_partition()
    site.kind = "threads"
    site.write(partition, 3)
    site.start()
    site.pass_time(5)
    state = site.client._states[partition]
    found = site.engine._client
    from kafka_parallel._runtime.client.unreadable import Unreadable

    found._stand(Unreadable(partition, state.position.offset, CorruptRecordError("crc")))
    site.pass_time(5)
    return Expected("unreadable", partition, 3, ("CorruptRecordError",))


def long_stop(site: Site) -> Expected:
    partition = site.any_partition()
    site.write(partition, 1)
    site.slow[partition.partition, 0] = 15.0
    site.start()
    site.pass_time(5)
    site.shutdown.signalled("SIGTERM")
    site.pass_time(3)
    return Expected("stopping", words=("SIGTERM",), also=(("handler", partition),))


def ended_run(site: Site) -> Expected:
    partition = site.any_partition()
    site.plugins.append(Answers(Halt("stop here")))
    site.write(partition, 1)
    site.failing.add((partition.partition, 0))
    site.start()
    site.pass_time(60)
    return Expected("not running", words=("failed", "RecordFailed"))


def healthy_traffic(site: Site) -> Expected:
    partition = site.any_partition()
    site.write(partition, 3_000)
    site.start()
    site.pass_time(1)
    return Expected("flowing", words=("nothing stands still",), also=(("records", partition),))


INCIDENTS: tuple[Callable[[Site], Expected], ...] = (
    running_handler,
    running_batch,
    waiting_retry,
    bounded_rate,
    closed_throttle,
    full_span,
    full_buffer,
    large_records,
    paused_by_user,
    unanswered_commit,
    draining_rebalance,
    delayed_topic,
    unreachable_cluster,
    unreachable_leader,
    frozen_cluster,
    empty_topic,
    busy_workers,
    key_of_an_earlier_assignment,
    stuck_loop,
    unreadable_record,
    long_stop,
    ended_run,
    healthy_traffic,
)


def name_of(seed: int) -> str:
    """The name of the incident of *seed*."""
    return INCIDENTS[seed % len(INCIDENTS)].__name__


def judge(seed: int) -> None:
    """Let the incident of *seed* happen, and ask for an explanation.

    :raises AssertionError: it does not name the planted cause first.
    """
    site = Site(seed)
    try:
        expected = INCIDENTS[seed % len(INCIDENTS)](site)
        found = site.explain()
        if problem := expected.problem(found):
            raise AssertionError(f"{name_of(seed)}: {problem}: {[each.sentence for each in found]}")
    finally:
        site.world.close()
