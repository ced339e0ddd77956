"""The consumer as it would be started, as plain data: nothing of it is connected."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from kafka import KafkaConsumer

from kafka_parallel._consumer import load_plugins
from kafka_parallel._options import Options
from kafka_parallel._plugins.manager import Plugins
from kafka_parallel._showing import described
from kafka_parallel.cli.preflight.findings import Finding, failure
from kafka_parallel.errors import KafkaParallelError, PluginError
from kafka_parallel.results import Producing
from kafka_parallel.topic_needs import TopicNeed
from kafka_parallel.values import Batch, Settings

__all__ = ()

OUTPUT, PLUGINS = "output", "plugins"


@dataclass(frozen=True, kw_only=True)
class Intended:
    """A consumer, its handler and its plugins.

    :ivar topics: those it would read, by their names.
    :ivar pattern: that of the topics that it would read; ``None`` = it reads *topics*.
    :ivar given: the settings of its ``KafkaConsumer`` that were given; secrets are in it.
    :ivar options: those of its `ParallelConsumer`.
    :ivar handler: the function; ``None`` = it could not be had.
    :ivar batch: how records are put together, or ``None``.
    :ivar plugins: the loaded plugins; ``None`` = they could not be loaded.
    :ivar needs: topics beside its own, each with the name of the plugin that needs it.
    """

    topics: Collection[str] = ()
    pattern: re.Pattern[str] | None = None
    given: Mapping[str, Any] = field(default_factory=dict, repr=False)
    options: Options = field(default_factory=Options)
    handler: Callable[[Any], Any] | None = None
    batch: Batch | None = None
    plugins: Plugins | None = None
    needs: Sequence[tuple[str, TopicNeed]] = ()

    @property
    def config(self) -> Mapping[str, Any]:
        """The settings of its ``KafkaConsumer``, with the defaults."""
        return {**KafkaConsumer.DEFAULT_CONFIG, **self.given}

    @property
    def group_id(self) -> str | None:
        """Its consumer group."""
        found: str | None = self.config["group_id"]
        return found

    @property
    def assignors(self) -> tuple[str, ...]:
        """The names of the assignors that it would offer to its group."""
        return tuple(str(getattr(found, "name", found)) for found in self.config["partition_assignment_strategy"])

    @property
    def settings(self) -> Settings:
        """The settings that plugins would get."""
        return Settings(
            workers=self.options.workers,
            group_id=self.group_id,
            topics=frozenset(self.topics),
            pattern=self.pattern,
            is_ordered=self.options.ordering != "unordered",
            handler_timeout_ms=self.options.handler_timeout_ms,
            batch=self.batch,
            has_raw_bytes=self.options.lazy_deserialization or not self._has_deserializers,
            consumer_config=MappingProxyType(dict(self.config)),
        )

    @property
    def _has_deserializers(self) -> bool:
        return any(self.config[f"{part}_deserializer"] is not None for part in ("key", "value"))

    def plugin(self, name: str) -> Any:
        """The loaded plugin *name*; ``None`` if there is none."""
        return None if self.plugins is None else dict(self.loaded()).get(name)

    def loaded(self) -> Sequence[tuple[str, object]]:
        """The loaded plugins, each with its name."""
        return () if self.plugins is None else self.plugins.objects()


def with_plugins(intended: Intended) -> tuple[Intended, list[Finding]]:
    """The *intended* consumer with its plugins and the topics that they need; errors are findings."""
    try:
        loaded = replace(intended, plugins=load_plugins(intended.options, os.environ))
    except KafkaParallelError as error:
        return intended, [failure(PLUGINS, str(error))]
    found, problem = with_needs(loaded)
    return found, [] if problem is None else [failure(PLUGINS, problem)]


def with_needs(intended: Intended) -> tuple[Intended, str | None]:
    """The *intended* consumer with the topics that its plugins need; and the reason why they are not known."""
    try:
        return replace(intended, needs=_needs(intended)), None
    except KafkaParallelError as error:
        return intended, str(error)


def _needs(intended: Intended) -> tuple[tuple[str, TopicNeed], ...]:
    """The topics that plugins and the handler need, each with the name of who needs it.

    :raises KafkaParallelError: a plugin fails to tell.
    """
    found: list[tuple[str, TopicNeed]] = []
    for name, plugin in intended.loaded():
        ask = getattr(plugin, "topic_needs", None)
        if not callable(ask):
            continue
        try:
            found += [(name, need) for need in ask(intended.settings)]
        except KafkaParallelError:
            raise
        except Exception as error:
            raise PluginError(f"plugin {name!r} failed in topic_needs: {described(error)}") from error
    handler = intended.handler
    if isinstance(handler, Producing) and handler.topic is not None:
        found.append((OUTPUT, TopicNeed(topic=handler.topic)))
    return tuple(found)
