"""One simulated run, from its plan to its end."""

from __future__ import annotations

import gc
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from kafka import TopicPartition

from kafka_parallel import RecordFailed
from kafka_parallel._options import Options
from kafka_parallel.errors import FATAL as FATAL_ERRORS
from kafka_parallel.errors import CommitFailed, MemberFenced
from kafka_parallel.testing.fake import FakeCluster
from kafka_parallel.testing.simulation.acts import FORGED, TOPIC, Acts
from kafka_parallel.testing.simulation.checker import Checker, Violation
from kafka_parallel.testing.simulation.clients import GROUP, WatchedConsumer, WatchedProducer
from kafka_parallel.testing.simulation.commit_watch import CommitWatch
from kafka_parallel.testing.simulation.faults import FATAL, Faults
from kafka_parallel.testing.simulation.hostile import (
    Auditor,
    Counter,
    Gate,
    Hostile,
    Listener,
    MisbehaviourError,
    Watcher,
)
from kafka_parallel.testing.simulation.instance import LONGEST_END, Instance
from kafka_parallel.testing.simulation.kinds import KINDS, built_in, dlq_limit
from kafka_parallel.testing.simulation.limits import LimitJudge
from kafka_parallel.testing.simulation.meddling import Meddler
from kafka_parallel.testing.simulation.odd_code import act_oddly, deserializer_of, is_odd_to
from kafka_parallel.testing.simulation.odd_keys import OddKey
from kafka_parallel.testing.simulation.plan import Event, Plan, Planned, draw
from kafka_parallel.testing.simulation.process import Process
from kafka_parallel.testing.simulation.refusal import Refusal
from kafka_parallel.testing.simulation.shapes import Shapes
from kafka_parallel.testing.simulation.starts import Starts
from kafka_parallel.testing.simulation.world import World

DEAD = "dead"
SESSION_TIMEOUT = 10.0
# Simulated seconds within which every run must have handled and committed everything.
PATIENCE = 2000.0
# The most instances that may be alive at once.
MOST_INSTANCES = 4
# With "latest", when it is known at the soonest whether there is anything to do: with the first positions.
SETTLED = 2.0
# The time that a transaction may stay open, in seconds.
OPEN = (0.0, 0.0, 0.05, 1.0)
# The number of group.instance.ids that static members have between them.
STATIC_IDS = 3


@dataclass(frozen=True)
class Run:
    """The result of a run.

    :ivar trace: a digest of every step; equal for two runs of a seed.
    :ivar records: how many there were.
    :ivar repeats: how many were finished again.
    :ivar may_repeat: whether something other than a kill happened that makes repeats unavoidable.
    """

    trace: str
    records: int
    repeats: int
    may_repeat: bool


@contextmanager
def _no_collection() -> Iterator[None]:
    """Let no cycle of objects be collected: the moment depends on the process, and a weak reference shows it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Simulation:
    """One run.

    :param seed: decides everything that the plan leaves open.
    :param plan: the plan; drawn from the seed if not given.
    """

    def __init__(self, seed: int, plan: Plan | None = None) -> None:
        self.plan = plan = plan or draw(seed)
        self.world = World(seed)
        self.cluster = FakeCluster(self.world)
        self.cluster.create_topic(TOPIC, plan.partitions)
        self.cluster.create_topic(DEAD, 1)
        for number in range(len(plan.retry_topics)):
            self.cluster.create_topic(f"{TOPIC}-{GROUP}-retry-{number}", 1)
        # Records dropped above one that halts are gone from memory, but the checker cannot know.
        most = float("inf") if plan.may_halt else plan.options["max_buffered_records"]
        # So is a batch in which a fatal fault strikes, before it is known how much of it has room.
        most_bytes = float("inf") if plan.may_halt or plan.is_fatal else plan.options["max_buffered_bytes"]
        span = plan.options["max_uncommitted"]
        starts = Starts(is_prompt=plan.commits_at_once)
        self.checker = Checker(
            self.cluster, self._lane_of, most, plan.reset, TOPIC, most_bytes, span, plan.isolation, starts
        )
        self._faults = Faults(self.world, plan)
        self.cluster.on_call = self._faults.strike
        ordering = self._ordering if plan.lanes != "unordered" else "unordered"
        self._options = Options(ordering=ordering, handler_timeout_ms=plan.timeout_ms, **plan.options)
        self._instances: list[Instance] = []
        self._numbers = itertools.count()
        self._is_produced = self._is_quiet = False
        self.may_repeat = not plan.is_calm
        self._has_killed = False
        self._fenced_since: dict[str, float] = {}
        self._failing = plan.failing

    def _lane_of(self, record: Any) -> Any:
        return {"key": record.key, "partition": "all"}.get(self.plan.lanes)

    def _ordering(self, record: Any) -> Any:
        """The application's ``ordering=``: some behave unexpectedly, with some records."""
        if is_odd_to(self.plan, record):
            return act_oddly(self.plan, record)
        key = self._lane_of(record)
        return OddKey(key, self._ask) if self.plan.has_odd_keys and key is not None else key

    def _ask(self) -> None:
        for instance in self._instances:
            instance.ask()

    def run(self) -> Run:
        """Run it to its end, once.

        :raises Violation: if a promise was broken.
        :raises StalledError: if it does not come to an end.
        """
        with _no_collection():
            try:
                return self._run()
            finally:
                self.world.close()

    def _run(self) -> Run:
        self.world.spawn(self._produce)
        self._start()
        self.world.spawn(self._happen)
        self.world.run(until=self._is_over)
        for instance in self._instances:
            instance.stop()
        self.world.run(until=lambda: not any(instance.is_alive for instance in self._instances))
        if self.checker.violation is not None:
            raise self.checker.violation
        if not self.may_repeat and (needless := self.checker.needless_repeats):
            raise Violation(f"{needless} were repeated although nothing made it necessary")
        return Run(self.world.trace, len(self.plan.records), self.checker.repeats, self.may_repeat)

    def _is_over(self) -> bool:
        if self.checker.violation is not None:
            raise self.checker.violation
        if self.plan.reset == "latest" and self.world.now < SETTLED:
            return False  # whether there is anything to do shows with the first fetch
        if not (self._is_produced and self._is_quiet and self.checker.has_news):
            return False
        return self.checker.is_complete(self._watched)

    # What happens

    def _produce(self) -> None:
        if self.plan.reset == "latest":
            self.world.sleep(self.plan.begins_at)
        count, quiet = self.plan.partitions, self.plan.quiet
        late = [planned for planned in self.plan.records if planned.partition % count in quiet]
        self._append_all([planned for planned in self.plan.records if planned.partition % count not in quiet])
        if late:
            self.world.sleep(max(0.0, self.plan.lull - self.world.now))
            self._append_all(late)
        if self.plan.retry_topics:
            self._forge()
        self._is_produced = True

    def _append_all(self, records: Iterable[Planned]) -> None:
        for planned in records:
            if planned.wait:
                self.world.sleep(planned.wait)
            if self.world.random.random() < self.plan.transactions:
                self._append_transaction(planned)
            else:
                self._append(planned)

    def _append(self, planned: Planned) -> None:
        place = planned.partition % self.plan.partitions
        self.cluster.append(TOPIC, planned.value, planned.key, partition=place, gap=planned.gap)

    def _append_transaction(self, planned: Planned) -> None:
        """Append it in a transaction; if that is aborted, once more without."""
        place = TopicPartition(TOPIC, planned.partition % self.plan.partitions)
        chance, log = self.world.random, self.cluster.logs[place]
        commits = chance.random() < 0.5
        log.begin_transaction()
        self._append(planned)
        self.world.sleep(chance.choice(OPEN))
        log.end_transaction(commits=commits)
        if not commits and chance.random() < 0.7:
            self._append(planned)

    def _forge(self) -> None:
        """Write records into a retry topic whose headers must not be believed."""
        random = self.world.random
        for _ in range(random.randint(0, 3)):
            name = random.choice(["retry_topic-backoff-timestamp", "retry_topic-attempts"])
            value = random.choice([b"", b"\x7f" + b"\xff" * 7, b"\xff" * 4, b"\x01" * 30])
            self.cluster.append(f"{TOPIC}-{GROUP}-retry-0", FORGED, None, headers=[(name, value)], partition=0)

    def _happen(self) -> None:
        for wait, event in self.plan.events:
            self.world.sleep(wait)
            self.world.note(event)
            self._events[event](self)
        self._is_quiet = True
        while True:
            self._bury()
            self._restart_blocked()
            if not any(instance.is_alive for instance in self._instances):
                self._start()
            if self.world.now > PATIENCE:
                raise Violation(f"not everything was committed after {PATIENCE} s: {self.checker.state()}")
            self.world.sleep(1.0)

    def _bury(self) -> None:
        """Let processes end whose run() has returned."""
        self._require_halts()
        self._require_fenced_to_end()
        for instance in [instance for instance in self._instances if not instance.is_alive]:
            self._instances.remove(instance)
            self._repair(instance)
            instance.kill()
            self.checker.killed(instance.name)
            self.cluster.vanish(instance.consumer.name, SESSION_TIMEOUT)
            if instance.error is not None:
                self._explain(instance, instance.error)

    def _require_halts(self) -> None:
        for instance in self._instances:
            if instance.is_broken(self.world.now):
                raise Violation(f"{instance.name} goes on although the limit of dead letters stopped it")

    def _require_fenced_to_end(self) -> None:
        group = self.cluster.group(GROUP)
        for instance in self._instances:
            if not (instance.is_alive and group.is_fenced(instance.consumer.name)):
                continue
            since = self._fenced_since.setdefault(instance.name, self.world.now)
            if self.world.now - since > LONGEST_END:
                raise Violation(f"{instance.name} goes on although a newer member has its place")

    def _repair(self, instance: Instance) -> None:
        """Let handlers fail less, by lot, after they failed so often that *instance* was stopped."""
        if instance.is_halted:
            self._failing *= self.world.random.choice([1.0, 0.5, 0.0])

    def _restart_blocked(self) -> None:
        """Restart instances with handlers that never return, once they have done everything else."""
        blocked = {lane: at for instance in self._instances for lane, at in instance.acts.blocked().items()}
        if blocked and self.checker.is_blocked(self._watched, blocked):
            for instance in self._instances:
                if instance.is_alive and not instance.is_stopping and instance.acts.blocked():
                    self.world.note(f"{instance.name} is restarted: handlers never return")
                    instance.stop()

    @property
    def _watched(self) -> list[TopicPartition]:
        return [partition for partition in self.cluster.logs if partition.topic != DEAD]

    def _explain(self, instance: Instance, error: BaseException) -> None:
        """Accept the deaths that the plan causes, and raise every other error."""
        plan = self.plan
        self.world.note(f"{instance.name} died of {error!r}")
        expected = (
            (isinstance(error, RecordFailed) and plan.may_halt)
            or (isinstance(error, (*FATAL, CommitFailed)) and plan.is_fatal)
            or (isinstance(error, CommitFailed) and plan.membership == "assigned" and plan.commit_faults > 0)
            or (isinstance(error, MemberFenced) and plan.membership == "static")
            or (isinstance(error, (*FATAL_ERRORS, MisbehaviourError)) and plan.hostile > 0)
        )
        if not expected:
            raise error
        self.may_repeat = True

    def _start(self) -> None:
        alive = sum(instance.is_alive for instance in self._instances)
        if alive >= MOST_INSTANCES or (alive and self.plan.membership == "assigned"):
            return
        number = next(self._numbers)
        name, process = f"i{number}", Process(self.world)
        if self.plan.membership == "static" and alive and number >= STATIC_IDS:
            self.may_repeat = True  # it may fence one that is alive
        consumer = WatchedConsumer(
            self.cluster, self.checker, self.plan.habits, name, process, self._consumer_config(number)
        )
        if self.plan.membership == "assigned":
            consumer.assign([partition for partition in self.cluster.logs if partition.topic == TOPIC])
        else:
            consumer.subscribe([TOPIC])
        kind = KINDS[self.plan.executor](self.world, process, self.plan)
        acts = Acts(self.world, self.plan, self.checker, name, consumer, self._failing)
        judge = None if self.plan.limit is None else LimitJudge(self.plan.limit)
        plugins = self._plugins(name, acts, judge)
        refusal = Refusal(self.checker, name) if self.plan.is_refused_first else None
        instance = Instance(name, process, consumer, self._options, plugins, kind, acts, judge, refusal)
        instance.watch_bounds(self.checker.violate)
        consumer.is_leaving = lambda: instance.is_stopping
        consumer.leaves = lambda: self._leaves(name)
        if self.plan.is_meddled_with:
            self._meddle_with(instance, process)
        self._instances.append(instance)

    def _meddle_with(self, instance: Instance, process: Process) -> None:
        consumer, acts = instance.consumer, instance.acts
        meddler = consumer.meddler = Meddler(
            self.world, self.checker, instance.name, consumer, acts.stop, lambda: instance.is_stopping
        )
        if "process-pool" not in self.plan.executor:
            acts.meddle = meddler.in_handler
        meddler.begin(process)

    def _consumer_config(self, number: int) -> dict[str, Any]:
        chance, membership = self.world.random, self.plan.membership
        return {
            "client_id": f"i{number}",
            "group_id": GROUP,
            "group_instance_id": f"static-{number % STATIC_IDS}" if membership == "static" else None,
            "partition_assignment_strategy": ["cooperative-sticky" if membership == "cooperative" else "range"],
            "max_poll_records": chance.choice([1, 7, 500]),
            "auto_commit_interval_ms": chance.choice([40, 200, 1000]),
            "auto_offset_reset": self.plan.reset,
            "isolation_level": self.plan.isolation,
            "session_timeout_ms": SESSION_TIMEOUT * 1000,
            "max_poll_interval_ms": self.plan.max_poll_interval * 1000,
            "value_deserializer": deserializer_of(self.plan),
        }

    def _plugins(self, name: str, acts: Acts, judge: LimitJudge | None) -> list[object]:
        plan, world = self.plan, self.world
        plugins: list[object] = [CommitWatch(self.checker, name), Watcher(world, self.checker, plan, name, acts)]
        if plan.hostile:
            plugins += [Hostile(world, plan.hostile), Shapes(world, plan.seed, name, plan.hostile)]
        plugins += self._last_resorts(judge)
        plugins.append(Auditor(world, self.checker, plan, name, TOPIC, judge))
        if plan.batch is not None and plan.kept_out:
            plugins.append(Gate(world, self.checker, name, plan.kept_out))
        plugins.extend(self._listeners(name, acts))
        if plan.backoff is not None:
            plugins.append(built_in("retry")(**plan.backoff, chance=world.random.random))
        if plan.breaker is not None:
            plugins.append(built_in("circuit-breaker")(**plan.breaker))
        if plan.pace is not None:
            plugins.append(built_in("rate-limit")(**plan.pace))
        if plan.adaptive is not None:
            plugins.append(built_in("adaptive-concurrency")(**plan.adaptive))
        return plugins

    def _last_resorts(self, judge: LimitJudge | None) -> list[object]:
        """The plugin that writes failed records elsewhere, and the judge behind it."""
        plan, found = self.plan, list[object]()
        producer = partial(WatchedProducer, self.cluster, self.checker)
        if plan.dead_letters:
            limit = None if plan.limit is None else dlq_limit(plan.limit)
            found.append(built_in("dlq")(topic=DEAD, limit=limit, make_producer=producer))
        if plan.retry_topics:
            settings = {"delays_ms": plan.retry_topics, "wall_clock": self.world.wall}
            found.append(built_in("retry-topics")(**settings, make_producer=producer))
        return found if judge is None else [*found, judge]

    def _listeners(self, name: str, acts: Acts) -> list[object]:
        plan = self.plan
        listener, counter = Listener(self.checker, plan, name), Counter(self.checker, name, acts.share)
        has_counter = plan.backoff is not None and not plan.hostile
        return [*([listener] if plan.is_heard else []), *([counter] if has_counter else [])]

    def _leaves(self, name: str) -> None:
        """Excuse records left uncommitted at an instance's end: no member can commit while a dead one is waited for."""
        if self._has_killed:
            self.checker.cannot_commit(name)

    # Events

    def _chosen(self) -> list[Instance]:
        alive = [instance for instance in self._instances if instance.is_alive]
        return [self.world.random.choice(alive)] if alive else []

    def _stop(self) -> None:
        for instance in self._chosen():
            self.may_repeat = self.may_repeat or instance.is_stopping  # the second signal abandons
            instance.stop()

    def _kill(self) -> None:
        for instance in self._chosen():
            self.world.note(f"{instance.name} is killed")
            self._has_killed = True
            self.checker.cannot_commit(instance.name)
            instance.kill()

    def _freeze(self) -> None:
        if self.plan.membership == "assigned":
            return  # without a group nothing stops two owners
        for instance in self._chosen():
            self.world.note(f"{instance.name} is frozen")
            self.may_repeat = True
            self.cluster.vanish(instance.consumer.name, SESSION_TIMEOUT)
            self.checker.starts.falls(instance.name)
            instance.freeze(SESSION_TIMEOUT * 2)

    def _freeze_in_rebalance(self) -> None:
        """Freeze a member that has given its partitions up and not yet joined again."""
        self._start()
        self._rebalance()
        self.world.sleep(self.world.random.random() * 0.12)
        self._freeze()

    def _expire(self) -> None:
        for instance in self._chosen():
            self.may_repeat = True
            self.cluster.group(GROUP).leave(instance.consumer.name)

    def _rebalance(self) -> None:
        self.cluster.group(GROUP).rebalance()

    def _add_partition(self) -> None:
        if self.plan.membership != "assigned":
            total = len(self.cluster.partitions_of(TOPIC)) + 1
            self.cluster.add_partitions(TOPIC, total)
            self.cluster.append(TOPIC, b"new", b"a", partition=total - 1)

    def _delete_records(self) -> None:
        for partition, log in self.cluster.logs.items():
            if partition.topic == TOPIC and log.records:
                log.delete_before(self.world.random.choice(log.records).offset)

    def _pause(self) -> None:
        """Let the user pause a partition after the next poll, and resume it after the one after that."""
        if self.plan.is_meddled_with:
            return  # another thread pauses, and remembers the partitions
        for instance in self._chosen():
            instance.consumer.wishes = ["pause", "resume"]

    _events: dict[Event, Callable[[Simulation], None]] = {  # noqa: RUF012 - a table of this class's methods
        "start": _start, "stop": _stop, "kill": _kill, "freeze": _freeze,
        "freeze in rebalance": _freeze_in_rebalance, "expire": _expire, "rebalance": _rebalance,
        "add partition": _add_partition, "delete records": _delete_records, "pause": _pause,
    }  # fmt: skip
