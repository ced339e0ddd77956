"""The command group ``kafka-parallel inbox``."""

from __future__ import annotations

from kafka_parallel.cli.command_group import CommandGroup
from kafka_parallel.cli.inbox_ddl import ddl
from kafka_parallel.cli.inbox_purge import purge

__all__ = ()

inbox = CommandGroup(
    "inbox", commands=[ddl, purge], help="Create the table of handled records in a database, delete old ones from it."
)
