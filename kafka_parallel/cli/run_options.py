"""The arguments and flags of the commands that take a whole configuration."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from kafka_parallel._plugins.installed import InstalledPlugins
from kafka_parallel.cli.configuration.flags import Flags
from kafka_parallel.cli.configuration.precedence import load
from kafka_parallel.errors import ConfigurationError

__all__ = ()


def _plugins(_context: click.Context, _option: click.Parameter, begun: str) -> list[str]:
    """The names of installed plugins, for the shell's completion."""
    return sorted(name for name in InstalledPlugins().names() if name.startswith(begun))


OPTIONS = (
    click.argument("handler", required=False),
    click.option("-c", "--config", "files", multiple=True, type=click.Path(path_type=Path),
        help="A TOML file with settings; kafka-parallel.toml of the current folder without it."),
    click.option("--topic", "topics", multiple=True, help="A topic to read; may be given several times."),
    click.option("--group", help="The consumer group."),
    click.option("--bootstrap-servers", help="Brokers, host:port, separated by commas."),
    click.option("--workers", help="The largest number of handlers that run at once."),
    click.option("--ordering", help='"key", "partition", "unordered", or the name of a plugin.'),
    click.option("--batch", metavar="RECORDS", help="Call the handler with lists of up to so many records."),
    click.option("-p", "--plugin", "plugins", multiple=True, metavar="NAME[:SETTING=VALUE]", shell_complete=_plugins,
        help="Use a plugin; again for each further setting. no:NAME leaves one out."),
    click.option("--log-format", help='"text" (default) or "json", one object a line.'),
)  # fmt: skip


def with_run_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* the flags of a configuration, and call it with a `RunConfig` instead."""

    @wraps(command)
    def configured(*args: Any, **options: Any) -> Any:
        flags = Flags(**{name: options.pop(name) for name in Flags.__dataclass_fields__})
        try:
            config = load(flags, os.environ, Path.cwd())
        except ConfigurationError as error:
            raise click.UsageError(str(error)) from None
        if config.unread is not None:
            click.echo(f"note: {config.unread} is not read: --config names {config.file}", err=True)
        return command(config, *args, **options)

    found: Callable[..., Any] = configured
    for option in reversed(OPTIONS):
        found = option(found)
    return found
