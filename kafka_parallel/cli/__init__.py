"""The command ``kafka-parallel``. It needs the extra ``cli``, which is only looked for when it is run."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command; exits with 0, 1 (it failed), 2 (it was called wrongly) or 3 (no broker answered)."""
    try:
        from kafka_parallel.cli.dlq import dlq
    except ModuleNotFoundError as error:
        if error.name not in {"click", "rich"}:
            raise
        sys.exit(f"the command needs {error.name}: pip install 'kafka-parallel[cli]'")
    import click

    click.Group("kafka-parallel", commands=[dlq], help="Tools for consumers that use kafka-parallel.")()
