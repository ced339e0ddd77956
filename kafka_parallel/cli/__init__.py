"""The command ``kafka-parallel``. It needs the extra ``cli``, which is only looked for when it is run."""

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
