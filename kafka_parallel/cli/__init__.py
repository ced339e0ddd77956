"""The command ``kafka-parallel``. It needs the extra ``cli``, which is only looked for when it is run.

A new command has a module here, and its place in `command` below. One that takes the configuration of a whole consumer
uses `run_options`; its settings are in the room `configuration`, and the checks before a deploy in `preflight`. Parts:

- the group of commands: `command_group`; a connection and its errors: `connection`, `databases`; the cluster behind
  it: `cluster_description`; the user's functions: `handler_import`; text on a terminal: `output`, `payloads`, `moments`
- ``check`` and ``doctor``: `check`, `doctor`
- ``run``: `run`, `run_options`, `run_building`, `run_endings`, `read_to_end`, `log_formats`
- ``top``: `top`, `top_view`
- ``dlq``: `dlq`, `dlq_ls`, `dlq_show`, `dlq_stats`, `dlq_purge`, `dlq_replay`; the letters that it reads: `letters`,
  `header_scan`; a replay that repeats nothing: `sending`, `bookmark`
- ``inbox``: `inbox`, `inbox_ddl`, `inbox_purge`
- ``plugins``: `plugin_list`, `plugins_new`, `plugin_template`
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import click

__all__ = ["command", "main"]


def command() -> click.Group:
    """Return the command as click has it, with all commands below it.

    :raises ModuleNotFoundError: the extra ``cli`` is not installed.
    """
    from kafka_parallel.cli.check import check_command
    from kafka_parallel.cli.command_group import CommandGroup, version_option
    from kafka_parallel.cli.dlq import dlq
    from kafka_parallel.cli.doctor import doctor
    from kafka_parallel.cli.inbox import inbox
    from kafka_parallel.cli.plugin_list import plugins
    from kafka_parallel.cli.plugins_new import with_new
    from kafka_parallel.cli.run import run_handler
    from kafka_parallel.cli.top import top

    group = CommandGroup(
        "kafka-parallel",
        commands=[check_command, dlq, doctor, inbox, with_new(plugins), run_handler, top],
        help="Runs and examines consumers of kafka-parallel.",
    )
    return version_option(group)


def main() -> None:
    """Run the command; exits with 0, 1 (it failed), 2 (it was called wrongly) or 3 (no broker or database answered).

    ``run`` has two more, for refused commits and for work that was given up.
    """
    try:
        found = command()
    except ModuleNotFoundError as error:
        if error.name not in {"click", "rich", "tomli"}:
            raise
        sys.exit(f"the command needs {error.name}: pip install 'kafka-parallel[cli]'")
    found()
