"""How a record of a delayed topic looks to deserialisers and handlers: as it did where it was first read.

Everything else keeps the record as Kafka delivered it: offsets, commits, and ``context.raw`` of plugins.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

See = Callable[[Any], Any]


# see docs/decisions/0025-retry-topics-same-consumer.md
class Originals:
    """Makes of a raw record the one that is handed over.

    :param topics: the delayed topics.
    :param original: makes a record of them the one it was first; ``None`` = they are handed over as they are.
    """

    def __init__(self, topics: Collection[str] = (), original: See | None = None) -> None:
        self._topics = topics
        self._original = original

    def see(self, record: Any) -> Any:
        """Return the raw record that stands for *record*."""
        return self._original(record) if self._original is not None and record.topic in self._topics else record

    def before(self, deserialize: See | None) -> See | None:
        """Put this before *deserialize*: the result makes a new record each time; ``None`` if there is nothing to do.

        By that it is told whether a record got as far as its handler.
        """
        if self._original is None:
            return deserialize
        if deserialize is None:
            return lambda record: self.see(record)._replace()
        return lambda record: deserialize(self.see(record))
