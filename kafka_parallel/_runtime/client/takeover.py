"""How a KafkaConsumer is taken over for the time of one run(), and given back as it was.

Every change to it is made here or noted here (`Changes`), together with the act that takes it back. So a start that is
refused leaves the consumer untouched, and a run that has ended leaves nothing of ours in it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from kafka import OffsetAndMetadata, TopicPartition

from kafka_parallel._runtime.client.changes import Changes
from kafka_parallel._runtime.client.detours import Detours
from kafka_parallel._runtime.client.guarded_class import GUARDED, guarded_class, is_guarded
from kafka_parallel._runtime.client.own_calls import OwnCalls
from kafka_parallel._runtime.client.pauses import Pauses
from kafka_parallel._runtime.client.refusals import refuse_change, refuse_closing, refuse_offsets
from kafka_parallel._runtime.client.user_seeks import UserSeeks
from kafka_parallel.errors import ConfigurationError, StateError

# All that is finished: per partition the offset to commit and its leader epoch.
Finished = Callable[[], Mapping[TopicPartition, tuple[int, int]]]

# Held while a class is exchanged: of two runs of one consumer at once, one is refused.
_exchange = threading.Lock()


# see docs/decisions/0045-whole-consumer-guarded.md
# see docs/decisions/0046-takeover-is-undone.md
class Takeover:
    """One consumer during one run.

    :param consumer: the user's consumer.
    :param user_seeks: notes the jumps of the user.
    :param finished: the offsets that are safe to commit now.
    :param ask: asks the run to commit it, for a ``commit()`` of the user.
    :param stop: asks the run to stop; the seconds that running records get, or ``None``.
    :ivar own: the consumer's own methods, by name, for the run to call.
    :ivar calls: tells the run's calls from all others.
    :ivar pauses: the pauses, ours and the user's.
    :ivar changes: the changes made; others may add to them.
    :ivar jumped: is called after each jump in a partition.
    :raises StateError: another ParallelConsumer runs this consumer.
    :raises ConfigurationError: it cannot be taken over.
    """

    def __init__(
        self,
        consumer: Any,
        user_seeks: UserSeeks,
        finished: Finished,
        ask: Callable[[], None],
        stop: Callable[[float | None], None],
    ) -> None:
        self.stop = stop
        self.jumped: Callable[[], None] = lambda: None
        self.changes = Changes()
        self._consumer = consumer
        self._user_seeks = user_seeks
        self._finished = finished
        self._ask = ask
        self.calls = OwnCalls()
        try:
            self._take()
        except BaseException:
            self.changes.undo()  # if this constructor raises, the caller has no Takeover to undo
            raise

    def _take(self) -> None:
        consumer = self._consumer
        with _exchange:
            require_free(consumer)
            found = {name: getattr(consumer, name) for name in GUARDED if hasattr(consumer, name)}
            self.own: Any = SimpleNamespace(**{name: self.calls.ours(name, method) for name, method in found.items()})
            states = getattr(consumer, "_subscription", None)
            self.pauses = Pauses(self.own, lambda: getattr(states, "assignment", {}))
            self._guard(consumer)
            Detours(self, self.calls).close(consumer, self.changes)
        self.pauses.take_over()
        self.changes.note(self.pauses.drop_ours)

    def _guard(self, consumer: Any) -> None:
        """Give *consumer* a class that refuses, forwards and keeps apart."""
        base, attributes = type(consumer), vars(consumer)
        try:
            object.__setattr__(consumer, "__class__", guarded_class(base, self))  # whatever the user's __setattr__ does
        except Exception as error:
            raise ConfigurationError(
                f"the class {base.__qualname__} of this consumer cannot be guarded while it runs ({error!r}): a run "
                "makes a subclass of the same name; let __init_subclass__() and the metaclass allow that, or pass a "
                "plain KafkaConsumer"
            ) from error
        self.changes.note(lambda: object.__setattr__(consumer, "__class__", base))
        hidden = {name: attributes.pop(name) for name in GUARDED if name in attributes}  # they would hide the guard
        self.changes.note(lambda: attributes.update(hidden))

    def finished(self) -> dict[TopicPartition, OffsetAndMetadata]:
        """The offsets that are safe to commit now."""
        return metadata_of(self._finished())

    def ask(self) -> None:
        """Ask the run to commit the finished offsets."""
        self._ask()

    def ask_for_commit(self, offsets: Any, method: str) -> dict[TopicPartition, OffsetAndMetadata]:
        """Have finished records committed; return their offsets of now.

        :raises StateError: for *offsets* of the user's own.
        """
        if offsets is not None:
            refuse_offsets(method, offsets)
        if self._consumer.config.get("group_id") is None:
            getattr(self.own, method)()  # raises, as on the bare client
        finished = self.finished()
        self.ask()
        return finished

    def change(self, method: str, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Change the subscription, if the consumer's own ``close()`` does so.

        :raises StateError: it is not.
        """
        if not self.calls.are_ours("close"):
            refuse_change(method)
        return getattr(self.own, method)(*arguments, **options)

    def jump(self, method: str, partitions: tuple[TopicPartition, ...], *target: int) -> Any:
        """Jump in *partitions* (all without any) by that *method* of the consumer, for the user.

        Those that stand at a record that cannot be read go on.

        :param target: the offset, if the method has it.
        """
        act = getattr(self.own, method)
        changed = partitions or tuple(self._consumer.assignment())
        self._user_seeks.jump_begins(changed)
        result = act(*partitions, *target)
        self._user_seeks.jump_ends(changed, lambda partition: act(partition, *target))
        self.sought(*partitions)
        return result

    def sought(self, *partitions: TopicPartition) -> None:
        """Note a jump in *partitions* (all without any)."""
        self.pauses.mended(*partitions)
        self.jumped()

    def set_closed(self, value: bool) -> None:  # noqa: FBT001 - what an attribute is set to
        """Note that the consumer is closed, if it is the run that closes it; else ask the run to stop.

        :raises StateError: it is not: a ``close()`` that was bound before the run would close it under its feet.
        """
        if value and not self.calls.are_ours("close"):
            self.stop(None)
            refuse_closing()
        vars(self._consumer)["_closed"] = value

    def close(self, timeout_ms: float) -> None:
        """Close the consumer, whose methods may call each other meanwhile."""
        self.own.close(autocommit=False, timeout_ms=timeout_ms)

    def undo(self) -> None:
        """Take back all changes of the consumer; a second call does nothing."""
        self.changes.undo()


def require_free(consumer: Any) -> None:
    """Refuse a *consumer* that another ParallelConsumer runs.

    :raises StateError: one does.
    """
    if is_guarded(consumer):
        raise StateError("another ParallelConsumer runs this KafkaConsumer: build a KafkaConsumer for each")


def metadata_of(offsets: Mapping[TopicPartition, tuple[int, int]]) -> dict[TopicPartition, OffsetAndMetadata]:
    """Turn offsets and leader epochs into the argument of commit()."""
    return {partition: OffsetAndMetadata(offset, "", epoch) for partition, (offset, epoch) in offsets.items()}
