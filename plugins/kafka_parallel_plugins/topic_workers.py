"""How many workers a topic may have: at most so many of one topic, and some kept free for urgent ones.

The plugin only says the numbers, once. A record that waits for a place occupies no worker and holds its key back; the
records of other topics go on. Nothing is reordered within a key or a partition, and commit points are those of any run.

Urgent topics do not push others aside. Some workers are kept free of the others, so an urgent record finds one at once
as long as urgent records need no more; and the others always have the rest of the workers.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from kafka_parallel import hookimpl
from kafka_parallel.plugin_support import shown, wrong_setting

if TYPE_CHECKING:
    from kafka_parallel import Settings, Throttle

__all__ = ["TopicWorkers"]

NAME = "topic-workers"
BOUNDS = "{topic: number of records, at least 1}"
# Of so many workers one is kept free for urgent topics, unless ``reserved`` says how many are.
USUAL_SHARE = 4


# see docs/decisions/0096-places-of-topics.md
class TopicWorkers:
    """Bounds how many records of a topic are in flight.

    :param at_most: the name of a topic -> how many of its records may be in flight at once.
    :param urgent: the names of topics for which some workers are kept free.
    :param reserved: how many workers; ``None`` = a quarter of them, at least one.
    :raises ConfigurationError: a setting cannot work.
    """

    serves_one_run = True

    def __init__(
        self, *, at_most: Mapping[str, int] | None = None, urgent: Collection[str] = (), reserved: int | None = None
    ) -> None:
        self._at_most = _bounds({} if at_most is None else at_most)
        if isinstance(urgent, str) or not isinstance(urgent, Collection) or not all(map(_is_name, urgent)):
            raise wrong_setting(NAME, "urgent", urgent, "a list of names of topics")
        if not (self._at_most or urgent):
            raise wrong_setting(NAME, "at_most", at_most, "given, or urgent: neither bounds anything")
        if reserved is not None and not (urgent and _is_count(reserved)):
            raise wrong_setting(NAME, "reserved", reserved, "an integer of at least 1, beside urgent")
        self._urgent, self._reserved = frozenset(urgent), reserved

    @hookimpl
    def on_throttle(self, throttle: Throttle, settings: Settings) -> None:
        """Say the numbers.

        :raises ConfigurationError: a topic is not read, or no worker is left for the other topics.
        """
        self._require_read(settings)
        for topic, most in self._at_most.items():
            throttle.limit_topics(most, _with_retries({topic}, settings))
        if self._urgent:
            reserved = max(1, settings.workers // USUAL_SHARE) if self._reserved is None else self._reserved
            if reserved >= settings.workers:
                raise wrong_setting(
                    NAME, "reserved", reserved, f"less than workers={settings.workers}: other topics need one"
                )
            throttle.limit_other_topics(settings.workers - reserved, _with_retries(self._urgent, settings))

    def _require_read(self, settings: Settings) -> None:
        if settings.pattern is not None:  # topics that match may come later
            return
        for name, topics in (("at_most", self._at_most), ("urgent", self._urgent)):
            for topic in sorted(set(topics) - settings.topics):
                read = ", ".join(sorted(settings.topics))
                raise wrong_setting(NAME, name, topic, f"a topic that the consumer reads: {read}")


def _with_retries(topics: Collection[str], settings: Settings) -> frozenset[str]:
    """The topics together with those in which their records wait for a retry."""
    return frozenset(topics) | {waiting for waiting, source in settings.sources.items() if source in topics}


def _bounds(given: object) -> dict[str, int]:
    if not isinstance(given, Mapping):
        raise wrong_setting(NAME, "at_most", given, BOUNDS)
    for name, most in given.items():
        if not _is_name(name):
            raise wrong_setting(NAME, "at_most", given, f"{BOUNDS}; {shown(name)} is no topic")
        if not isinstance(most, int):  # not shown: a mapping in the wrong place may hold secrets
            raise wrong_setting(NAME, "at_most", given, f"{BOUNDS}; that of {name!r} is not a number")
        if not _is_count(most):
            raise wrong_setting(NAME, f"at_most[{name!r}]", most, "a number of records, at least 1")
    return dict(given)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
