"""Writes the distribution of a new plugin: its code, its tests and its configuration."""

from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from kafka_parallel._plugins.installed import InstalledPlugins
from kafka_parallel.cli.command_group import CommandGroup
from kafka_parallel.cli.plugin_template import files_of

__all__ = ()

# Names as entry points, packages and classes can have them.
NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z][a-z0-9]*)*")


@click.command("new")
@click.argument("name")
@click.option("--folder", type=click.Path(path_type=Path), help="The folder to write; kafka-parallel-NAME without it.")
def new(name: str, folder: Path | None) -> None:
    """Write a new plugin called NAME: a distribution that passes ruff, mypy and its contract as it is.

    Nothing that is there already is written over.
    """
    if not NAME.fullmatch(name):
        raise click.UsageError(f"{name!r} is no name for a plugin: write lower-case words with dashes, as in slow-log")
    if name in InstalledPlugins().names():
        raise click.UsageError(f"there is a plugin {name!r} already: a consumer could not tell the two apart")
    folder = folder or Path(f"kafka-parallel-{name}")
    if folder.exists() and any(folder.iterdir()):
        raise click.UsageError(f"{folder} is there and not empty: give another one with --folder")
    _write(folder, files_of(name, version("kafka-parallel")))
    click.echo(f"{folder} has a plugin that logs slow records: put your own hooks in its place. Then:")
    click.echo(
        f"  cd {folder}\n  python -m venv .venv && . .venv/bin/activate\n"
        '  pip install --upgrade "pip>=25.1"\n  pip install --group dev -e .\n  pytest && mypy && ruff check .'
    )


def _write(folder: Path, files: dict[str, str]) -> None:
    """Write *files* below *folder*.

    :raises click.ClickException: one cannot be written.
    """
    try:
        for path, text in files.items():
            place = folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"the plugin cannot be written: {error}") from error


def with_new(listing: click.Command) -> click.Group:
    """Make a group of the command that lists plugins: called alone it lists, with ``new`` it writes one."""

    @click.pass_context
    def list_unless_new(context: click.Context, /, **given: Any) -> None:
        if context.invoked_subcommand is None:
            context.invoke(listing, **given)

    return CommandGroup(
        listing.name,
        commands=[new],
        callback=list_unless_new,
        params=listing.params,
        help=listing.help,
        invoke_without_command=True,
    )
