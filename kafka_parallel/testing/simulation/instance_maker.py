"""How an instance of one run is made: its consumer, its handlers and its plugins, as the plan wants them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from kafka_parallel._options import Options
from kafka_parallel.testing.fake import FakeCluster
from kafka_parallel.testing.simulation.acts import Acts
from kafka_parallel.testing.simulation.checker import Checker
from kafka_parallel.testing.simulation.clients import Rearranging, WatchedConsumer, WatchedProducer
from kafka_parallel.testing.simulation.commit_watch import CommitWatch
from kafka_parallel.testing.simulation.hostile import Auditor, Counter, Gate, Hostile, Listener, Watcher
from kafka_parallel.testing.simulation.instance import Instance
from kafka_parallel.testing.simulation.kinds import KINDS, built_in, dlq_limit
from kafka_parallel.testing.simulation.limits import LimitJudge
from kafka_parallel.testing.simulation.meddling import Meddler
from kafka_parallel.testing.simulation.odd_code import deserializer_of
from kafka_parallel.testing.simulation.plan import TOPIC, Plan
from kafka_parallel.testing.simulation.process import Process
from kafka_parallel.testing.simulation.refusal import Refusal
from kafka_parallel.testing.simulation.seeking import Seeker
from kafka_parallel.testing.simulation.shapes import Shapes
from kafka_parallel.testing.simulation.shipped_plugins import shipped_plugins
from kafka_parallel.testing.simulation.world import World

DEAD = "dead"
SESSION_TIMEOUT = 10.0
Guests: TypeAlias = "Callable[[FakeCluster, Checker, str], Sequence[object]]"
# The number of group.instance.ids that static members have between them.
STATIC_IDS = 3


class InstanceMaker:
    """Makes the instances of one run.

    :param options: of the consumer under test.
    :param leaves: is called with the name of an instance when it leaves its group.
    :param guests: makes the plugins of others for the instance with that name; ``None`` = there are none.
    :param is_neighbour: whether they are those of another group beside that of the run.
    """

    def __init__(
        self,
        world: World,
        cluster: FakeCluster,
        checker: Checker,
        plan: Plan,
        options: Options,
        leaves: Callable[[str], None],
        guests: Guests | None = None,
        *,
        is_neighbour: bool = False,
    ) -> None:
        self._world = world
        self._cluster = cluster
        self._checker = checker
        self._plan = plan
        self._options = options
        self._leaves = leaves
        self._guests = guests
        self._letter = plan.group[0] if is_neighbour else "i"

    def make(self, number: int, failing: float) -> Instance:
        """Make the instance with that *number*.

        :param failing: how likely its handlers fail, from 0 to 1.
        """
        plan, name, process = self._plan, f"{self._letter}{number}", Process(self._world)
        consumer = self._consumer(number, process)
        kind = KINDS[plan.executor](self._world, process, plan)
        acts = Acts(self._world, plan, self._checker, name, consumer, failing)
        judge = None if plan.limit is None else LimitJudge(plan.limit)
        plugins = self._plugins(name, acts, judge)
        refusal = Refusal(self._checker, name) if plan.is_refused_first else None
        instance = Instance(name, process, consumer, self._options, plugins, kind, acts, judge, refusal)
        instance.watch_bounds(self._checker.violate)
        consumer.is_leaving = lambda: instance.is_stopping
        consumer.leaves = lambda: self._leaves(name)
        if plan.is_meddled_with:
            self._meddle_with(instance, process)
        if consumer.seeker is not None:
            self._seek_in(instance, consumer.seeker, process)
        return instance

    def _consumer(self, number: int, process: Process) -> WatchedConsumer:
        settings = self._consumer_config(number)
        kind = Rearranging if self._plan.is_rearranged else WatchedConsumer
        consumer = kind(self._cluster, self._checker, self._plan.habits, f"{self._letter}{number}", process, settings)
        seeker = None
        if self._plan.seeks:
            targets = self._checker.committed.told.at_or_above if self._plan.jumps_ahead else None
            seeker = Seeker(self._world, self._checker, f"{self._letter}{number}", consumer, TOPIC, targets)
        consumer.seeker = seeker
        if self._plan.membership == "assigned":
            consumer.assign([partition for partition in self._cluster.logs if partition.topic == TOPIC])
        else:
            consumer.subscribe([TOPIC], listener=seeker)
        return consumer

    def _meddle_with(self, instance: Instance, process: Process) -> None:
        consumer, acts = instance.consumer, instance.acts
        meddler = consumer.meddler = Meddler(
            self._world, self._checker, instance.name, consumer, acts.stop, lambda: instance.is_stopping
        )
        if not self._plan.is_elsewhere:
            acts.meddle = meddler.in_handler
        meddler.begin(process)

    def _seek_in(self, instance: Instance, seeker: Seeker, process: Process) -> None:
        acts, meddle = instance.acts, instance.acts.meddle

        def act() -> None:
            meddle()
            seeker.in_handler()

        if not self._plan.is_elsewhere:
            acts.meddle = act
        seeker.begin(process)

    def _consumer_config(self, number: int) -> dict[str, Any]:
        plan, chance, membership = self._plan, self._world.random, self._plan.membership
        return {
            "client_id": f"{self._letter}{number}",
            "group_id": plan.group,
            "group_instance_id": f"static-{number % STATIC_IDS}" if membership == "static" else None,
            "partition_assignment_strategy": ["cooperative-sticky" if membership == "cooperative" else "range"],
            "max_poll_records": chance.choice([1, 7, 500]),
            "auto_commit_interval_ms": chance.choice([40, 200, 1000]),
            "auto_offset_reset": self._plan.reset,
            "isolation_level": self._plan.isolation,
            "session_timeout_ms": SESSION_TIMEOUT * 1000,
            "max_poll_interval_ms": self._plan.max_poll_interval * 1000,
            "value_deserializer": deserializer_of(self._plan),
        }

    def _plugins(self, name: str, acts: Acts, judge: LimitJudge | None) -> list[object]:
        plan, world = self._plan, self._world
        plugins: list[object] = [CommitWatch(self._checker, name), Watcher(world, self._checker, plan, name, acts)]
        if plan.hostile:
            plugins += [Hostile(world, plan.seed, plan.hostile), Shapes(world, plan.seed, name, plan.hostile)]
        plugins += self._last_resorts(judge)
        audited = "" if self._guests else TOPIC  # a guest's Skip needs no copy that we know
        auditor = Auditor(world, self._checker, plan, name, audited, judge)
        if not self._guests:
            plugins.append(auditor)
        if plan.batch is not None and plan.kept_out:
            plugins.append(Gate(world, self._checker, name, plan.kept_out))
        plugins.extend(self._listeners(name, acts))
        plugins += shipped_plugins(plan, world, self._checker)
        if self._guests:  # they may answer around all others, and the answer that counts is audited
            plugins += [*self._guests(self._cluster, self._checker, name), auditor]
        return plugins

    def _last_resorts(self, judge: LimitJudge | None) -> list[object]:
        """The plugin that writes failed records elsewhere, and the judge behind it."""
        plan, found = self._plan, list[object]()
        producer = partial(WatchedProducer, self._cluster, self._checker)
        if plan.dead_letters:
            limit = None if plan.limit is None else dlq_limit(plan.limit)
            found.append(built_in("dlq")(topic=DEAD, limit=limit, make_producer=producer))
        if plan.retry_topics:
            settings = {"delays_ms": plan.retry_topics, "name": plan.retry_topic, "wall_clock": self._world.wall}
            found.append(built_in("retry-topics")(**settings, make_producer=producer))
        return found if judge is None else [*found, judge]

    def _listeners(self, name: str, acts: Acts) -> list[object]:
        plan = self._plan
        listener, counter = Listener(self._checker, plan, name), Counter(self._checker, name, acts.share)
        has_counter = plan.backoff is not None and not plan.hostile
        return [*([listener] if plan.is_heard else []), *([counter] if has_counter else [])]
