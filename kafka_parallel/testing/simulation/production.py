"""How the records of one run come into the log: with gaps and waits, in transactions, and forged ones beside them."""

from __future__ import annotations

from collections.abc import Iterable

from kafka import TopicPartition

from kafka_parallel.testing.fake import FakeCluster
from kafka_parallel.testing.simulation.acts import FORGED
from kafka_parallel.testing.simulation.plan import TOPIC, Plan, Planned
from kafka_parallel.testing.simulation.world import World

# The time that a transaction may stay open, in seconds.
OPEN = (0.0, 0.0, 0.05, 1.0)


class Production:
    """The producer of one run.

    :ivar is_over: whether all records are written.
    """

    def __init__(self, world: World, cluster: FakeCluster, plan: Plan) -> None:
        self.is_over = False
        self._world = world
        self._cluster = cluster
        self._plan = plan

    def run(self) -> None:
        """Write the records of the plan: those of its quiet partitions last."""
        if self._plan.reset == "latest":
            self._world.sleep(self._plan.begins_at)
        count, quiet = self._plan.partitions, self._plan.quiet
        late = [planned for planned in self._plan.records if planned.partition % count in quiet]
        self._append_all([planned for planned in self._plan.records if planned.partition % count not in quiet])
        if late:
            self._world.sleep(max(0.0, self._plan.lull - self._world.now))
            self._append_all(late)
        if self._plan.retry_topics:
            self._forge()
        self.is_over = True

    def _append_all(self, records: Iterable[Planned]) -> None:
        for planned in records:
            if planned.wait:
                self._world.sleep(planned.wait)
            if self._world.random.random() < self._plan.transactions:
                self._append_transaction(planned)
            else:
                self._append(planned)

    def _append(self, planned: Planned) -> None:
        place = planned.partition % self._plan.partitions
        self._cluster.append(TOPIC, planned.value, planned.key, partition=place, gap=planned.gap)

    def _append_transaction(self, planned: Planned) -> None:
        """Append it in a transaction; if that is aborted, once more without."""
        place = TopicPartition(TOPIC, planned.partition % self._plan.partitions)
        chance, log = self._world.random, self._cluster.logs[place]
        commits = chance.random() < 0.5
        log.begin_transaction()
        self._append(planned)
        self._world.sleep(chance.choice(OPEN))
        log.end_transaction(commits=commits)
        if not commits and chance.random() < 0.7:
            self._append(planned)

    def _forge(self) -> None:
        """Write records into a retry topic whose headers must not be believed."""
        random = self._world.random
        for _ in range(random.randint(0, 3)):
            name = random.choice(["retry_topic-backoff-timestamp", "retry_topic-attempts"])
            value = random.choice([b"", b"\x7f" + b"\xff" * 7, b"\xff" * 4, b"\x01" * 30])
            self._cluster.append(self._plan.retry_topic_names[0], FORGED, None, headers=[(name, value)], partition=0)
