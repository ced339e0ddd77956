"""How a run reads more topics than the user has subscribed to, such as those that a plugin writes for a retry."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from kafka_parallel.errors import ConfigurationError

if TYPE_CHECKING:
    from kafka_parallel._runtime.client.takeover import Takeover


class ExtraTopics:  # see docs/decisions/0025-retry-topics-same-consumer.md
    """The topics that one consumer reads besides its own.

    :param consumer: the user's consumer.
    """

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self._topics: frozenset[str] = frozenset()

    def choose(self, topics: Collection[str]) -> None:
        """Let them be *topics*, from `subscribe` on.

        :raises ConfigurationError: the consumer has a pattern, or partitions assigned by hand.
        """
        has_pattern = getattr(self._subscription, "subscribed_pattern", None) is not None
        if has_pattern or not self._consumer.subscription():
            raise ConfigurationError(
                f"the consumer shall read {', '.join(sorted(topics))} too, which only works with topics subscribed to "
                "by name: subscribe to topics instead of a pattern or assigned partitions"
            )
        self._topics = frozenset(topics)

    def subscribe(self, takeover: Takeover) -> None:
        """Subscribe to the extra topics too, until *takeover* is undone."""
        if not self._topics:
            return
        subscribed = sorted(self._consumer.subscription())
        listener = self._subscription.rebalance_listener
        takeover.own.subscribe(sorted({*subscribed, *self._topics}), listener=listener)
        takeover.changes.note(lambda: self._subscribe_again(takeover, subscribed, listener))

    def _subscribe_again(self, takeover: Takeover, topics: list[str], listener: Any) -> None:
        if getattr(self._consumer, "_closed", False):  # subscribe() would ask the cluster
            self._subscription.change_subscription(topics)
        else:
            takeover.own.subscribe(topics, listener=listener)

    @property
    def _subscription(self) -> Any:
        return self._consumer._subscription  # noqa: SLF001
