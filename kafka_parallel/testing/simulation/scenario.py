"""What happens in one simulated run: drawn from the seed, down to the last handler's time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kafka import TopicPartition
from kafka.errors import KafkaTimeoutError, RebalanceInProgressError

from kafka_parallel import RecordFailed, Retry, Skip, hookimpl
from kafka_parallel.options import Options
from kafka_parallel.testing.simulation.checker import Checker, Violation
from kafka_parallel.testing.simulation.fake_cluster import FakeCluster
from kafka_parallel.testing.simulation.fake_consumer import FakeConsumer
from kafka_parallel.testing.simulation.instance import Instance
from kafka_parallel.testing.simulation.world import World

GROUP = "group"
# Simulated seconds within which every run must have handled and committed everything.
PATIENCE = 600.0


@dataclass(frozen=True)
class Run:
    """How a run went.

    :ivar trace: a digest of every step; equal for two runs of a seed.
    :ivar records: how many there were.
    :ivar repeats: how many were finished again.
    :ivar may_repeat: whether something happened that makes repeats unavoidable.
    """

    trace: str
    records: int
    repeats: int
    may_repeat: bool


class Simulation:
    """One run.

    :param seed: decides everything.
    """

    def __init__(self, seed: int) -> None:
        self.world = world = World(seed)
        self.random = chance = world.random
        self.cluster = FakeCluster(world.monotonic)
        self.cluster.create_topic("t", chance.randint(1, 3))
        self._ordering = chance.choice(["key", "key", "partition", "unordered"])
        self.checker = Checker(self.cluster, self._lane_of)
        self._keeps_position, self._is_cooperative = chance.random() < 0.5, chance.random() < 0.3
        self._is_calm = is_calm = chance.random() < 0.4  # nothing happens that would excuse a repeat
        self._slow = 0.0 if is_calm else chance.choice([0.0, 0.0, 0.02])
        self._failing = 0.0 if is_calm else chance.choice([0.0, 0.0, 0.1, 0.3])
        self._commit_faults = 0.0 if is_calm else chance.choice([0.0, 0.0, 0.2])
        self._halting = chance.random() < 0.1
        self._options = self._draw_options()
        self._instances: list[Instance] = []
        self._records = 0
        self.may_repeat = not is_calm

    def _draw_options(self) -> Options:
        chance = self.random
        return Options(
            workers=chance.randint(1, 4),
            ordering={"key": self._lane_of, "partition": self._lane_of}.get(self._ordering, "unordered"),
            max_buffered_records=chance.choice([2, 5, 20, 1000]),
            max_buffered_bytes=chance.choice([40, 10_000_000]),
            max_uncommitted=chance.choice([3, 10, 1000]),
            revoke_timeout_ms=20_000 if self._is_calm else chance.choice([100, 5000]),
            stop_timeout_ms=20_000 if self._is_calm else chance.choice([100, 20_000]),
        )

    def _lane_of(self, record: Any) -> Any:
        return {"key": record.key, "partition": "all"}.get(self._ordering)

    def run(self) -> Run:
        """Run it to its end.

        :raises Violation: if a promise was broken.
        :raises StalledError: if it does not come to an end.
        """
        self.world.spawn(self._produce)
        self._start()
        self.world.spawn(self._chaos)
        self.world.run(until=lambda: self._produced and self.checker.is_complete and self._chaos_is_over)
        for instance in self._instances:
            instance.stop()
        self.world.run(until=lambda: not any(instance.is_alive for instance in self._instances))
        repeats = self.checker.repeats
        if repeats and not self.may_repeat:
            raise Violation(f"{repeats} records were repeated although nothing made it necessary")
        return Run(self.world.trace, self._records, repeats, self.may_repeat)

    # What happens

    _produced = False
    _chaos_is_over = False

    def _produce(self) -> None:
        chance = self.random
        keys = [None, *(b"k%d" % number for number in range(chance.randint(1, 5)))]
        for _ in range(chance.randint(5, 60)):
            partition = chance.choice(sorted(self.cluster.logs))
            self.cluster.append(
                partition, chance.choice(keys), b"v" * chance.randint(0, 9), chance.choice([0, 0, 0, 3])
            )
            self._records += 1
            if chance.random() < 0.1:
                self.world.sleep(chance.choice([0.0, 0.1, 1.0]))
        self._produced = True

    def _chaos(self) -> None:
        for _ in range(self.random.choice([0, 1, 2, 5])):
            self.world.sleep(self.random.choice([0.001, 0.005, 0.02, 0.05, 0.1, 1.0]))
            self.random.choice([self._start, self._start, self._stop, self._kill, self._rebalance])()
        self._chaos_is_over = True
        while True:
            self._bury()
            if not any(instance.is_alive for instance in self._instances):
                self._start()
            if self.world.now > PATIENCE:
                raise Violation(f"not everything was handled and committed after {PATIENCE} s: {self.cluster.groups}")
            self.world.sleep(1.0)

    def _bury(self) -> None:
        """Let processes end whose run() has returned."""
        for instance in [instance for instance in self._instances if not instance.is_alive]:
            self._instances.remove(instance)
            instance.exit()
            self.checker.killed(instance.name)
            if instance.error is not None:
                if not (self._halting and isinstance(instance.error, RecordFailed)):
                    raise instance.error
                self.may_repeat = True

    def _start(self) -> None:
        number = self.world.random.getrandbits(32)
        name = f"i{number}"
        consumer = FakeConsumer(
            self.cluster,
            "t",
            name=name,
            sleep=self.world.sleep,
            keeps_position=self._keeps_position,
            is_cooperative=self._is_cooperative,
            fault=self._fault,
            group_id=GROUP,
            max_poll_records=self.random.choice([1, 7, 500]),
            auto_commit_interval_ms=self.random.choice([10, 200, 5000]),
            auto_offset_reset=self.random.choice(["earliest", "latest"]),
        )
        plugin = Watcher(self, name)
        self._instances.append(Instance(self.world, name, consumer, self._options, [plugin], self._handler(name)))

    def _stop(self) -> None:
        if self._instances:
            chosen = self.random.choice(self._instances)
            self.may_repeat = self.may_repeat or chosen.is_stopping  # the second signal abandons
            chosen.stop()

    def _kill(self) -> None:
        if self._instances:
            chosen = self.random.choice(self._instances)
            chosen.kill()
            self.checker.killed(chosen.name)
            self.may_repeat = True

    def _rebalance(self) -> None:
        self.cluster.rebalance(GROUP)

    def _fault(self, act: str) -> None:
        """Let commits fail before or after they were stored."""
        if act == "poll" or self.random.random() >= self._commit_faults:
            return
        raise self.random.choice([KafkaTimeoutError("no answer"), RebalanceInProgressError()])

    def _handler(self, name: str) -> Any:
        def handle(record: Any) -> None:
            self.checker.started(name, record)
            self.world.note("start", name, record.partition, record.offset)
            try:
                self.world.sleep(self._handler_time())
                if self.random.random() < self._failing:
                    raise ValueError("no luck")
            except ValueError:
                self.checker.ended(name, record, is_done=False)
                raise
            self.checker.ended(name, record, is_done=True)

        return handle

    def _handler_time(self) -> float:
        if self.random.random() < self._slow:
            return self.random.choice([1.0, 8.0])
        return self.random.choice([0.0, 0.001, 0.01, 0.05])


class Watcher:
    """A plugin of the simulated application: tells the checker about assignments, and decides about failures."""

    def __init__(self, simulation: Simulation, name: str) -> None:
        self._simulation = simulation
        self._name = name

    @hookimpl
    def on_assign(self, partitions: frozenset[TopicPartition]) -> None:
        """Tell the checker."""
        self._simulation.checker.assigned(self._name, partitions)

    @hookimpl
    def on_error(self, record: Any) -> Retry | Skip | None:
        """Decide by lot."""
        simulation = self._simulation
        if simulation._halting and simulation.random.random() < 0.1:  # noqa: SLF001 - its other half
            return None
        if simulation.random.random() < 0.3:
            simulation.checker.finish(TopicPartition(record.topic, record.partition), record.offset)
            return Skip("by lot")
        return Retry(simulation.random.choice([0, 5, 300]))
