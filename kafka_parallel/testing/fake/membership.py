"""How a fake consumer takes part in its group: joins, gives partitions up, is removed.

Eager: all partitions are given up before a rebalance and handed out anew. Cooperative (KIP-429): only partitions that
move are given up, after the rebalance, and the listener is not told of the rest. A partition that an eager rebalance
hands back to the same member keeps its position and its pause in 3.x, and forgets both in 2.x.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any, NamedTuple

from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import (
    CommitFailedError,
    FencedInstanceIdError,
    IllegalGenerationError,
    KafkaError,
    KafkaTimeoutError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from kafka.future import Future

from kafka_parallel._logs import QuietLogger, area_logger
from kafka_parallel.testing.fake.callbacks import InPoll, OnIoThread
from kafka_parallel.testing.fake.clock import Timeline
from kafka_parallel.testing.fake.cluster import FakeCluster
from kafka_parallel.testing.fake.commits import COMMIT_TIME, AsyncCommits, Callback, CommitFuture, Offsets
from kafka_parallel.testing.fake.subscription import PartitionState, Subscription

__all__ = ()

log: QuietLogger = area_logger("testing")

NOBODY = -1
LOST = (CommitFailedError, IllegalGenerationError, UnknownMemberIdError)


class GroupMetadata(NamedTuple):
    """A membership, as 3.x tells it to producers."""

    group_id: str
    generation_id: int
    member_id: str
    group_instance_id: str | None


class Generation(NamedTuple):
    """kafka-python's view of a membership; a member that is not known to the coordinator gets another id."""

    generation_id: int
    member_id: str


class Membership:
    """One consumer's place in its group; stands also for ``consumer._coordinator``.

    :param name: the member's id; every start has its own.
    :param config: the consumer's configuration, its own copy.
    :param client: the consumer's requests to the coordinator; a join comes after those sent before it.
    :ivar rejoining: whether a join was asked for and not answered yet.
    :ivar rejoin_needed: whether the next poll will ask for a join.
    :ivar _heartbeat_enabled: whether the I/O thread sends heartbeats: not any more once it has heard of being fenced.
    """

    def __init__(
        self,
        cluster: FakeCluster,
        name: str,
        subscription: Subscription,
        callbacks: InPoll | OnIoThread,
        clock: Timeline,
        config: dict[str, Any],
        client: AsyncCommits,
        *,
        is_cooperative: bool,
    ) -> None:
        self.config = config
        self.rejoining: bool = False
        self.rejoin_needed: bool = True
        self._heartbeat_enabled = True
        self._was_told = False
        self.generation: int = NOBODY
        self._cluster = cluster
        self._name = name
        self._subscription = subscription
        self._callbacks = callbacks
        self._clock = clock
        self._client = client
        self._is_cooperative = is_cooperative
        self._keeps_state = isinstance(callbacks, OnIoThread)
        self._has_joined = False
        self._times_new = 0
        self._listener_error: Exception | None = None
        self._offset_fetch_futures: dict[frozenset[TopicPartition], Future] = {}
        self._heard_at = clock.monotonic()
        if self._keeps_state:
            self.group_metadata: Callable[[], Any] = self._group_metadata
            self._rebalance_protocol = SimpleNamespace(name="COOPERATIVE" if is_cooperative else "EAGER")
            self.heartbeat: SimpleNamespace = SimpleNamespace(session_timeout_expired=self._session_timeout_expired)

    def _session_timeout_expired(self) -> bool:
        """Tell whether it is a session since the last heartbeat: there are none while it joins."""
        return self._clock.monotonic() - self._heard_at > float(self.config["session_timeout_ms"]) / 1000

    @property
    def _group_id(self) -> str:
        return str(self.config["group_id"])

    def request_rejoin(self) -> None:
        """Join again at the next poll: it looks every time anyway."""

    # Taking part

    def need_rejoin(self) -> bool:
        """Tell whether the next poll takes part in a rebalance."""
        return self._takes_part and not self.is_current()

    @property
    def _takes_part(self) -> bool:
        return self._subscription.is_by_group and self.config["group_id"] is not None

    def time_to_next_poll(self) -> float:
        """The seconds until the next heartbeat."""
        return float(self.config["heartbeat_interval_ms"]) / 1000

    def poll(self, timeout_ms: float | None = None) -> bool:
        """Send a heartbeat and take part in a rebalance; tell whether the member may fetch.

        *timeout_ms* is accepted and never passes: the consumer waits, and asks again.
        """
        if not self._takes_part:
            return True
        if not self.rejoining:
            self._heard_at = self._clock.monotonic()
        group = self._cluster.keep(self._group_id, self._name, self._next_poll_due())
        if group.is_fenced(self._name):
            return self._go_on_fenced()
        return group.is_current(self._name, self.generation) or self.ensure_active_group(timeout_ms)

    def ensure_active_group(self, timeout_ms: float | None = None) -> bool:
        """Take part in a rebalance; tell whether it is over for this member. *timeout_ms* never passes."""
        group = self._cluster.group(self._group_id)
        if not self.rejoining:  # only once: a member that is removed after that never hears of it
            self._prepare()
            self._raise_listener_error()
        self._client.wait_for_turn()
        self._times_new += self._cluster.join(
            self._group_id, self._name, self._subscription.wants, self._instance_id, self._next_poll_due()
        )
        self._has_joined = True
        self.rejoining = not group.is_stable
        if not group.is_stable:
            return False
        self.generation = group.generation
        self._begin(set(group.members[self._name].assigned))
        self._raise_listener_error()
        return True

    def _next_poll_due(self) -> float:
        """The time until which the group waits for the next poll, from now on: a join counts as a poll."""
        return self._clock.monotonic() + float(self.config["max_poll_interval_ms"]) / 1000

    def _go_on_fenced(self) -> bool:
        """Fetch on, as both clients do: 2.x says once that a younger member has the instance id, 3.x never.

        A join that waits for its answer is answered with that, in both.

        :raises FencedInstanceIdError: with the habits of 2.x, once; while it joins, each time.
        """
        if self.rejoining:
            raise FencedInstanceIdError(f"instance id {self._instance_id!r} is used by a newer member")
        self.rejoin_needed = self._heartbeat_enabled = False
        if not self._keeps_state and not self._was_told:
            self._was_told = True
            raise FencedInstanceIdError(f"instance id {self._instance_id!r} is used by a newer member")
        return True

    @property
    def _generation(self) -> Generation:
        return Generation(self.generation, f"{self._name}-{self._times_new}" if self._times_new else "")

    def _group_metadata(self) -> GroupMetadata:
        return GroupMetadata(self._group_id, *self._generation, self._instance_id)

    def stable(self) -> bool:
        """Tell whether the member believes that it belongs to a generation of the group."""
        return self.generation != NOBODY

    @property
    def _instance_id(self) -> str | None:
        instance_id: str | None = self.config["group_instance_id"]
        return instance_id

    def is_current(self) -> bool:
        """Tell whether no rebalance is waiting for this member."""
        return self._cluster.group(self._group_id).is_current(self._name, self.generation)

    def _prepare(self) -> None:
        """Give up the partitions that must go before joining."""
        group, had = self._cluster.group(self._group_id), set(self._subscription.assignment)
        if self._name not in group.members or self.generation == NOBODY:
            if had:
                self._tell("on_partitions_lost" if self._keeps_state else "on_partitions_revoked", had)
            self._subscription.assignment.clear()
            group.gave_up(self._name, set())
        elif not group.members[self._name].has_joined and not self._is_cooperative:
            self._tell("on_partitions_revoked", had)
            group.gave_up(self._name, set())
            if not self._keeps_state:
                self._subscription.assignment.clear()

    def _begin(self, partitions: set[TopicPartition]) -> None:
        """Begin the generation with *partitions*."""
        states = self._subscription.assignment
        before = set(states)
        for partition in before - partitions:
            del states[partition]
        if self._is_cooperative and before - partitions:
            self._tell("on_partitions_revoked", before - partitions)
        self._cluster.group(self._group_id).gave_up(self._name, partitions)
        for partition in sorted(partitions - set(states)):
            states[partition] = PartitionState()
        self._tell("on_partitions_assigned", partitions - before if self._is_cooperative else partitions)

    def _tell(self, what: str, partitions: set[TopicPartition]) -> None:
        listener = self._subscription.rebalance_listener
        if listener is None:
            return
        method = getattr(listener, what, None) or listener.on_partitions_revoked
        begun = self._clock.monotonic()
        try:
            self._callbacks.call(method, partitions, lambda: self._beat(begun))
        except Exception as error:
            log.exception("the rebalance listener failed in %s", what)
            self._listener_error = error

    def _raise_listener_error(self) -> None:
        """Let poll() raise a listener's error, as 3.x does; 2.x only logs it."""
        error, self._listener_error = self._listener_error, None
        if error is not None and self._keeps_state:
            raise KafkaError("User rebalance callback throws an error") from error

    def _beat(self, begun: float) -> None:
        """Send a heartbeat during a callback that began at *begun*."""
        until = self._clock.monotonic() + self.config["session_timeout_ms"] / 1000
        longest = begun + self.config["max_poll_interval_ms"] / 1000
        self._cluster.keep(self._group_id, self._name, min(until, longest))

    def leave(self) -> None:
        """Leave the group, unless the member is static: then its place is kept for its next start (KIP-345)."""
        if self._has_joined and self._instance_id is None:
            self._cluster.group(self._group_id).leave(self._name)
        elif self._has_joined:
            self._cluster.vanish(self._name, self.config["session_timeout_ms"] / 1000)

    def give_up_all(self) -> None:
        """Tell the listener, as 3.x does when it closes."""
        if self._keeps_state and self._subscription.assignment:
            self._tell("on_partitions_revoked", set(self._subscription.assignment))

    # Commits

    def commit_offsets_sync(self, offsets: Offsets, timeout_ms: float | None = None) -> None:
        """Commit *offsets*, and wait for the answer.

        :raises RebalanceInProgressError: the client knows of a rebalance, and does not even ask.
        :raises CommitFailedError: the coordinator refused.
        :raises RuntimeError: called on the I/O thread (3.x), which would wait for itself.
        """
        if self._callbacks.is_io_thread:
            raise RuntimeError("Cannot block on net.run() from the IO thread")
        self._client.call_back()
        try:
            self._client.wait_for_turn()
            self._client.poll()
            self._cluster.on_call("commit", "before")
            self._clock.sleep(COMMIT_TIME)
            self._begin_commit(offsets)()
            self._cluster.on_call("commit", "after")
        except KafkaError as error:
            self._refused(error)
            raise

    def commit_offsets_async(self, offsets: Offsets, callback: Callback | None = None) -> CommitFuture:
        """Commit without waiting; the future fails with the errors of `commit_offsets_sync`."""
        self._client.call_back()
        commit = self._begin_commit(offsets)

        def store() -> None:
            self._cluster.on_call("commit_async", "before")
            try:
                commit()
            except KafkaError as error:
                self._refused(error)
                raise
            self._cluster.on_call("commit_async", "after")

        return self._client.send(store, offsets, callback)

    def _begin_commit(self, offsets: Offsets) -> Callable[[], None]:
        """Return a function that commits as the member of the generation that holds now, whenever it is called."""
        member = (self._name, self.generation) if self._subscription.is_by_group else None
        is_rejoining = self.rejoining

        def commit() -> None:
            if is_rejoining:
                raise RebalanceInProgressError
            self._cluster.commit(self._group_id, member, offsets)

        return commit

    def fetch_committed_offsets(
        self, partitions: Iterable[TopicPartition], timeout_ms: float | None = None
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        """The group's commits for *partitions*; *timeout_ms* is accepted and never passes.

        The answer to a question whose time was over is the answer to the next one for the same partitions, in 2.x and
        3.x: it was kept.
        """
        asked = frozenset(partitions)
        if (late := self._offset_fetch_futures.pop(asked, None)) is not None:
            return dict(late.value)
        try:
            self._cluster.on_call("committed", "before")
            self._require_stable(asked)
        except KafkaTimeoutError:
            self._offset_fetch_futures[asked] = Future().success(self._commits(asked))
            raise
        return self._commits(asked)

    def _require_stable(self, partitions: Iterable[TopicPartition]) -> None:
        is_strict = self._keeps_state and self.config["isolation_level"] == "read_committed"
        if is_strict and any(self._cluster.is_unstable(self._group_id, partition) for partition in partitions):
            raise KafkaTimeoutError("the committed offset waits for a transaction")

    def _commits(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, OffsetAndMetadata]:
        found = {partition: self._cluster.committed(self._group_id, partition) for partition in partitions}
        return {partition: commit for partition, commit in found.items() if commit is not None}

    @staticmethod
    def coordinator_unknown() -> bool:
        """Tell whether the coordinator has to be looked for: never."""
        return False

    def _refused(self, error: Exception) -> None:
        """Forget the membership, as the client does when a commit was refused for good; it will join anew."""
        if isinstance(error, LOST) and not is_rebalancing(error):
            self.generation = NOBODY


def is_rebalancing(error: Exception) -> bool:
    """Tell whether a call failed for a rebalance only, which may be wrapped into a CommitFailedError."""
    return any(isinstance(cause, RebalanceInProgressError) for cause in (error, *error.args))
