"""The calls that a program may still make of its KafkaConsumer while a ParallelConsumer runs it.

For the time of the run the consumer's class is `guarded_class`: a subclass of its own. Only so are ``for record in
consumer`` and ``next(consumer)`` reached, which Python looks up on the type.

Refused, each with the line to write: calls that would take records past the handler (``poll``, iteration), change the
subscription under the feet of the run (``subscribe``, ``unsubscribe``), or move committed offsets past unfinished
records or back behind finished ones (a commit with offsets: while a record's handler runs, not even this record may be
committed). Forwarded: ``close()`` asks the run to stop; ``commit()`` without offsets asks it to commit finished
records. Kept apart: the user's pauses from ours. All other methods are the client's own.

A ``commit()`` of another thread does not commit by itself: an older snapshot could reach the broker after a newer one
of the run's, and take the committed offset back. Nor does it wait for the run, which may wait for the very handler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from kafka import OffsetAndMetadata, TopicPartition
from kafka.future import Future

from kafka_parallel._runtime.client.refusals import refuse_reading

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import SimpleNamespace

    from kafka_parallel._runtime.client.own_calls import OwnCalls
    from kafka_parallel._runtime.client.pauses import Pauses

# The methods that mean something else during a run; the library calls those of the consumer's own class.
GUARDED = (
    "poll", "close", "subscribe", "unsubscribe", "commit", "commit_async", "pause", "resume", "paused", "seek",
    "seek_to_beginning", "seek_to_end",
)  # fmt: skip


class GuardedRun(Protocol):
    """The takeover of one consumer, as its guarded class sees it.

    :ivar own: the consumer's own methods, by name.
    :ivar calls: tells the run's calls from all others.
    :ivar pauses: the pauses, ours and the user's.
    :ivar stop: asks the run to stop; the seconds that running records get, or ``None``.
    """

    own: SimpleNamespace
    calls: OwnCalls
    pauses: Pauses
    stop: Callable[[float | None], None]

    def ask_for_commit(self, offsets: Any, method: str) -> dict[TopicPartition, OffsetAndMetadata]:
        """Have finished records committed; return their offsets of now."""

    def change(self, method: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Change the subscription, if the consumer's own ``close()`` does so."""

    def jump(self, method: str, partitions: tuple[TopicPartition, ...], *target: int) -> Any:
        """Jump in *partitions* (all without any) by that *method* of the consumer."""

    def set_closed(self, value: bool) -> None:  # noqa: FBT001 - what an attribute is set to
        """Note that the consumer is closed, if it is the run that closes it; else ask the run to stop."""


# see docs/decisions/0045-whole-consumer-guarded.md
class Guard:
    """The methods that the class of a guarded consumer has of its own."""

    _takeover: GuardedRun

    # Records

    def poll(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse."""
        refuse_reading("poll()")

    def __iter__(self) -> NoReturn:
        """Refuse."""
        refuse_reading("iteration")

    def __next__(self) -> NoReturn:
        """Refuse."""
        refuse_reading("iteration")

    # Reading

    def subscribe(self, *arguments: Any, **options: Any) -> Any:
        """Refuse."""
        return self._takeover.change("subscribe", arguments, options)

    def unsubscribe(self) -> Any:
        """Refuse."""
        return self._takeover.change("unsubscribe", (), {})

    def close(self, autocommit: bool = True, timeout_ms: float | None = None) -> None:  # noqa: ARG002, FBT001, FBT002
        """Ask the run to stop; wait for nothing: this may be its own thread, a handler's, or a signal handler.

        :param autocommit: means nothing here: finished records are committed, no others.
        :param timeout_ms: milliseconds that running records get, as for ``ParallelConsumer.stop``.
        """
        self._takeover.stop(None if timeout_ms is None else timeout_ms / 1000)

    @property
    def _closed(self) -> bool:
        """The flag that the client's own ``close()`` sets first, even one that was bound before the run."""
        return bool(vars(self).get("_closed"))

    @_closed.setter
    def _closed(self, value: bool) -> None:
        self._takeover.set_closed(value)

    # Commits

    # see docs/decisions/0009-bare-commit.md
    def commit(self, offsets: Any = None, timeout_ms: float | None = None) -> None:
        """Ask the run to commit finished records; wait for nothing.

        :raises StateError: for *offsets*.
        """
        if self._takeover.calls.are_ours("commit"):  # the user's commit_async() calls it
            self._takeover.own.commit(offsets, timeout_ms=timeout_ms)
        else:
            self._takeover.ask_for_commit(offsets, "commit")

    def commit_async(self, offsets: Any = None, callback: Any = None) -> Future:
        """Do the same.

        :param callback: called at once with the offsets finished by now, and no error: the run tries until it succeeds.
        :returns: a future that has succeeded, with the same meaning.
        :raises StateError: for *offsets*.
        """
        if self._takeover.calls.are_ours("commit"):  # the user's commit() calls it
            return self._takeover.own.commit_async(offsets, callback)
        finished = self._takeover.ask_for_commit(offsets, "commit_async")
        if callback is not None:
            callback(finished, None)
        return Future().success(None)

    # Pauses

    def pause(self, *partitions: TopicPartition) -> None:
        """Stop fetching until the user resumes, whatever back-pressure does."""
        self._takeover.pauses.pause_for_user(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        """Fetch again, as far as back-pressure lets."""
        self._takeover.pauses.resume_for_user(partitions)

    def paused(self) -> set[TopicPartition]:
        """The partitions that the user has paused."""
        return self._takeover.pauses.of_user()

    def seek(self, partition: TopicPartition, offset: int) -> Any:
        """Go on at *offset*, also behind a record that cannot be read."""
        return self._takeover.jump("seek", (partition,), offset)

    def seek_to_beginning(self, *partitions: TopicPartition) -> Any:
        """Go on at the first record there is."""
        return self._takeover.jump("seek_to_beginning", partitions)

    def seek_to_end(self, *partitions: TopicPartition) -> Any:
        """Go on at the next record that is written."""
        return self._takeover.jump("seek_to_end", partitions)


def guarded_class(base: type, takeover: GuardedRun) -> type:
    """Make the class that a consumer of class *base* has during a run.

    `Guard` is copied into it: with a second base class Python would not let the object change its class.

    :raises Exception: there can be none: whatever the user's ``__init_subclass__`` or metaclass raises.
    """
    guard = {name: found for name, found in vars(Guard).items() if callable(found) or isinstance(found, property)}
    namespace = {**guard, "__slots__": (), "__qualname__": base.__qualname__, "__doc__": base.__doc__}
    return type(base)(base.__name__, (base,), {**namespace, "__module__": base.__module__, "_takeover": takeover})


def is_guarded(consumer: object) -> bool:
    """Tell whether *consumer* is run by a ParallelConsumer now."""
    return hasattr(type(consumer), "_takeover")
