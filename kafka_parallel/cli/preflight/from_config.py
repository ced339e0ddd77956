"""Makes the intended consumer of a configuration, as ``run`` would build it, and connects nothing.

The exception is a factory of the user's: it is called, and builds the consumer that it builds in a run, which connects.
That one joins nothing before it is run, and is closed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from kafka import KafkaConsumer

from kafka_parallel._options import Options
from kafka_parallel.cli.configuration.run_config import RunConfig
from kafka_parallel.cli.handler_import import is_factory, load_object, use_folder
from kafka_parallel.cli.preflight.findings import Finding, failure
from kafka_parallel.cli.preflight.intended import PLUGINS, Intended, with_needs, with_plugins
from kafka_parallel.cli.run_building import (
    Prepared,
    consumer_settings,
    made_by,
    parallel_options,
    plugins_of,
)
from kafka_parallel.errors import ConfigurationError, KafkaParallelError, PluginError
from kafka_parallel.values import Batch

__all__ = ()

T = TypeVar("T")
# Settings that a built client has found out by itself.
FOUND_OUT = frozenset({"api_version"})


def intended_by(config: RunConfig) -> tuple[Intended, list[Finding]]:
    """The consumer of *config*; each part of it that cannot be had is a finding.

    :raises ConfigurationError: options contradict each other.
    :raises NoBroker: the user's factory found none.
    """
    use_folder(Path.cwd())
    findings: list[Finding] = []
    handler = _handler(config, findings)
    if is_factory(handler):
        return _of_factory(handler, config)
    nothing: dict[str, Any] = {}
    options = _found("options", lambda: parallel_options(config), nothing, findings)
    intended = Intended(
        topics=config.topics,
        given=_found("consumer", lambda: consumer_settings(config), dict(config.consumer), findings),
        options=Options(**options, plugins=plugins_of(config, os.environ)),
        handler=handler,
        batch=None if config.batch is None else Batch(**config.batch),
    )
    loaded, problems = with_plugins(intended)
    return loaded, [*findings, *problems]


def intended_or_usage(config: RunConfig) -> tuple[Intended, list[Finding]]:
    """The same for a command.

    :raises click.UsageError: options contradict each other.
    :raises NoBroker: the user's factory found none.
    """
    try:
        return intended_by(config)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from None


def _handler(config: RunConfig, findings: list[Finding]) -> Any:
    reference = config.handler
    if reference is None:
        findings.append(failure("handler", "none is given: write module:function"))
        return None
    return _found("handler", lambda: load_object(reference, config.places["handler"]), None, findings)


def _found(subject: str, get: Callable[[], T], instead: T, findings: list[Finding]) -> T:
    """The answer of *get*; if it is an error of the configuration, *instead* and a finding."""
    try:
        return get()
    except (ConfigurationError, PluginError) as error:
        findings.append(failure(subject, str(error)))
        return instead


def _of_factory(factory: Any, config: RunConfig) -> tuple[Intended, list[Finding]]:
    """The consumer that the user's *factory* builds."""
    try:
        prepared = made_by(factory, config)
    except KafkaParallelError as error:
        return Intended(), [failure("handler", str(error))]
    client: Any = prepared.consumer._client  # noqa: SLF001 - the command is a part of the library
    try:
        intended = _prepared(prepared)
    finally:
        client._consumer.close(autocommit=False)  # noqa: SLF001 - as above
    found, problem = with_needs(intended)
    return found, [] if problem is None else [failure(PLUGINS, problem)]


def _prepared(prepared: Prepared) -> Intended:
    consumer: Any = prepared.consumer
    client, defaults = consumer._client, KafkaConsumer.DEFAULT_CONFIG  # noqa: SLF001 - as above
    given = {
        name: value
        for name, value in client.config.items()
        if name in defaults and name not in FOUND_OUT and value is not defaults[name]
    }
    return Intended(
        topics=client.topics,
        pattern=client.pattern,
        given=given,
        options=consumer._options,  # noqa: SLF001 - as above
        handler=prepared.handler,
        batch=prepared.batch,
        plugins=consumer._plugins,  # noqa: SLF001 - as above
    )
