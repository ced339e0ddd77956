"""Deletes the ids of records that were handled long ago."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from kafka_parallel.cli.databases import Failed, connect
from kafka_parallel.cli.moments import Age
from kafka_parallel.cli.output import show_json
from kafka_parallel.errors import ConfigurationError
from kafka_parallel.inbox import purge as delete_ids
from kafka_parallel.inbox._targets import target_of

if TYPE_CHECKING:
    from datetime import timedelta

__all__ = ()

# How many ids are deleted in one transaction: others that write to the table wait for its end.
STEP = 10_000


@click.command()
@click.option(
    "--database", "url", envvar="KAFKA_PARALLEL_INBOX_DATABASE",
    help="postgresql://USER:PASSWORD@HOST/NAME, mysql://... or sqlite:///PATH. Others see the arguments of a process: "
    "give a password by the environment variable KAFKA_PARALLEL_INBOX_DATABASE.",
)  # fmt: skip
@click.option("--older-than", type=Age(), required=True, help="Delete ids of this age, such as 30d, 12h, 90m.")
@click.option("--execute", is_flag=True, help="Delete; without this the command only says how many it would.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def purge(url: str | None, older_than: timedelta, *, execute: bool, as_json: bool) -> None:
    """Delete ids by their age, a bounded number in each transaction.

    A record that comes again after its id was deleted is handled again.
    """
    if url is None:
        raise click.UsageError("give --database, or set KAFKA_PARALLEL_INBOX_DATABASE")
    with closing(connect(url)) as connection:
        try:
            found = target_of(connection).count(older_than.total_seconds())
            connection.rollback()
            deleted = _delete(connection, older_than) if execute else 0
        except ConfigurationError as error:
            raise click.ClickException(str(error)) from error
        except Exception as error:
            raise Failed(error) from error
    if as_json:
        show_json({"older": found, "deleted": deleted})
    elif execute:
        click.echo(f"{deleted} ids were deleted")
    else:
        click.echo(f"{found} ids are older; nothing was deleted: add --execute to do it")


def _delete(connection: Any, older_than: timedelta) -> int:
    total = 0
    while True:
        deleted = delete_ids(connection, older_than, max_rows=STEP)
        connection.commit()
        total += deleted
        if deleted < STEP:
            return total
