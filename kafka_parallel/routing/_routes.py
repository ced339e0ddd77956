"""The routes of a router, in the order in which they were added: they tell which handler is for a record.

Rule 1: a topic that is named has the routes of that name alone; any other has those of the patterns that match it.
Rule 2: the first one whose conditions hold has the record.
Rule 3: two routes without conditions for one topic are a mistake: the second one would never be reached.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kafka_parallel._showing import shown
from kafka_parallel._suggestions import did_you_mean
from kafka_parallel.errors import ConfigurationError, NoRoute


@dataclass(frozen=True, slots=True)
class Route:
    """One handler, and the records that are for it.

    :ivar handler: a function of one record.
    :ivar decode: makes an object of the bytes of a value; ``None`` = they are handed over.
    :ivar headers: those that a record must have.
    :ivar when: returns true for its records; ``None`` = all of them.
    """

    handler: Callable[[Any], Any]
    decode: Callable[[bytes], Any] | None = None
    headers: Mapping[str, bytes] = field(default_factory=dict)
    when: Callable[[Any], Any] | None = None

    @property
    def is_conditional(self) -> bool:
        """True if records of its topic may be for others."""
        return bool(self.headers) or self.when is not None

    def is_for(self, record: Any) -> bool:
        """Tell whether *record* is for it."""
        if self.headers:
            found = set(record.headers or ())
            if not all(header in found for header in self.headers.items()):
                return False
        return self.when is None or bool(self.when(record))

    def prepared(self, record: Any) -> Any:
        """Return *record* as the handler gets it."""
        if self.decode is None or record.value is None:
            return record
        return record._replace(value=self.decode(record.value))


class Routes:
    """All routes of a router."""

    def __init__(self) -> None:
        self._by_name: dict[str, list[Route]] = {}
        self._by_pattern: dict[re.Pattern[str], list[Route]] = {}
        self._fallback: list[Route] = []
        self._has_fallback = False
        self._found: dict[str, Sequence[Route]] = {}

    def add_route(self, topic: object, route: Route) -> None:
        """Add *route* for *topic*, a name or a pattern.

        :raises ConfigurationError: it is neither, or nothing would ever come there.
        """
        if isinstance(topic, re.Pattern) and isinstance(topic.pattern, str):
            routes = self._by_pattern.setdefault(topic, [])
        elif isinstance(topic, str) and topic:
            routes = self._by_name.setdefault(topic, [])
        else:
            raise ConfigurationError(f"on({shown(topic)}, ...): give the name of a topic, or re.compile(...)")
        _require_reachable(shown(topic), routes)
        routes.append(route)
        self._found.clear()

    def set_fallback(self, route: Route | None) -> None:
        """Let *route* have all other records; ``None`` = they fail.

        :raises ConfigurationError: that was said before.
        """
        if self._has_fallback:
            raise ConfigurationError("otherwise() is called twice: leave one of the two out")
        self._has_fallback = True
        self._fallback = [] if route is None else [route]
        self._found.clear()

    def route_of(self, record: Any) -> Route:
        """Return the route of *record*.

        :raises NoRoute: there is none.
        :raises ConfigurationError: its topic has two that exclude each other.
        """
        routes = self._found.get(record.topic)
        if routes is None:
            routes = self._found[record.topic] = self._routes_of(record.topic)
        for route in routes:
            if not route.is_conditional or route.is_for(record):
                return route
        raise NoRoute(
            f"no handler of the router is for this record of topic {record.topic!r}: "
            f"{'the conditions of none hold' if routes else 'none is for its topic'}"
        )

    def _routes_of(self, topic: str) -> Sequence[Route]:
        """All routes of *topic*, the one for all other records at the end."""
        if topic in self._by_name:
            return (*self._by_name[topic], *self._fallback)
        found: list[Route] = []
        for pattern, routes in self._by_pattern.items():
            if pattern.fullmatch(topic):
                _require_reachable(f"{topic!r}, which {pattern.pattern!r} matches", found)
                found += routes
        return (*found, *self._fallback)

    def check_topics(self, topics: Collection[str], pattern: re.Pattern[str] | None) -> None:
        """Compare them with the *topics*, or the *pattern* of topics, that are read.

        :raises ConfigurationError: there are none, a topic has none or two that exclude each other, or one is for a
            topic that is not read.
        """
        if not self.names:
            raise ConfigurationError("the router has no handler: call on(topic, handler) before the run")
        for topic in sorted(topics):
            if not self._routes_of(topic) and not self._has_fallback:
                raise ConfigurationError(
                    f"no handler of the router is for topic {topic!r}, which the consumer reads: write "
                    f"on({topic!r}, handler), or otherwise('skip') or otherwise('fail') for all other topics"
                    f"{did_you_mean(topic, self._by_name)}"
                )
        for name in self._by_name:
            is_read = name in topics if pattern is None else bool(re.match(pattern, name))
            if not is_read:
                read = f"the pattern {pattern.pattern!r}" if pattern is not None else ", ".join(sorted(topics))
                raise ConfigurationError(
                    f"the router has a handler for topic {name!r}, which the consumer does not read (it reads {read}): "
                    f"subscribe to it, or leave the handler out{did_you_mean(name, topics)}"
                )

    @property
    def names(self) -> list[str]:
        """The topics and patterns, as they were written."""
        fallback = ["otherwise"] if self._fallback else []
        return [*map(repr, self._by_name), *(shown(pattern) for pattern in self._by_pattern), *fallback]

    @property
    def with_decoder(self) -> str | None:
        """The first topic or pattern that decodes values."""
        all_routes = [*self._by_name.items(), *self._by_pattern.items()]
        return next((shown(topic) for topic, routes in all_routes if any(route.decode for route in routes)), None)


def _require_reachable(topic: str, before: Sequence[Route]) -> None:
    if before and not before[-1].is_conditional:
        raise ConfigurationError(
            f"two handlers are for all records of topic {topic}: the second one would get none; give the first one "
            "conditions (headers= or when=), or leave one of the two out"
        )
