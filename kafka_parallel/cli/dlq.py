"""The command group ``kafka-parallel dlq``."""

from __future__ import annotations

from kafka_parallel.cli.command_group import CommandGroup
from kafka_parallel.cli.dlq_ls import ls
from kafka_parallel.cli.dlq_purge import purge
from kafka_parallel.cli.dlq_replay import replay
from kafka_parallel.cli.dlq_show import show
from kafka_parallel.cli.dlq_stats import stats

__all__ = ()

dlq = CommandGroup(
    "dlq",
    commands=[ls, show, stats, replay, purge],
    help="Look at dead letters, of whatever framework, send them back, delete them.",
)
