"""The deserialisers that a run takes out of ``poll()``, which returns bytes meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kafka_parallel._runtime.client.deserializers import PassThrough, check_deserializer, deserialized_record
from kafka_parallel._runtime.client.prefetched import forget_parsed

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

    from kafka_parallel._runtime.client.changes import Changes

DESERIALIZERS = ("key_deserializer", "value_deserializer")


class LazyDeserializers:  # see docs/decisions/0063-deserialise-in-the-worker.md
    """The deserialisers of one consumer.

    :param fetcher: the consumer's, which looks them up in its configuration.
    :ivar are_lazy: whether a run takes them out of ``poll()``.
    """

    def __init__(self, fetcher: Any) -> None:
        self.are_lazy = True
        self._fetcher = fetcher
        self._taken_out: tuple[Any, Any] = (None, None)

    def look_up(self, *, lazy: bool) -> None:
        """Find the deserialisers, and change nothing.

        :param lazy: whether they shall leave ``poll()``.
        :raises ConfigurationError: one cannot be called.
        """
        self.are_lazy = lazy
        key, value = (self._config.get(name) for name in DESERIALIZERS)
        for name, deserializer in zip(DESERIALIZERS, (key, value), strict=True):
            check_deserializer(name, deserializer)
        if lazy:
            self._taken_out = (key, value)

    def take_out(self, changes: Changes) -> None:
        """Let ``poll()`` pass bytes through until *changes* are taken back."""
        for name, deserializer in self.by_option.items():
            if deserializer is not None:
                changes.put(self._config, name, value=PassThrough())
        if self.by_record is not None:
            forget_parsed(self._fetcher)

    @property
    def _config(self) -> dict[str, Any]:
        """The configuration in which ``poll()`` looks its deserialisers up."""
        found: dict[str, Any] = getattr(self._fetcher, "config", {})
        return found

    @property
    def leave_bytes(self) -> bool:
        """True if ``poll()`` hands out bytes."""
        return self.are_lazy or all(self._config.get(name) is None for name in DESERIALIZERS)

    @property
    def by_option(self) -> Mapping[str, Any]:
        """Those that are taken out of ``poll()``, by the name of their option."""
        return dict(zip(DESERIALIZERS, self._taken_out, strict=True))

    @property
    def by_record(self) -> Callable[[ConsumerRecord], ConsumerRecord] | None:
        """Turns a raw record into the one the user expects; ``None`` if they are the same."""
        return None if self._taken_out == (None, None) else self._deserialized

    def _deserialized(self, record: Any) -> Any:
        return deserialized_record(*self._taken_out, record)
