"""The real behaviour of kafka-python, and the only file that knows 2.x from 3.x.

Pinned semantics, measured against both (see docs/explanation/living-with-kafka-python.md):

1. Rebalance callbacks run inside ``poll()`` of the loop in both: 2.x calls them on the loop's thread, 3.x on its I/O
   thread while ``poll()`` waits for it. So nothing is fetched while one runs.
2. A blocking callback is harmless in 2.x (heartbeats have their own thread). In 3.x it would stop the heartbeats, so
   the listener is a coroutine that waits for a helper thread.
3. A partition that an eager rebalance gives back keeps its position in 3.x and loses it in 2.x. If records of it were
   dropped, a seek back is needed when the position is still there.
4. Deserialisers run inside ``poll()``, and one that raises stops the consumer for good. They are swapped for ones that
   pass bytes through, and run by the worker.
5. Auto-commit would commit records that are still being processed. It is switched off. So is everything else that the
   program may do to its consumer and that would lose records: see ``guarded_class.py``.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kafka_parallel._logs import area_logger
from kafka_parallel._runtime.client import decoding, fetcher_patch, fetching_while_joining
from kafka_parallel._runtime.client.async_commits import send_commit
from kafka_parallel._runtime.client.client_errors import FENCED
from kafka_parallel._runtime.client.client_partitions import ClientPartitions
from kafka_parallel._runtime.client.connections import Connections
from kafka_parallel._runtime.client.consumer_checks import is_overridden, require_consumer, require_signatures
from kafka_parallel._runtime.client.coordinator import end_heartbeats, finish_joining, is_joining
from kafka_parallel._runtime.client.extra_topics import ExtraTopics
from kafka_parallel._runtime.client.fencing import is_fenced
from kafka_parallel._runtime.client.fetch_waits import FetchWaits
from kafka_parallel._runtime.client.forks import ParentsConsumer, require_own_process
from kafka_parallel._runtime.client.joint_commits import JointCommits
from kafka_parallel._runtime.client.lazy_deserializers import LazyDeserializers
from kafka_parallel._runtime.client.membership import Membership
from kafka_parallel._runtime.client.polled_records import BYTES_ERRORS, UsersPoll, records_of
from kafka_parallel._runtime.client.prefetched import free_parking
from kafka_parallel._runtime.client.rebalance_listener import Act, StartThread, chained_listener
from kafka_parallel._runtime.client.reconnects import shorten_backoff
from kafka_parallel._runtime.client.slices import Slices
from kafka_parallel._runtime.client.takeover import Finished, Takeover, require_free
from kafka_parallel._runtime.client.unreadable import Reading, StandingPartitions, Unreadable
from kafka_parallel.errors import ConfigurationError, MemberFenced, PluginError, StateError

if TYPE_CHECKING:
    import re

    from kafka import OffsetAndMetadata, TopicPartition
    from kafka.consumer.fetcher import ConsumerRecord

    from kafka_parallel._runtime.client.pauses import Pauses
    from kafka_parallel.decoders import Decoder

log = area_logger("poll")


class Client:  # see docs/decisions/0045-whole-consumer-guarded.md, docs/decisions/0063-deserialise-in-the-worker.md
    """One ``KafkaConsumer``, taken over.

    :param consumer: the user's consumer; it is changed by `take_over`, and given back by `undo_takeover` or `close`.
    :ivar membership: of its group, from `listen` on.
    :ivar joint_commits: asks for the commits of several partitions at once.
    :ivar partitions: what any thread may know of its partitions.
    :ivar failure: the error of the user's deserialiser or a plugin's decoder in ``poll()``: never call that again.
    :raises ConfigurationError: it is no consumer, its methods do not accept a run's arguments, or it is closed.
    """

    def __init__(self, consumer: Any) -> None:
        require_consumer(consumer)
        require_signatures(consumer)
        self._consumer = consumer
        self._coordinator, self._fetcher = consumer._coordinator, consumer._fetcher  # noqa: SLF001
        self._subscription = consumer._subscription  # noqa: SLF001
        self._configs: tuple[Any, Any] = consumer.config, getattr(self._coordinator, "config", None)
        self._built_in = os.getpid()
        self._takeover: Takeover | None = None
        self.membership: Membership | None = None
        self._extra_topics = ExtraTopics(consumer)
        self._deserializers = LazyDeserializers(self._fetcher)
        self._reading = Reading()
        self._standing = StandingPartitions(self.group_id)
        self._slices = Slices()
        self._fetch_waits = FetchWaits(self._fetcher)
        kind = type(consumer).__qualname__
        self.partitions, self.connections = ClientPartitions(consumer), Connections(consumer)
        self.joint_commits = JointCommits(consumer)
        is_users = is_overridden(consumer, "poll")
        self._users_poll = UsersPoll(kind, lambda: self.partitions.states) if is_users else None
        self._is_polling = False
        self.failure: Exception | None = None
        self.require_open()

    def require_open(self) -> None:
        """Refuse a consumer that is closed, of another process, or run by another ParallelConsumer."""
        require_own_process(self._consumer, self._built_in)
        if getattr(self._consumer, "_closed", False):
            raise ConfigurationError("the KafkaConsumer is closed: build a new one and pass it")
        require_free(self._consumer)

    @property
    def _own(self) -> Any:
        """The consumer's own methods, which mean something else to the user during a run."""
        return self._consumer if self._takeover is None else self._takeover.own

    # Configuration

    @property
    def config(self) -> Mapping[str, Any]:
        """The consumer's configuration, read-only. It may hold passwords."""
        return MappingProxyType(self._consumer.config)

    @property
    def group_id(self) -> str | None:
        """The consumer group, or ``None``."""
        group_id: str | None = self._consumer.config.get("group_id")
        return group_id

    @property
    def topics(self) -> frozenset[str]:
        """Topics subscribed to, or of the partitions assigned by the user."""
        if self.pattern is not None:
            return frozenset()
        subscribed = self._consumer.subscription() or ()
        return frozenset(subscribed) or frozenset(partition.topic for partition in self.assignment())

    @property
    def pattern(self) -> re.Pattern[str] | None:
        """The subscribed pattern, or ``None``."""
        found: re.Pattern[str] | None = getattr(self._subscription, "subscribed_pattern", None)
        return found

    @property
    def is_subscribed(self) -> bool:
        """True if the consumer reads anything at all."""
        return bool(self.pattern or self._consumer.subscription() or self.assignment())

    @property
    def has_group_assignment(self) -> bool:
        """True if partitions come by rebalances, which call the listener; otherwise `assignment` has to be watched."""
        return self.group_id is not None and bool(self.pattern or self._consumer.subscription())

    @property
    def is_joining(self) -> bool:
        """True from the begin of a join to its answer: `assignment` shows partitions that were given up for it."""
        return is_joining(self._coordinator)

    # Taking over

    def prepare(self, *, lazy: bool) -> None:
        """Find out the parts there are to take over, and change nothing.

        :param lazy: whether the deserialisers shall leave ``poll()``.
        :raises ConfigurationError: auto-commit cannot be switched off, or a deserialiser cannot be called.
        """
        if not all(isinstance(config, dict) for config in self._configs):
            raise ConfigurationError(
                "auto-commit of this KafkaConsumer cannot be switched off, and it would commit records that are still "
                "being processed: build it with enable_auto_commit=False"
            )
        self._deserializers.look_up(lazy=lazy)

    def read_also(self, topics: Collection[str]) -> None:
        """Subscribe to *topics* too when it is taken over.

        :raises ConfigurationError: the consumer has a pattern, or partitions assigned by hand.
        """
        self._extra_topics.choose(topics)

    def take_over(self, finished: Finished, ask: Callable[[], None], stop: Callable[[float | None], None]) -> None:
        """Take the consumer over until `close` or `undo_takeover`: guard it, and switch off record-losing features.

        :param finished: the offsets that are safe to commit now.
        :param ask: asks the run to commit it, for a ``commit()`` of the user.
        :param stop: asks the run to stop, for a ``close()`` of the user.
        :raises StateError: another ParallelConsumer runs this consumer.
        :raises ConfigurationError: its class cannot be guarded.
        """
        self._takeover = takeover = Takeover(self._consumer, self.partitions.user_seeks, finished, ask, stop)
        if self._users_poll is not None:
            takeover.jumped = self._users_poll.sought
        for config in self._configs:
            takeover.changes.put(config, "enable_auto_commit", value=False)
        shorten_backoff(self._consumer, takeover.changes)
        self._fetch_waits.put(takeover.changes)
        if self._deserializers.are_lazy:
            self._deserializers.take_out(takeover.changes)
        takeover.changes.note(lambda: fetcher_patch.remove(self._fetcher))
        self._reading.put(self._fetcher)
        if problem := self._slices.put(self._fetcher):
            log.info("handlers may wait while a poll is decoded, about 3 ms per 500 records: %s", problem)
        self._extra_topics.subscribe(takeover)

    @property
    def is_taken_over(self) -> bool:
        """True from `take_over` on."""
        return self._takeover is not None

    @property
    def _taken(self) -> Takeover:
        if self._takeover is None:
            raise StateError("the consumer is not taken over: call take_over() first")
        return self._takeover

    @property
    def _pauses(self) -> Pauses:
        return self._taken.pauses

    def undo_takeover(self) -> None:
        """Leave the consumer as it was, open."""
        if self._takeover is not None:
            self._takeover.undo()

    def decode_with(self, decoder: Decoder, name: str) -> str:
        """Let *decoder*, in logs *name*, decode within ``poll()`` until `close`, or change nothing and return why."""
        if not self.has_raw_bytes:
            return "lazy_deserialization=False leaves the deserialisers in poll(), together with the client's decoder"
        return decoding.put(decoder, self._fetcher, name)

    @property
    def has_raw_bytes(self) -> bool:
        """True if ``poll()`` hands out bytes."""
        return self._deserializers.leave_bytes

    @property
    def deserializers(self) -> Mapping[str, Any]:
        """Those that were taken out of ``poll()``, by the name of their option."""
        return self._deserializers.by_option

    @property
    def deserialize(self) -> Callable[[ConsumerRecord], ConsumerRecord] | None:
        """Turns a raw record into the one the user expects; ``None`` if they are the same."""
        return self._deserializers.by_record

    def listen(
        self, start_thread: StartThread, assigned: Act, revoked: Act, lost: Act, joined_anew: Callable[[], None]
    ) -> None:
        """Call *assigned*, *revoked* and *lost* on rebalances, before the user's own listener.

        :param start_thread: runs a function on a thread of its own, for clients whose own thread may not wait.
        :param joined_anew: called when the client was removed and has joined anew, perhaps without any of these.
        """
        users = getattr(self._subscription, "rebalance_listener", None)
        membership = self.membership = Membership(self._coordinator, joined_anew)
        acts = membership.before(assigned), membership.before(revoked)
        listener = chained_listener(self._consumer, users, start_thread, *acts, lost)
        self._taken.changes.put(vars(self._subscription), "rebalance_listener", value=listener)
        fetching_while_joining.put(self._coordinator, membership, self._taken.changes)

    # Acts

    def poll(
        self, timeout: float, max_records: int, *, in_slices: bool = False
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Fetch at most *max_records* records; wait up to *timeout* seconds for the first.

        :param in_slices: whether handlers are to have the interpreter between a few records and the next few.
        """
        self._slices.are_wanted = in_slices
        self._fetch_waits.choose()
        free_parking(self._fetcher)
        finish_joining(self._coordinator)
        if self._users_poll is not None:
            self._users_poll.note_positions()
        try:
            self._is_polling = True
            found: dict[TopicPartition, list[ConsumerRecord]] = self._own.poll(
                timeout_ms=math.ceil(timeout * 1000), max_records=max_records
            )
        except FENCED as error:
            raise self._fenced() from error
        except BYTES_ERRORS as error:
            if self._users_poll is not None and self.deserialize is not None:
                raise self._users_poll.refusal_of_bytes(error) from error
            raise
        finally:
            self._is_polling = False
            if self.membership is not None:
                self.membership.notice_changes()
        found = records_of(found, type(self._consumer).__qualname__)
        for unreadable in self._reading.taken_out():
            self._stand(unreadable)
        self._require_membership()
        return found if self._users_poll is None else self._users_poll.arranged(found)

    def _require_membership(self) -> None:
        """Refuse to go on as a static member whose successor runs: 3.x does not say so, and delivers on."""
        if self._instance_id is not None and is_fenced(self._coordinator):
            raise self._fenced()

    @property
    def _instance_id(self) -> str | None:
        found: str | None = self._consumer.config.get("group_instance_id")
        return found

    def _fenced(self) -> MemberFenced:
        return MemberFenced(self.group_id, self._instance_id)

    def _stand(self, found: Unreadable) -> None:
        """Let only the partition of an unreadable record stand still; end the run by an error of other code."""
        if self._deserializers.are_lazy and not isinstance(found.error, PluginError):
            self._standing.stand(found, self._pauses)
        else:
            self.failure = self.failure or found.error

    @property
    def has_moved_nothing(self) -> bool:
        """True for a callback in the client's own ``poll()``; one of the user's may call that more than once."""
        return self._is_polling and self._users_poll is None

    @property
    def unreadable(self) -> dict[TopicPartition, Unreadable]:
        """The partitions that stand still, each at a record that cannot be read; from any thread."""
        return {} if self._takeover is None else self._standing.standing(self._pauses)

    def commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata], timeout: float) -> None:
        """Commit and wait for the answer, *timeout* seconds at most."""
        try:
            self._own.commit(dict(offsets), timeout_ms=timeout * 1000)
        except FENCED as error:
            raise self._fenced() from error

    def commit_async(
        self, offsets: Mapping[TopicPartition, OffsetAndMetadata], answered: Callable[[BaseException | None], None]
    ) -> None:
        """Commit without waiting for the answer.

        :param answered: called with ``None`` or the error, on any thread and perhaps twice; never if no answer comes.
        """

        def told(error: BaseException | None) -> None:
            answered(self._fenced() if isinstance(error, FENCED) else error)

        send_commit(self._own, self._coordinator, offsets, told)

    def take_answers_in(self) -> None:
        """Let the client read its answers, while ``poll()`` cannot: 3.x has a thread that does."""
        if not hasattr(self._consumer, "_net"):
            self._consumer._client.poll(timeout_ms=0)  # noqa: SLF001 - what its own commit() waits with

    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions the client has now."""
        return frozenset(self._consumer.assignment() or ())

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """Pause those of *partitions* that are assigned, whatever the user resumes."""
        self._pauses.pause(partitions)

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """End the effect of `pause` on *partitions*, perhaps none, after a change of pauses; the user's stay paused."""
        self._fetch_waits.pauses_changed()
        self._pauses.resume(partitions)

    def positions(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """The client's positions in those of *partitions* of which it knows; from any thread."""
        return self.partitions.positions(partitions)

    def committed(self, partition: TopicPartition, timeout: float, **metadata: bool) -> Any:
        """The offset that the group has committed for *partition*, or offset and *metadata*; ``None`` without one."""
        return self._consumer.committed(partition, **metadata, timeout_ms=timeout * 1000)

    def seek_to_beginning(self, partition: TopicPartition) -> None:
        """Fetch *partition* from its first record on."""
        self._own.seek_to_beginning(partition)
        self._taken.sought(partition)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Fetch *partition* from *offset* on."""
        self._own.seek(partition, offset)
        self._taken.sought(partition)  # its unreadable record is met again, after those that have to be fetched again

    def fetch_again(self, partition: TopicPartition, offset: int) -> None:
        """Fetch records again that a poll handed out, from *offset* on; unless the program has jumped back meanwhile,
        or to an end of the log that is not known yet."""
        position = self.positions([partition]).get(partition)
        if position is not None and position >= offset:
            self.seek(partition, offset)

    def leave_to_parent(self) -> None:
        """Let nothing use the connections of the parent in a process that was forked from it."""
        if self._takeover is not None:
            self._takeover.own = ParentsConsumer()

    def close(self, timeout: float) -> None:
        """Leave the group, close the connections, and give the consumer back as far as it can still be used.

        A consumer that was not taken over yet is none of our business, and stays open. A second call does nothing.
        """
        if (takeover := self._takeover) is None:
            return
        try:
            if not getattr(self._consumer, "_closed", False):
                end_heartbeats(self._coordinator, timeout)
                takeover.close(timeout * 1000)
        finally:
            takeover.undo()
