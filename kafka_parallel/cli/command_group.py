"""The group of all commands: a name that does not exist gets a suggestion, and the versions can be asked for."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TypeVar

import click
import kafka

from kafka_parallel._suggestions import did_you_mean

__all__ = ()

Command = TypeVar("Command", bound=click.Command)


class CommandGroup(click.Group):
    """A group that suggests the nearest name."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that *args* name.

        :raises click.UsageError: there is none.
        """
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            known = self.list_commands(ctx)
            hint = did_you_mean(args[0], known) or f"; there are {', '.join(known)}"
            raise click.UsageError(f"there is no command {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)


def version_option(command: Command) -> Command:
    """Give *command* the option ``--version``."""
    message = (
        f"kafka-parallel {version('kafka-parallel')}, kafka-python {kafka.__version__}, "
        f"Python {platform.python_version()}"
    )
    return click.version_option(version("kafka-parallel"), message=message)(command)
