"""The command that runs a handler: from its configuration to its exit code."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from kafka.errors import KafkaError

from kafka_parallel import ParallelConsumer
from kafka_parallel.cli.configuration.run_config import RunConfig
from kafka_parallel.cli.connection import NoBroker, servers_of
from kafka_parallel.cli.handler_import import use_folder
from kafka_parallel.cli.log_formats import set_up_logging
from kafka_parallel.cli.read_to_end import ReadToEnd, ends_of
from kafka_parallel.cli.run_building import Prepared, prepared_run, subscribe
from kafka_parallel.cli.run_endings import LastCommit, StopSignals, code_of_error, code_of_exit, code_of_stop
from kafka_parallel.cli.run_options import with_run_config
from kafka_parallel.errors import ConfigurationError, PluginError

__all__ = ()


@click.command("run")
@with_run_config
@click.option("--once", is_flag=True, help="Stop at the ends that the logs of its partitions have now.")
def run_handler(config: RunConfig, *, once: bool) -> None:
    """Process records with HANDLER, a function "module:function" of the user's, until SIGTERM or Ctrl-C.

    The function may be async def; with --batch it takes a list of records. A function without parameters is a factory:
    it returns a ParallelConsumer and its handler. Modules of the current folder can be imported.

    Running records get to finish after the first signal; a second one abandons them.
    """
    set_up_logging(config.log_format)
    use_folder(Path.cwd())
    try:
        prepared = prepared_run(config)
        added = _add_plugins(prepared.consumer, config.topics, is_once=once)
    except (ConfigurationError, PluginError) as error:
        raise click.UsageError(str(error)) from None
    except KafkaError as error:
        raise NoBroker(f"the cluster at {servers_of(config.consumer)} failed: {error!r}; nothing was taken") from error
    sys.exit(_run(prepared, added))


def _run(prepared: Prepared, last_commit: LastCommit) -> int:
    consumer = prepared.consumer
    with StopSignals(consumer) as signals:
        try:
            consumer.run(prepared.handler, prepared.batch)
        except Exception as error:  # noqa: BLE001 - any error of the run is an exit code
            return code_of_error(error, consumer)
        except SystemExit as error:
            return code_of_exit(error)
        return code_of_stop(consumer, signals, last_commit)


def _add_plugins(consumer: ParallelConsumer, topics: tuple[str, ...], *, is_once: bool) -> LastCommit:
    """Add the plugins by which the command observes its run, also to a consumer that the user has built; subscribe.

    :param topics: of the configuration; a consumer that the user has built reads its own.
    """
    client, plugins = consumer._client, consumer._plugins  # noqa: SLF001 - the command is a part of the library
    last_commit = LastCommit()
    if client.group_id is not None:
        plugins.add_for_run("last-commit", last_commit)
    if is_once:
        ends = ends_of(client._consumer, topics or client.topics)  # noqa: SLF001
        plugins.add_for_run("read-to-end", ReadToEnd(ends, consumer.stop))
    if topics:
        subscribe(client._consumer, topics)  # noqa: SLF001
    return last_commit
