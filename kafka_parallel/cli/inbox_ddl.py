"""Prints the statements that create the table of the inbox."""

from __future__ import annotations

from typing import Any

import click

from kafka_parallel import inbox
from kafka_parallel.cli.databases import SAME

__all__ = ()


class DialectWord(click.Choice):  # type: ignore[type-arg] # only generic since click 8.2
    """The name of a dialect, or the word for it in a URL of a database."""

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        """Read a dialect such as ``postgres``."""
        same = [name for name in inbox.DIALECTS if SAME.get(name, name) == SAME.get(value, value)]
        return super().convert(same[0] if same else value, param, ctx)


@click.command()
@click.option("--dialect", type=DialectWord(inbox.DIALECTS), required=True, help="The database; mysql for MariaDB too.")
def ddl(dialect: str) -> None:
    """Print the SQL that creates the table. It does no harm if the table is there."""
    click.echo(inbox.ddl(dialect), nl=False)
