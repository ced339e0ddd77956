"""The whole configuration as one value: what the commands are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ()


@dataclass(frozen=True, slots=True)
class PluginConfig:
    """A plugin that was asked for.

    :ivar name: as it is installed.
    :ivar settings: its own; secrets are in it, so ``repr`` does not show it.
    :ivar place: where it was asked for, for messages.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """The settings of a consumer that the command runs, with those that were given and no defaults.

    :ivar handler: the handler or the factory, ``"module:name"``; ``None`` = none was given.
    :ivar topics: the topics to read.
    :ivar consumer: by kafka-python's names. Objects are still ``"module:name"``. Secrets are in it, so ``repr`` does
        not show it.
    :ivar parallel: by the names of `ParallelConsumer`'s options; all but the plugins. A function is ``"module:name"``.
    :ivar batch: by the names of `Batch`'s fields; ``None`` = the handler takes single records.
    :ivar plugins: in the order in which they were asked for.
    :ivar blocked: names of plugins that shall not be used.
    :ivar log_format: ``"text"`` or ``"json"``.
    :ivar places: where each setting was given, for messages: ``"consumer.group_id"`` -> ``"[consumer] of x.toml"``.
    :ivar file: the path of the file that was read; ``None`` = none was.
    :ivar unread: the path of a file that lies in the current folder and was not read, because another was named.
    """

    handler: str | None = None
    topics: tuple[str, ...] = ()
    consumer: Mapping[str, Any] = field(default_factory=dict, repr=False)
    parallel: Mapping[str, Any] = field(default_factory=dict)
    batch: Mapping[str, Any] | None = None
    plugins: tuple[PluginConfig, ...] = ()
    blocked: tuple[str, ...] = ()
    log_format: str = "text"
    places: Mapping[str, str] = field(default_factory=dict)
    file: str | None = None
    unread: str | None = None
