"""Prints the statements that create the table of the inbox."""

from __future__ import annotations

import click

from kafka_parallel import inbox

__all__ = ()


@click.command()
@click.option(
    "--dialect", type=click.Choice(inbox.DIALECTS), required=True, help="The database; mysql for MariaDB too."
)
def ddl(dialect: str) -> None:
    """Print the SQL that creates the table. It does no harm if the table is there."""
    click.echo(inbox.ddl(dialect), nl=False)
