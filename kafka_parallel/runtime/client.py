"""What kafka-python really does, and the only file that knows 2.x from 3.x.

Pinned semantics, measured against both (see docs/explanation/design.md):

1. Rebalance callbacks run inside ``poll()`` of the loop in both: 2.x calls them on the loop's thread, 3.x on its I/O
   thread while ``poll()`` waits for it. So nothing is fetched while one runs.
2. A blocking callback is harmless in 2.x (heartbeats have their own thread). In 3.x it would stop the heartbeats, so
   the listener is a coroutine that waits for a helper thread.
3. A partition that an eager rebalance gives back keeps its position in 3.x and loses it in 2.x. Whoever dropped records
   of it must seek back if the position is still there.
4. Deserialisers run inside ``poll()``, and one that raises stops the consumer for good. They are swapped for ones that
   pass bytes through, and run by the worker.
5. Auto-commit would commit records that are still being processed. It is switched off, and a bare ``commit()`` of the
   user (in a rebalance listener, say) commits only what is finished.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from kafka import OffsetAndMetadata, TopicPartition
from kafka import errors as kafka_errors

from kafka_parallel.errors import ConfigurationError
from kafka_parallel.runtime import decoding, seam
from kafka_parallel.runtime.deserializers import PassThrough, deserialized_record
from kafka_parallel.runtime.listeners import Act, StartThread, chained_listener
from kafka_parallel.runtime.slices import Slices

if TYPE_CHECKING:
    import re

    from kafka.consumer.fetcher import ConsumerRecord

    from kafka_parallel.decoders import Decoder

log = logging.getLogger(__name__)

NEEDED = ("poll", "commit", "pause", "resume", "seek", "assignment", "subscription", "close", "config")
DESERIALIZERS = ("key_deserializer", "value_deserializer")
LOST = tuple(
    getattr(kafka_errors, name)
    for name in ("CommitFailedError", "IllegalGenerationError", "UnknownMemberIdError", "FencedInstanceIdError")
    if hasattr(kafka_errors, name)
)


class Client:
    """One ``KafkaConsumer``, taken over.

    :param consumer: the user's consumer; it must not be used by anyone else from now on.
    :raises ConfigurationError: if it is not a consumer, is closed, or cannot be taken over.
    """

    def __init__(self, consumer: Any) -> None:
        missing = [name for name in NEEDED if not hasattr(consumer, name)]
        if missing:
            raise ConfigurationError(
                f"{consumer!r} is not a kafka-python KafkaConsumer (it has no {', '.join(missing)}): pass one"
            )
        self._consumer = consumer
        self.require_open()
        self._commit = consumer.commit
        self._deserializers: tuple[Any, Any] = (None, None)
        self._paused: set[TopicPartition] = set()
        self._slices = Slices()

    def require_open(self) -> None:
        """Refuse a closed consumer."""
        if getattr(self._consumer, "_closed", False):
            raise ConfigurationError("the KafkaConsumer is closed: build a new one and pass it")

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
        """Whether the consumer reads anything at all."""
        return bool(self.pattern or self._consumer.subscription() or self.assignment())

    @property
    def has_group_assignment(self) -> bool:
        """Whether partitions come by rebalances, which call the listener; otherwise `assignment` has to be watched."""
        return self.group_id is not None and bool(self.pattern or self._consumer.subscription())

    @property
    def _subscription(self) -> Any:
        return getattr(self._consumer, "_subscription", None)

    # Taking over

    def take_over(self, finished: Callable[[], Mapping[TopicPartition, tuple[int, int]]], *, lazy: bool) -> None:
        """Switch off what would commit unfinished records, and take the deserialisers out of ``poll()``.

        :param finished: what is safe to commit now, for a bare ``commit()`` of the user.
        :param lazy: false leaves the deserialisers where they are.
        """
        self._switch_off_auto_commit()
        self._guard_commit(finished)
        if lazy:
            self._take_deserializers()
        if problem := self._slices.put(self._fetcher):
            log.info("handlers that wake up while a poll is decoded wait for all of it: %s", problem)

    def _switch_off_auto_commit(self) -> None:
        coordinator: Any = getattr(self._consumer, "_coordinator", None)
        configs = [self._consumer.config, getattr(coordinator, "config", None)]
        for config in configs:
            if isinstance(config, dict):
                config["enable_auto_commit"] = False
        if not all(isinstance(config, dict) and config.get("enable_auto_commit") is False for config in configs):
            raise ConfigurationError(
                "auto-commit of this KafkaConsumer cannot be switched off, and it would commit records that are still "
                "being processed: build it with enable_auto_commit=False"
            )

    def _guard_commit(self, finished: Callable[[], Mapping[TopicPartition, tuple[int, int]]]) -> None:
        """Make a commit without offsets mean "what is finished" instead of "what was polled"."""
        consumer, original_async = self._consumer, getattr(self._consumer, "commit_async", None)

        def commit(offsets: Any = None, timeout_ms: float | None = None) -> Any:
            chosen = metadata_of(finished()) if offsets is None else offsets
            return self._commit(chosen, timeout_ms) if chosen else None

        def commit_async(offsets: Any = None, callback: Any = None) -> Any:
            chosen = metadata_of(finished()) if offsets is None else offsets
            return original_async(chosen, callback) if original_async else None

        consumer.commit, consumer.commit_async = commit, commit_async

    def _take_deserializers(self) -> None:
        config = self._fetcher_config
        key, value = self._deserializers = (config.get(DESERIALIZERS[0]), config.get(DESERIALIZERS[1]))
        if key is None and value is None:
            return
        for name, deserializer in zip(DESERIALIZERS, (key, value), strict=True):
            if deserializer is not None:
                config[name] = PassThrough()
        for partition in self.assignment():  # what was parsed before the swap is fetched and parsed again
            if self.has_position(partition):
                self.seek(partition, self._consumer.position(partition))

    def decode_with(self, decoder: Decoder) -> str:
        """Let *decoder* decode inside of ``poll()`` until `close`, or change nothing and return why."""
        if not self.has_raw_bytes:
            return "lazy_deserialization=False leaves the deserialisers in poll(), together with the client's decoder"
        return decoding.put(decoder, self._fetcher)

    def read_also(self, topics: Collection[str]) -> None:
        """Subscribe to *topics* too.

        :raises ConfigurationError: the consumer has a pattern, or partitions assigned by hand.
        """
        if self.pattern is not None or not self._consumer.subscription():
            raise ConfigurationError(
                f"the consumer shall read {', '.join(sorted(topics))} too, which only works with topics subscribed to "
                "by name: subscribe to topics instead of a pattern or assigned partitions"
            )
        self._consumer.subscribe(sorted(self.topics.union(topics)), listener=self._subscription.rebalance_listener)

    @property
    def _fetcher_config(self) -> dict[str, Any]:
        """Where ``poll()`` looks its deserialisers up."""
        found: dict[str, Any] = getattr(self._fetcher, "config", {})
        return found

    @property
    def _fetcher(self) -> Any:
        return getattr(self._consumer, "_fetcher", None)

    @property
    def has_raw_bytes(self) -> bool:
        """Whether ``poll()`` hands out bytes."""
        return all(isinstance(self._fetcher_config.get(name), (PassThrough, type(None))) for name in DESERIALIZERS)

    @property
    def deserializers(self) -> Mapping[str, Any]:
        """Those that were taken out of ``poll()``, by the name of their option."""
        return dict(zip(DESERIALIZERS, self._deserializers, strict=True))

    @property
    def deserialize(self) -> Callable[[ConsumerRecord], ConsumerRecord] | None:
        """Turns a raw record into the one the user expects; ``None`` if they are the same."""
        return None if self._deserializers == (None, None) else self._deserialize

    def _deserialize(self, record: Any) -> Any:
        return deserialized_record(*self._deserializers, record)

    def listen(self, start_thread: StartThread, assigned: Act, revoked: Act, lost: Act) -> None:
        """Call *assigned*, *revoked* and *lost* on rebalances, before the user's own listener.

        :param start_thread: runs a function on a thread of its own, for clients whose own thread may not wait.
        """
        users = getattr(self._subscription, "rebalance_listener", None)
        self._subscription.rebalance_listener = chained_listener(
            self._consumer, users, start_thread, assigned, revoked, lost
        )

    # Acts

    def poll(
        self, timeout: float, max_records: int, *, in_slices: bool = False
    ) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Fetch at most *max_records* records; wait up to *timeout* seconds for the first.

        :param in_slices: whether handlers are to have the interpreter between a few records and the next few.
        """
        self._slices.are_wanted = in_slices
        self._free_parking()
        self._finish_joining()
        found: dict[TopicPartition, list[ConsumerRecord]] = self._consumer.poll(
            timeout_ms=math.ceil(timeout * 1000), max_records=max_records
        )
        return found

    def _finish_joining(self) -> None:
        """Make the client take up a join again that an earlier poll left half done.

        If new metadata asked for the join and the poll's time was over before its answer came, both 2.3.3 and 3.0.12
        consider the metadata dealt with and never look at the answer: the member stays without partitions for ever.
        """
        coordinator: Any = getattr(self._consumer, "_coordinator", None)
        if getattr(coordinator, "rejoining", False) and not coordinator.rejoin_needed:
            coordinator.request_rejoin()

    def _free_parking(self) -> None:
        """Let 3.x take up records again that it parked for a paused partition.

        It does so only while its slot for the current batch is ``None``, but a batch that was read to its end stays in
        the slot: in 3.0.12 a resumed partition could wait for ever. The slot is only touched by ``poll()``'s caller.
        """
        fetcher = self._fetcher
        if getattr(fetcher, "_paused_partition_records", None) and not fetcher._next_partition_records:  # noqa: SLF001
            fetcher._next_partition_records = None  # noqa: SLF001

    def commit(self, offsets: Mapping[TopicPartition, OffsetAndMetadata], timeout: float) -> None:
        """Commit and wait for the answer, *timeout* seconds at most."""
        self._commit(dict(offsets), timeout_ms=timeout * 1000)

    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions the client has now."""
        return frozenset(self._consumer.assignment() or ())

    def pause(self, partitions: Collection[TopicPartition]) -> None:
        """Pause those of *partitions* that are assigned and not paused by the user."""
        paused = frozenset(partitions) & self.assignment() - frozenset(self._consumer.paused())
        if paused:
            self._consumer.pause(*paused)
            self._paused |= paused

    def resume(self, partitions: Collection[TopicPartition]) -> None:
        """Resume those of *partitions* that `pause` paused, never one that the user did."""
        resumed = self._paused.intersection(partitions)
        self._paused -= resumed
        if resumed & self.assignment():
            self._consumer.resume(*(resumed & self.assignment()))

    def has_position(self, partition: TopicPartition) -> bool:
        """Whether the client still knows where it was in *partition*."""
        state = getattr(self._subscription, "assignment", {}).get(partition)
        return bool(getattr(state, "has_valid_position", False))

    def position(self, partition: TopicPartition) -> int:
        """The offset of the next record to be fetched, where `has_position` says that it is known."""
        offset: int = self._consumer.position(partition)
        return offset

    def committed(self, partition: TopicPartition, timeout: float) -> int | None:
        """What the group has committed for *partition*; ``None`` if nothing."""
        found: int | None = self._consumer.committed(partition, timeout_ms=timeout * 1000)
        return found

    def seek_to_beginning(self, partition: TopicPartition) -> None:
        """Fetch *partition* from its first record on."""
        self._consumer.seek_to_beginning(partition)

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Fetch *partition* from *offset* on."""
        self._consumer.seek(partition, offset)

    def close(self, timeout: float) -> None:
        """Leave the group and close the connections."""
        seam.take_back(self._fetcher)
        self._end_heartbeats(timeout)
        self._consumer.close(autocommit=False, timeout_ms=timeout * 1000)

    def _end_heartbeats(self, timeout: float) -> None:
        """Wait for the end of 2.x's heartbeat thread.

        Before 2.3, close() waits for it with the lock in its hands that the thread needs to end. So it would end later:
        where the interpreter was faster and killed it together with that lock, the consumer's ``__del__`` would wait
        for the lock for ever.
        """
        coordinator: Any = getattr(self._consumer, "_coordinator", None)
        heartbeats = getattr(coordinator, "_heartbeat_thread", None)
        if heartbeats is not None:
            heartbeats.close(timeout_ms=timeout * 1000)


def metadata_of(offsets: Mapping[TopicPartition, tuple[int, int]]) -> dict[TopicPartition, OffsetAndMetadata]:
    """Turn offsets and leader epochs into what commit() takes."""
    return {partition: OffsetAndMetadata(offset, "", epoch) for partition, (offset, epoch) in offsets.items()}


def is_lost(error: BaseException) -> bool:
    """Whether *error* says that the member was thrown out or is out of date: its partitions are not ours any more."""
    return isinstance(error, LOST) and not _is_rebalancing(error)


def is_retriable(error: BaseException) -> bool:
    """Whether the same call may succeed later."""
    return _is_rebalancing(error) or bool(getattr(error, "retriable", False))


def _is_rebalancing(error: BaseException) -> bool:
    """Whether the group is being rebalanced; kafka-python wraps the broker's word for it into CommitFailedError."""
    causes = (error, *error.args)
    return any(isinstance(cause, kafka_errors.RebalanceInProgressError) for cause in causes)
