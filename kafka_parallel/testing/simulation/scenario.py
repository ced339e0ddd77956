"""One simulated run, from its plan to its end."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from kafka import TopicPartition

from kafka_parallel import RecordFailed
from kafka_parallel._options import Options
from kafka_parallel.errors import FATAL as FATAL_ERRORS
from kafka_parallel.errors import CommitFailed, ConfigurationError, MemberFenced
from kafka_parallel.testing.fake import FakeCluster
from kafka_parallel.testing.simulation.checker import Checker, Violation
from kafka_parallel.testing.simulation.drawing import draw
from kafka_parallel.testing.simulation.faults import FATAL, Faults
from kafka_parallel.testing.simulation.hostile import MisbehaviourError
from kafka_parallel.testing.simulation.instance import LONGEST_END, Instance
from kafka_parallel.testing.simulation.instance_maker import DEAD, SESSION_TIMEOUT, STATIC_IDS, Guests, InstanceMaker
from kafka_parallel.testing.simulation.interruption import Interruption, SignalRaised, own_tracing
from kafka_parallel.testing.simulation.moved_commits import Mover
from kafka_parallel.testing.simulation.odd_code import act_oddly, is_odd_to
from kafka_parallel.testing.simulation.odd_keys import OddKey
from kafka_parallel.testing.simulation.plan import TOPIC, Event, Plan
from kafka_parallel.testing.simulation.production import Production
from kafka_parallel.testing.simulation.rest import REST, ProgressJudge
from kafka_parallel.testing.simulation.run_result import Run, no_collection, tell_each_group
from kafka_parallel.testing.simulation.starts import Starts
from kafka_parallel.testing.simulation.world import World

# Simulated seconds within which every run must have handled and committed everything.
PATIENCE = 2000.0
# The most instances that may be alive at once.
MOST_INSTANCES = 4
# With "latest", when it is known at the soonest whether there is anything to do: with the first positions.
SETTLED = 2.0


class Simulation:
    """One run.

    :param seed: decides everything that the plan leaves open.
    :param plan: the plan; drawn from the seed if not given.
    :param guests: makes further plugins for each instance; the plan says that there are some.
    :param beside: the run of another group, in whose world and on whose cluster this one is.
    """

    def __init__(
        self, seed: int, plan: Plan | None = None, guests: Guests | None = None, beside: Simulation | None = None
    ) -> None:
        self.plan = plan = plan or draw(seed)
        self.world: World = World(seed) if beside is None else beside.world
        self.cluster: FakeCluster = self._new_cluster() if beside is None else beside.cluster
        for name in plan.retry_topic_names:
            if TopicPartition(name, 0) not in self.cluster.logs:
                self.cluster.create_topic(name, 1)
        # Records dropped above one that halts are gone from memory, but the checker cannot know.
        most = float("inf") if plan.may_halt else plan.options["max_buffered_records"]
        # So is a batch in which a fatal fault strikes, before it is known how much of it has room.
        most_bytes = float("inf") if plan.may_halt or plan.is_fatal else plan.options["max_buffered_bytes"]
        span = plan.options["max_uncommitted"]
        starts = Starts(is_prompt=plan.commits_at_once)
        self.checker = Checker(
            self.cluster, self._lane_of, most, plan.reset, TOPIC, most_bytes, span, plan.isolation, starts
        )
        self.checker.committed.told.is_exact = plan.is_calm and not plan.seeks  # a jump drops the map
        self._faults = Faults(self.world, plan)
        self.cluster.on_call = self._faults.strike
        ordering = self._ordering if plan.lanes != "unordered" else "unordered"
        options = Options(ordering=ordering, handler_timeout_ms=plan.timeout_ms, **plan.options)
        self._maker = InstanceMaker(
            self.world, self.cluster, self.checker, plan, options, self._leaves, guests, is_neighbour=beside is not None
        )
        self._instances: list[Instance] = []
        self._numbers = itertools.count()
        self.production: Production = beside.production if beside else Production(self.world, self.cluster, plan)
        trouble = plan.commit_faults or plan.hiccups  # a commit may have been stored although it failed
        self._progress_judge = ProgressJudge(self.cluster, self.checker, TOPIC, is_exact=not trouble)
        self._is_quiet = self._has_rested = self._was_complete = self._is_ending = False
        self.may_repeat = not plan.is_calm
        self._has_killed = False
        self._fenced_since: dict[str, float] = {}
        self._failing = plan.failing
        self._groups = [self]
        if plan.neighbour and beside is None:
            self._groups.append(Simulation(seed, replace(plan, group="neighbour"), guests, self))
            tell_each_group(self.cluster, {one.plan.group: one.checker.committed for one in self._groups})

    def _new_cluster(self) -> FakeCluster:
        cluster = FakeCluster(self.world)
        cluster.create_topic(TOPIC, self.plan.partitions)
        cluster.create_topic(DEAD, 1)
        return cluster

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
        with no_collection(), own_tracing():
            try:
                return self._run()
            finally:
                self.world.close()

    def _run(self) -> Run:
        groups = self._groups
        self.world.spawn(self.production.run)
        for group in groups:
            group.begin()
        self.world.run(until=lambda: all(group.is_over() for group in groups))
        for group in groups:
            group.rest()
        self.world.run(until=lambda: all(group.is_judged() for group in groups))
        for group in groups:
            group.end()
        self.world.run(until=lambda: not any(group.is_alive for group in groups))
        return [group.result() for group in groups][-1]

    # The steps of the run of one group

    def begin(self) -> None:
        """Start the first instance, and let the events happen."""
        self._start()
        self.world.spawn(self._happen)

    def rest(self) -> None:
        """Judge the instances when nothing happens any more."""
        self.world.spawn(self._judge_rest)

    def end(self) -> None:
        """Stop the instances."""
        self._is_ending = True
        for instance in self._instances:
            instance.stop()

    @property
    def is_alive(self) -> bool:
        """Tell whether an instance has not ended."""
        return any(instance.is_alive for instance in self._instances)

    def result(self) -> Run:
        """Tell how it went.

        :raises Violation: if a promise was broken.
        """
        if self.checker.violation is not None:
            raise self.checker.violation
        if not self.may_repeat and (needless := self.checker.needless_repeats):
            raise Violation(f"{needless} were repeated although nothing made it necessary")
        return Run(self.world.trace, len(self.plan.records), self.checker.repeats, self.may_repeat)

    def is_over(self) -> bool:
        """Tell whether all is done and committed.

        :raises Violation: if a promise was broken.
        """
        if self.checker.violation is not None:
            raise self.checker.violation
        if self.plan.reset == "latest" and self.world.now < SETTLED:
            return False  # whether there is anything to do shows with the first fetch
        if self.production.is_over and self._is_quiet and self.checker.committed.has_news:
            self._was_complete = self.checker.committed.is_complete(self._watched)
        return self._was_complete

    def _judge_rest(self) -> None:
        is_complete, has_rested = partial(self.checker.committed.is_complete, self._watched), False
        while not has_rested:  # with "latest", a late first commit decides that there are records to handle
            was_complete = is_complete()
            self.world.sleep(REST)
            has_rested = was_complete and is_complete()
        for instance in self._instances:
            if instance.is_alive and not (self.may_repeat or self.plan.seeks):  # a jump may just have come
                self._progress_judge.at_rest(instance)
        self._has_rested = True

    def is_judged(self) -> bool:
        """Tell whether the instances were judged at rest.

        :raises Violation: if a promise was broken.
        """
        if self.checker.violation is not None:
            raise self.checker.violation
        return self._has_rested

    # What happens

    def _happen(self) -> None:
        for wait, event in self.plan.events:
            self.world.sleep(wait)
            self.world.note(event)
            self._events[event](self)
        self._is_quiet = True
        while True:
            self._bury()
            self._restart_blocked()
            if not (self._is_ending or any(instance.is_alive for instance in self._instances)):
                self._start()
            if self.world.now > PATIENCE:
                raise Violation(f"not everything was committed after {PATIENCE} s: {self.checker.committed.state()}")
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
        group = self.cluster.group(self.plan.group)
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
        if blocked and self.checker.committed.is_blocked(self._watched, blocked, self._lane_of):
            for instance in self._instances:
                if instance.is_alive and not instance.is_stopping and instance.acts.blocked():
                    self._progress_judge.at_standstill(instance)
                    self.world.note(f"{instance.name} is restarted: handlers never return")
                    instance.stop()

    @property
    def _watched(self) -> list[TopicPartition]:
        topics = {TOPIC, *self.plan.retry_topic_names}
        return [partition for partition in self.cluster.logs if partition.topic in topics]

    def _explain(self, instance: Instance, error: BaseException) -> None:
        """Accept the deaths that the plan causes, and raise every other error."""
        plan = self.plan
        self.world.note(f"{instance.name} died of {error!r}")
        expected = (
            (isinstance(error, RecordFailed) and plan.may_halt)
            or (isinstance(error, (*FATAL, CommitFailed)) and plan.is_fatal)
            or (isinstance(error, CommitFailed) and plan.membership == "assigned" and plan.commit_faults > 0)
            or (self._has_no_executor(error) and "futures" in plan.executor and plan.dying > 0)
            or isinstance(error, SignalRaised)
            or (isinstance(error, MemberFenced) and plan.membership == "static")
            or (isinstance(error, (*FATAL_ERRORS, MisbehaviourError)) and plan.hostile > 0)
        )
        if not expected:
            raise error
        self.may_repeat = True

    @staticmethod
    def _has_no_executor(error: BaseException) -> bool:
        """Tell whether the application's executor broke for good: inside of wrappers a record fails with that."""
        found = error.__cause__ if isinstance(error, RecordFailed) else error
        return isinstance(found, ConfigurationError)

    def _start(self) -> None:
        alive = sum(instance.is_alive for instance in self._instances)
        if alive >= MOST_INSTANCES or (alive and self.plan.membership == "assigned"):
            return
        number = next(self._numbers)
        if self.plan.membership == "static" and alive and number >= STATIC_IDS:
            self.may_repeat = True  # it may fence one that is alive
        self._instances.append(self._maker.make(number, self._failing))

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
            self._kill_one(instance)

    def _kill_one(self, instance: Instance) -> None:
        self.world.note(f"{instance.name} is killed")
        self._has_killed = True
        self.checker.cannot_commit(instance.name)
        instance.kill()

    def _move_commits(self) -> None:
        """Let another program move commits; brokers refuse that while the group has a member."""
        for instance in self._instances:
            if instance.is_alive:
                self._kill_one(instance)
        self._bury()
        self.world.sleep(SESSION_TIMEOUT + 1)
        Mover(self.world, self.cluster, self.checker, TOPIC, self.plan.group).move()

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
            self.cluster.group(self.plan.group).leave(instance.consumer.name)

    def _interrupt(self) -> None:
        """Let the application's signal handler raise, in the middle of anything after the next poll."""
        for instance in self._chosen():
            steps = self.world.random.choice([3, 10, 30, 300])
            raises = partial(self.checker.interrupted.add, instance.name)
            instance.consumer.interruption = Interruption(self.world.random.randint(0, steps), raises)

    def _rebalance(self) -> None:
        self.cluster.group(self.plan.group).rebalance()

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
        "interrupt": _interrupt, "add partition": _add_partition, "delete records": _delete_records, "pause": _pause,
        "move commits": _move_commits,
    }  # fmt: skip
