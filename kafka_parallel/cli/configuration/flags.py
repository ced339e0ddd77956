"""The settings of flags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kafka_parallel.cli.configuration import toml_text
from kafka_parallel.cli.configuration.plugin_settings import plugin_config
from kafka_parallel.cli.configuration.run_config import PluginConfig
from kafka_parallel.cli.configuration.settings import Setting, ValuePlace, of_text
from kafka_parallel.errors import ConfigurationError

__all__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """The flags and arguments of a command, as texts; ``None`` = not given.

    :ivar files: paths of configurations; one may be given.
    :ivar topics: each names one.
    :ivar plugins: ``NAME``, ``NAME:SETTING=VALUE`` or ``no:NAME``.
    """

    handler: str | None = None
    files: Sequence[Path] = ()
    topics: Sequence[str] = ()
    group: str | None = None
    bootstrap_servers: str | None = None
    workers: str | None = None
    ordering: str | None = None
    batch: str | None = None
    log_format: str | None = None
    plugins: Sequence[str] = ()


def settings(flags: Flags) -> Iterator[Setting]:
    """The settings of *flags*; those of plugins are `plugins`.

    :raises ConfigurationError: a flag does not take its value.
    """
    meant = {
        "HANDLER": ("", "handler", flags.handler), "--log-format": ("", "log_format", flags.log_format),
        "--group": ("consumer", "group_id", flags.group),
        "--bootstrap-servers": ("consumer", "bootstrap_servers", flags.bootstrap_servers),
        "--workers": ("parallel", "workers", flags.workers), "--ordering": ("parallel", "ordering", flags.ordering),
        "--batch": ("batch", "max_records", flags.batch),
    }  # fmt: skip
    for flag, (table, name, value) in meant.items():
        if value is not None:
            yield of_text(table, name, value, flag)
    for topic in flags.topics:
        if not topic.strip():
            raise ConfigurationError("--topic is empty: give the name of a topic")
        if "," in topic:
            each = " ".join(f"--topic {name.strip()}" for name in topic.split(","))
            raise ConfigurationError(f"--topic {topic}: no name of a topic has a comma: write {each}")
    if flags.topics:
        yield Setting("", "topics", tuple(flags.topics), "--topic")


def blocked(flags: Flags) -> list[str]:
    """The names of the plugins that *flags* block.

    :raises ConfigurationError: one has a setting.
    """
    found = [text.removeprefix("no:").strip() for text in flags.plugins if text.startswith("no:")]
    for name, colon, _ in (name.partition(":") for name in found):
        if colon:
            raise ConfigurationError(
                f"-p no:{name}:...: a plugin that is left out takes no settings: write -p no:{name}"
            )
    return found


def plugins(flags: Flags, environment: Mapping[str, str]) -> Iterator[PluginConfig]:
    """The plugins of *flags*; one that is given several times has all of its settings.

    :raises ConfigurationError: for one without a name, or with a setting that cannot be.
    """
    for text in flags.plugins:
        if text.startswith("no:"):
            continue
        name, colon, setting = text.partition(":")
        key, equals, value = setting.partition("=")
        place = f"-p {name}{colon}{key}"
        if not name or (colon and not (key and equals)):
            raise ConfigurationError(f"{place}: write -p NAME, -p NAME:SETTING=VALUE or -p no:NAME")
        settings = {key.strip(): _value(value)} if colon else {}
        yield plugin_config(name.strip(), settings, ValuePlace(place, environment, Path()))


def _value(text: str) -> Any:
    """The value of *text* as a file would have it; a text that is no TOML needs no quotes."""
    try:
        found = toml_text.parsed(f"value = {text}")
    except ValueError:
        return text
    return found["value"] if len(found) == 1 else text
