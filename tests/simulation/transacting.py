"""Members that produce exactly once, drawn by seeds: killed, frozen and stopped at any point of a transaction.

The real engine and the real plugin run on a fake cluster in the simulated world. Handlers take some time, fail now and
then, also behind their results; the coordinator's answers are late, lost or errors. In some runs the program jumps in
its partitions, back and forward: from handlers, from a thread and in its rebalance listener. Each transaction must have
the results of the records that it passes (`passed_results.py`). In the end a reader with read_committed must see the
result of each record once, by partition in the order of offsets; after a jump back to a record also more often.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from kafka import TopicPartition
from kafka.errors import (
    CommitFailedError,
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotCoordinatorError,
    ProducerFencedError,
)

from kafka_parallel import Result, Retry, Skip, hookimpl, producing
from kafka_parallel._options import Options
from kafka_parallel._plugins.manager import NO_AUTOLOAD_VARIABLE, Plugins
from kafka_parallel._runtime.client.consumer_adapter import Client
from kafka_parallel._runtime.loop.assembly import Parts
from kafka_parallel._runtime.loop.engine import Engine
from kafka_parallel._runtime.loop.shutdown import Shutdown
from kafka_parallel.testing.fake import FakeCluster, FakeConsumer, FakeProducer
from kafka_parallel.testing.simulation.kinds import Actors, built_in
from kafka_parallel.testing.simulation.process import Process
from kafka_parallel.testing.simulation.seeking import Seeker
from kafka_parallel.testing.simulation.world import World
from tests.simulation.passed_results import PassedResults

SOURCE, TARGET, GROUP = "orders", "enriched", "billing"
SESSION_TIMEOUT = 6.0
# All faults end then, and one member must come to the end, in seconds.
PEACE, END = 60.0, 600.0
RETRIABLE = (KafkaTimeoutError, KafkaConnectionError, NotCoordinatorError)
ERRORS: dict[str, tuple[type[Exception], ...]] = {
    "send": (*RETRIABLE, MessageSizeTooLargeError),
    "send_offsets_to_transaction": (*RETRIABLE, CommitFailedError),
    "commit_transaction": (KafkaTimeoutError, ProducerFencedError),
    "abort_transaction": RETRIABLE,
    "committed": RETRIABLE,
}


# How many of the runs have jumps, and by how much their handlers are slower than those of others: some of them have to
# outlive the jump and the next attempt at their record.
JUMPING, STRAGGLING = 0.4, (1, 1, 1, 1, 4)


class Consumer(FakeConsumer):
    """Tells the program where it is."""

    @property
    def is_closed(self) -> bool:
        """True once it is closed."""
        return self._closed

    def state_of(self, partition: TopicPartition) -> Any:
        """Its state of *partition*; ``None`` if that is not its own."""
        return self._states.get(partition)


class Producer(FakeProducer):
    """Takes its time at each step, at which its process may be killed or frozen.

    :param member: the member that it commits for.
    """

    def __init__(self, site: Site, member: str, **config: Any) -> None:
        super().__init__(cluster=site.cluster, **config)
        self.world = site.world
        self._judge = site.judge
        self._member = member
        self._results: dict[int, list[int]] = {}

    def _pause(self) -> None:
        self.world.sleep(self.world.random.choice([0.0, 0.001, 0.01, 0.1]))

    def begin_transaction(self) -> None:
        super().begin_transaction()
        self._results = {}
        self._pause()

    def send(self, topic: str, value: Any = None, **record: Any) -> Any:
        self._pause()
        self._results.setdefault(record["partition"], []).append(int(value))
        return super().send(topic, value, **record)

    def flush(self, timeout: float | None = None) -> None:
        self._pause()

    def send_offsets_to_transaction(self, *args: Any) -> None:
        self._pause()
        super().send_offsets_to_transaction(*args)
        self._pause()

    def commit_transaction(self) -> None:
        self._judge.commits(self._member, self._results)
        super().commit_transaction()
        self._pause()


class Tumbling:
    """Fails attempts behind their handler, and has them tried again; some records are skipped for good."""

    def __init__(self, chance: random.Random, skipped: set[tuple[int, int]]) -> None:
        self._chance = chance
        self._skipped = skipped

    @hookimpl(wrapper=True)
    def on_record(self, context: Any) -> Any:
        """Fail it behind the handler, at times; always if it is one of those that are skipped."""
        result = yield
        place = context.raw.partition, context.raw.offset
        if place in self._skipped or (context.attempt == 1 and self._chance.random() < 0.1):
            raise ValueError("behind the handler")
        return result

    @hookimpl
    def on_error(self, context: Any) -> Retry | Skip:
        """Have it tried again, or skip it."""
        if (context.raw.partition, context.raw.offset) in self._skipped and context.attempt >= 2:
            return Skip("always")
        return Retry(self._chance.choice([0, 20, 300]))


class Member:
    """One process of the application."""

    def __init__(self, site: Site) -> None:
        self.process = Process(site.world)
        self.is_alive = True
        chance = site.world.random
        self.consumer = Consumer(
            cluster=site.cluster, clock=self.process, habits="3.x", group_id=GROUP,
            isolation_level="read_committed", auto_offset_reset="earliest",
            session_timeout_ms=SESSION_TIMEOUT * 1000, max_poll_interval_ms=20_000,
            max_poll_records=chance.choice([1, 5, 500]),
            partition_assignment_strategy=["cooperative-sticky" if site.is_cooperative else "range"],
        )  # fmt: skip
        seeker = self._seeker = Seeker(site.world, site.judge, self.consumer.name, self.consumer, SOURCE)
        self.consumer.subscribe([SOURCE], listener=seeker if site.has_jumps else None)
        plugin = built_in("exactly-once")(
            make_producer=lambda **config: Producer(site, self.consumer.name, **config),
            interval_ms=chance.choice([20, 100, 500]), transaction_timeout_ms=chance.choice([3_000, 60_000]),
        )  # fmt: skip
        actors = Actors(site.world, self.process, 3, chance.choice([1, 4]))
        plugins = Plugins([actors, Tumbling(chance, site.skipped), plugin], {NO_AUTOLOAD_VARIABLE: "1"})
        options = Options(workers=3, ordering=site.ordering, revoke_timeout_ms=2_000)
        self.shutdown = Shutdown(20.0, self.process.monotonic)
        self._site = site
        handler = producing(self._handle, TARGET)
        self._engine = Engine(Parts(Client(self.consumer), plugins, options, self.shutdown, handler, self.process))
        self._note = site.world.note
        self.process.start_main(self._run)
        if site.has_jumps:
            seeker.begin(self.process)

    def _handle(self, record: Any) -> Result:
        """Take some time, and return a result that names the record."""
        site, pace = self._site, self._site.pace
        if site.has_jumps:
            self._seeker.in_handler()
            pace *= site.world.random.choice(STRAGGLING)
        site.world.sleep(site.world.random.random() * pace)
        return Result(b"%d" % record.offset, partition=record.partition)

    def _run(self) -> None:
        try:
            self._engine.run_until_over()
        except Exception as error:
            self._note(f"{self.consumer.name} ended with {error!r}")
        self.is_alive = False


class Site:
    """A cluster, its members, and their troubles.

    :param has_jumps: whether the program jumps; by a lot of its own if not given, so that other runs stay as they were.
    """

    def __init__(self, seed: int, *, has_jumps: bool | None = None) -> None:
        self.world = World(seed, most_steps=1_500_000)
        chance = self.world.random
        self.cluster = FakeCluster(self.world)
        self.count = chance.randint(1, 3)
        for topic in (SOURCE, TARGET):
            self.cluster.create_topic(topic, self.count)
        self.records = chance.randint(40, 120)
        self.skipped: set[tuple[int, int]] = set()
        for number in range(self.records):
            record = self.cluster.append(SOURCE, b"v", b"k%d" % chance.randint(0, 5), partition=number % self.count)
            if chance.random() < 0.03:
                self.skipped.add((record.partition, record.offset))
        self.is_cooperative = chance.random() < 0.5
        self.ordering: Any = chance.choice(["unordered", lambda record: record.key])
        self.likelihood = chance.choice([0.0, 0.02, 0.1])
        self.pace = chance.choice([0.02, 0.2, 1.0])
        self.members: list[Member] = []
        self.cluster.on_call = self.strike
        self.has_jumps = random.Random(f"jumps {seed}").random() < JUMPING if has_jumps is None else has_jumps
        self.judge = PassedResults(self.cluster, self.skipped)

    def strike(self, call: str, moment: str) -> None:
        """Let a call fail, by lot; nothing after peace has come."""
        chance = self.world.random
        if self.world.now >= PEACE or call not in ERRORS or chance.random() >= self.likelihood:
            return
        kinds = ERRORS[call]
        if moment == "after":
            kinds = tuple(kind for kind in kinds if kind in RETRIABLE)
        error = chance.choice(kinds)(f"{call} {moment}")
        self.world.note(f"{call} fails {moment} it took effect: {error!r}")
        raise error

    def run(self) -> None:
        """Let members come and go until all is committed, then judge."""
        Process(self.world).start_thread(self._trouble, "trouble")
        self.world.run(lambda: self.is_done or self.world.now > END or bool(self.judge.wrong))
        if self.judge.wrong:
            raise AssertionError(self.judge.wrong)
        if not self.is_done:
            raise AssertionError(f"not all was committed within {END} s")
        self._look()

    def _trouble(self) -> None:
        chance = self.world.random
        while not self.is_done:
            alive = [member for member in self.members if member.is_alive]
            if len(alive) < (1 if self.world.now >= PEACE else chance.choice([1, 2, 2])):
                self.members.append(Member(self))
            elif alive and self.world.now < PEACE and chance.random() < 0.3:
                self._hurt(chance.choice(alive))
            self.world.sleep(chance.random())

    def _hurt(self, member: Member) -> None:
        what: Callable[[Member], None] = self.world.random.choice([self._kill, self._freeze, self._stop])
        self.world.note(f"{what.__name__} {member.consumer.name}")
        what(member)

    def _kill(self, member: Member) -> None:
        self.cluster.vanish(member.consumer.name, SESSION_TIMEOUT)
        member.process.kill()
        member.is_alive = False

    def _freeze(self, member: Member) -> None:
        self.cluster.vanish(member.consumer.name, SESSION_TIMEOUT)
        member.process.freeze(self.world.random.choice([1.0, 8.0, 9.0, 15.0]))

    def _stop(self, member: Member) -> None:
        member.shutdown.signalled("a signal")

    @property
    def is_done(self) -> bool:
        """True once all records are committed."""
        ends = [TopicPartition(SOURCE, number) for number in range(self.count)]
        offsets = [self.cluster.committed(GROUP, partition) for partition in ends]
        return all(
            found is not None and found.offset >= self.cluster.logs[partition].end
            for partition, found in zip(ends, offsets, strict=True)
        )

    def _look(self) -> None:
        """Compare what a reader with read_committed sees with the records.

        :raises AssertionError: a result is missing, there twice for no reason, or out of order.
        """
        self.cluster.transactions.expire(float("inf"))  # those of dead members hold readers up
        for number in range(self.count):
            source = TopicPartition(SOURCE, number)
            wanted = [
                found.offset
                for found in self.cluster.logs[source].records
                if (number, found.offset) not in self.skipped
            ]
            target = self.cluster.logs[TopicPartition(TARGET, number)]
            seen = [int(found.value) for found in target.read(0, 1_000_000, "read_committed")]
            counts = Counter(seen)
            missing = [offset for offset in wanted if offset not in counts and not self._is_left_out(source, offset)]
            twice = [offset for offset, count in counts.items() if count > 1 and not self._comes_again(source, offset)]
            if missing or twice or (seen != wanted and not self.has_jumps):
                raise AssertionError(f"partition {number}: missing {missing}, twice {twice}, seen {seen}")

    def _is_left_out(self, partition: TopicPartition, offset: int) -> bool:
        return (partition, offset) in self.judge.jumps.skipped

    def _comes_again(self, partition: TopicPartition, offset: int) -> bool:
        return self.judge.jumps.may_be_committed(partition, offset)


def judge(seed: int, *, has_jumps: bool | None = None) -> None:
    """Run *seed*.

    :param has_jumps: whether the program jumps; by lot if not given.
    :raises AssertionError: a result is missing, there twice for no reason, or out of order.
    """
    site = Site(seed, has_jumps=has_jumps)
    try:
        site.run()
    finally:
        site.world.close()
