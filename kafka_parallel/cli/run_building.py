"""How a consumer is built from a configuration: all that can be wrong without a broker is found before one is asked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from kafka import KafkaConsumer
from kafka.errors import KafkaError

from kafka_parallel import Batch, ParallelConsumer
from kafka_parallel._plugins.installed import distribution_of, installed_plugins
from kafka_parallel._plugins.loading import CHOICES, check_settings, imported, unknown_choice
from kafka_parallel._plugins.manager import blocked_by, named_by
from kafka_parallel._showing import kind_of
from kafka_parallel.cli.configuration.run_config import PluginConfig, RunConfig
from kafka_parallel.cli.configuration.schema import tables
from kafka_parallel.cli.configuration.secrets import SECRET, LookedUp
from kafka_parallel.cli.configuration.value_kinds import OBJECT, OBJECTS, is_reference
from kafka_parallel.cli.configuration.variables import SERVERS_VARIABLE
from kafka_parallel.cli.connection import REFUSALS, NoBroker, is_silence, words_on_silence
from kafka_parallel.cli.handler_import import called, check_handler, is_factory, load_object
from kafka_parallel.cli.log_formats import quiet_client
from kafka_parallel.errors import ConfigurationError, KafkaParallelError

__all__ = ()

# Milliseconds in which a broker must answer, unless the configuration says otherwise.
BOOTSTRAP_TIMEOUT_MS = 5_000
LOG_CONTEXT = "log-context"


class Prepared(NamedTuple):
    """A consumer that is ready to run.

    :ivar consumer: the parallel one.
    :ivar handler: of its records.
    :ivar batch: how they are put together; ``None`` = the handler takes single ones.
    """

    consumer: ParallelConsumer
    handler: Any
    batch: Batch | None


def prepared_run(config: RunConfig) -> Prepared:
    """Build the consumer of *config*; it has not joined its group yet, and reads nothing yet if *config* has topics.

    :raises ConfigurationError: something in *config* cannot work.
    :raises PluginError: a plugin is missing or broken.
    :raises NoBroker: no broker answered in time.
    :raises kafka.errors.KafkaError: the cluster failed otherwise.
    """
    if config.handler is None:
        raise ConfigurationError('no handler is given: name a function as "module:function"')
    handler = load_object(config.handler, config.places["handler"])
    if is_factory(handler):
        return made_by(handler, config)
    check_handler(handler, config.handler, config.places["handler"])
    check_complete(config)
    options = parallel_options(config)
    check_plugins(config)
    return Prepared(_built(config, options), handler, _batch(config))


def _batch(config: RunConfig) -> Batch | None:
    return None if config.batch is None else Batch(**config.batch)


# The factory of a user


def made_by(factory: Any, config: RunConfig) -> Prepared:
    """Let the user's *factory* build the consumer; it decides all that a configuration would.

    :raises ConfigurationError: *config* has more settings, or the factory does not do it.
    :raises NoBroker: the factory found none.
    """
    place, reference = config.places["handler"], str(config.handler)
    others = [
        where
        for name, where in config.places.items()
        if name.startswith(("consumer.", "parallel.", "topics")) and where != SERVERS_VARIABLE
    ]
    others += [plugin.place for plugin in config.plugins]
    if others:
        raise ConfigurationError(
            f"{place}: {reference} takes no record: a handler takes one; a factory takes nothing and builds the "
            f"consumer itself, so that {others[0]} changes nothing"
        )
    try:
        made = called(factory, reference, place)
    except KafkaError as error:
        raise NoBroker(f"{reference} could not connect: {error!r}") from error
    if isinstance(made, tuple) and len(made) == 2 and isinstance(made[0], ParallelConsumer):
        check_handler(made[1], f"the handler of {reference}", place)
        return Prepared(made[0], made[1], _batch(config))
    raise ConfigurationError(
        f"{place}: {reference}() takes no record, and returned {_told(made)}: a handler takes one record; a factory "
        "takes nothing and returns (ParallelConsumer(...), handler)"
    )


def _told(made: object) -> str:
    return "a ParallelConsumer without a handler" if isinstance(made, ParallelConsumer) else kind_of(made)


# The checks without a broker


def check_complete(config: RunConfig) -> None:
    """Check that *config* says what to read.

    :raises ConfigurationError: it has no topic.
    """
    if not config.topics:
        raise ConfigurationError("no topic is given: write --topic NAME, or topics = [...] in the file")


def check_plugins(config: RunConfig) -> None:
    """Check that the plugins of *config* are installed and take their settings, without making one.

    :raises ConfigurationError: one does not take its settings.
    :raises PluginError: one is not installed, or cannot be imported.
    """
    installed = installed_plugins()
    for plugin in config.plugins:
        try:
            found = installed.find(plugin.name)
            distribution = distribution_of(found)
            loaded = imported(found, plugin.name, distribution)
            check_settings(loaded, plugin.settings, f"plugin {plugin.name!r} of {distribution}")
        except KafkaParallelError as error:
            raise type(error)(f"{plugin.place}: {error}") from error


def parallel_options(config: RunConfig) -> dict[str, Any]:
    """The options of `ParallelConsumer` in *config*, without the plugins; functions are imported.

    :raises ConfigurationError: one names a plugin or a function that does not exist.
    """
    options = dict(config.parallel)
    for name in CHOICES:
        chosen, place = options.get(name), config.places.get(f"parallel.{name}", "")
        if name == "ordering" and chosen is not None and is_reference(chosen):
            options[name] = load_object(chosen, place)
        elif chosen is not None and chosen not in CHOICES[name] and chosen not in installed_plugins().names():
            raise ConfigurationError(f"{place}: {unknown_choice(name, chosen)}")
    return options


def consumer_settings(config: RunConfig) -> dict[str, Any]:
    """The settings of the ``KafkaConsumer`` in *config*; objects are imported. It may hold passwords.

    :raises ConfigurationError: an object cannot be imported.
    """
    settings = dict(config.consumer)
    for name, value in config.consumer.items():
        kind, place = tables()["consumer"][name], config.places.get(f"consumer.{name}", "")
        if kind is OBJECT:
            settings[name] = load_object(value, place)
        elif kind is OBJECTS:
            settings[name] = [load_object(each, place) for each in value]
    return settings


# The consumer


def _built(config: RunConfig, options: Mapping[str, Any]) -> ParallelConsumer:
    settings = consumer_settings(config)
    consumer = open_consumer(settings)
    try:
        return ParallelConsumer(consumer, plugins=plugins_of(config, os.environ), **options)
    except BaseException:
        consumer.close(autocommit=False)
        raise


def open_consumer(settings: Mapping[str, Any]) -> KafkaConsumer:
    """Open a ``KafkaConsumer`` without a subscription, which says within seconds if no broker answers.

    :param settings: its own, with objects imported.
    :raises ConfigurationError: kafka-python refuses the settings.
    :raises NoBroker: no broker answered in time.
    :raises kafka.errors.KafkaError: the cluster failed otherwise.
    """
    ours = {"bootstrap_timeout_ms": BOOTSTRAP_TIMEOUT_MS}
    known = {name: value for name, value in ours.items() if name in KafkaConsumer.DEFAULT_CONFIG}
    try:
        with quiet_client():
            return KafkaConsumer(**{**known, **settings})
    except REFUSALS as error:
        raise ConfigurationError(
            f"kafka-python refuses the settings of the consumer: {_safe(error, settings)}"
        ) from None
    except KafkaError as error:
        if not is_silence(error):
            raise
        waited = {**KafkaConsumer.DEFAULT_CONFIG, **known, **settings}
        raise NoBroker(f"{words_on_silence(waited, '[consumer]')}; nothing was taken") from error


def subscribe(consumer: KafkaConsumer, topics: tuple[str, ...]) -> None:
    """Subscribe to *topics*, of which a broker may create those that do not exist.

    :raises ConfigurationError: kafka-python refuses one of them.
    """
    try:
        consumer.subscribe(list(topics))
    except REFUSALS as error:
        raise ConfigurationError(f"kafka-python refuses the topics {', '.join(topics)}: {error}") from None


def _safe(error: Exception, settings: Mapping[str, Any]) -> str:
    """The text of *error*, or the names of the *settings* if a secret is in it."""
    texts = {name: value for name, value in settings.items() if isinstance(value, str)}
    secrets = [text for name, text in texts.items() if SECRET.search(name) or isinstance(text, LookedUp)]
    text = f"{type(error).__name__}: {error}"
    return ", ".join(sorted(settings)) if any(secret in text for secret in secrets) else text


def plugins_of(config: RunConfig, environment: Mapping[str, str]) -> list[Any]:
    """The plugins of *config* as `ParallelConsumer` takes them, and the one that puts records into log lines."""
    wanted = [*config.plugins]
    left_out = {*config.blocked, *map(blocked_by, named_by(environment))}
    if LOG_CONTEXT not in {plugin.name for plugin in wanted} | left_out:
        wanted.append(PluginConfig(LOG_CONTEXT))
    return [(plugin.name, plugin.settings) for plugin in wanted] + [f"no:{name}" for name in config.blocked]
