"""Calls of a consumer that is run which go round its guarded class, and how they are noticed.

A method that was bound before the run, ``KafkaConsumer.poll(consumer)``, ``super().commit()`` in a method of the user's
class, an object around the consumer: none of them looks a method up on the consumer. A thread may even have been
waiting in ``poll()`` since before the run. All of them come to a few methods of the consumer's parts, which have the
same names in kafka-python 2.2.9 to 3.0.12. For the time of the run these are hidden by attributes of the instances that
let pass only calls from within a call of the run.

Reading is refused before anything is joined or handed out; fetched records stay for the run. A thread that has got past
that before the run began may be at the very records: it gets no more of them, and moves no position. A position that it
moved would say to the run that records below it were handed out, and they would be committed unhandled. So a record
that it returns all the same is handled by the run, too. A bare ``commit()`` has the same meaning as on the guarded
consumer, and comes with the offsets of finished records instead of the positions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from kafka.future import Future

from kafka_parallel._logs import area_logger
from kafka_parallel._runtime.client.refusals import refuse_change, refuse_offsets, refuse_reading

if TYPE_CHECKING:
    from kafka import OffsetAndMetadata, TopicPartition

    from kafka_parallel._runtime.client.changes import Changes
    from kafka_parallel._runtime.client.own_calls import OwnCalls

log = area_logger("poll")


class Finishing(Protocol):
    """The part of the run that a detour asks."""

    def finished(self) -> Mapping[TopicPartition, OffsetAndMetadata]:
        """The offsets that are safe to commit now."""

    def ask(self) -> None:
        """Ask the run to commit the finished offsets."""


class FinishedOffsets(dict["TopicPartition", "OffsetAndMetadata"]):
    """The offsets of a bare commit that is not the run's, in place of the positions."""


# see docs/decisions/0045-whole-consumer-guarded.md
class Detours:
    """Closes the detours around the guarded class of one consumer."""

    def __init__(self, run: Finishing, calls: OwnCalls) -> None:
        self._run = run
        self._calls = calls

    def close(self, consumer: Any, changes: Changes) -> None:
        """Close the detours until *changes* are taken back."""
        for part, wrap, names in (
            ("_fetcher", self._reading, ("fetched_records",)),
            ("_coordinator", self._reading, ("poll",)),
            ("_subscription", self._changing, ("subscribe", "unsubscribe")),
            ("_subscription", self._consumed, ("all_consumed_offsets",)),
            ("_subscription", self._fetchable, ("is_fetchable",)),
            ("_coordinator", self._commit, ("commit_offsets_sync",)),
            ("_coordinator", self._commit_async, ("commit_offsets_async",)),
        ):
            owner = vars(consumer)[part]
            for name in names:
                changes.put(vars(owner), name, value=wrap(name, getattr(owner, name)))
        if "_iterator" in vars(consumer):  # records that an iteration before the run has fetched and not returned yet
            changes.put(vars(consumer), "_iterator", value=None)
        for partition, state in dict(vars(consumer)["_subscription"].assignment).items():
            kind = type(state)
            state.__class__ = self._kept_in_place(kind, partition)
            changes.note(partial(setattr, state, "__class__", kind))

    def _kept_in_place(self, kind: Any, partition: TopicPartition) -> Any:
        """The class *kind* of a partition's state, with a position that only calls of the run move.

        States of later assignments need none: a thread that is past the detours since before the run began has no
        records of those.
        """
        calls = self._calls

        class KeptInPlace(kind):  # type: ignore[misc]
            @property
            def position(self) -> Any:
                return kind.position.__get__(self)

            @position.setter
            def position(self, position: Any) -> None:
                if calls.are_ours("read"):
                    kind.position.__set__(self, position)
                    return
                log.warning("%s[%d]: records from offset %s on were handed to a thread that was reading the consumer "
                            "when the run began; the run handles them as well", partition.topic, partition.partition,
                            self.position.offset)  # fmt: skip

        return KeptInPlace

    def _reading(self, _: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def read(*arguments: Any, **options: Any) -> Any:
            if not self._calls.are_ours("read"):
                refuse_reading("poll()")
            return method(*arguments, **options)

        return read

    def _fetchable(self, _: str, method: Callable[..., bool]) -> Callable[..., bool]:
        """The client asks it before an iteration returns a record, and before records of a partition are taken."""
        return lambda partition: self._calls.are_ours("read") and method(partition)

    def _changing(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def change(*arguments: Any, **options: Any) -> Any:
            if not self._calls.are_ours("change", "close"):
                refuse_change(name)
            return method(*arguments, **options)

        return change

    def _consumed(self, _: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def all_consumed_offsets() -> Any:
            return method() if self._calls.are_ours("commit") else FinishedOffsets(self._run.finished())

        return all_consumed_offsets

    def _commit(self, _: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def commit_offsets_sync(offsets: Any, timeout_ms: float | None = None) -> Any:
            if self._calls.are_ours("commit"):
                return method(offsets, timeout_ms=timeout_ms)
            self._ask(offsets, "commit")
            return None

        return commit_offsets_sync

    def _commit_async(self, _: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def commit_offsets_async(offsets: Any, callback: Any = None) -> Any:
            if self._calls.are_ours("commit"):
                return method(offsets, callback=callback)
            self._ask(offsets, "commit_async")
            if callback is not None:
                callback(dict(offsets), None)
            return Future().success(None)

        return commit_offsets_async

    def _ask(self, offsets: Any, method: str) -> None:
        if not isinstance(offsets, FinishedOffsets):
            refuse_offsets(method, offsets)
        self._run.ask()
