"""The command's connection to the cluster, and its messages when that fails."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import wraps
from pathlib import Path
from typing import Any

import click
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import IllegalArgumentError, KafkaConfigurationError, KafkaError, KafkaTimeoutError

from kafka_parallel.cli.cluster_description import id_of_cluster
from kafka_parallel.cli.configuration.value_kinds import PROTOCOLS

__all__ = ()

NO_BROKER = 3
# How long the first answer of a broker may take, in milliseconds, unless --client-config says otherwise: a person waits
# for it. kafka-python's own 30 s are meant for services.
FIRST_ANSWER_MS = 2_000
# The names of that setting in kafka-python 3.x and 2.x.
FIRST_ANSWER = ("bootstrap_timeout_ms", "api_version_auto_timeout_ms")
# The name of the error of 2.x for it: 3.x has no such class.
NO_ANSWER_OF_2 = "NoBrokersAvailable"
# Settings of the command's own: a consumer without a group that commits nothing, and bytes as they are.
OURS = frozenset({"group_id", "enable_auto_commit", "auto_offset_reset", "key_deserializer", "value_deserializer"})
# Never left out for a client that does not know one: it shall fail rather than connect less securely.
SECURITY = ("security_", "ssl_", "sasl_")

# The errors by which kafka-python refuses a setting: a wrong value, say, or a certificate whose file is not there.
REFUSALS = (
    AssertionError, AttributeError, OSError, TypeError, ValueError, IllegalArgumentError, KafkaConfigurationError,
)  # fmt: skip


def servers_of(settings: Mapping[str, Any]) -> str:
    """The addresses of brokers in *settings*, separated by commas."""
    given = settings.get("bootstrap_servers", "localhost:9092")
    return given if isinstance(given, str) else ",".join(given)


class NoBroker(click.ClickException):
    """No broker answered, or not in time."""

    exit_code = NO_BROKER


class Connection:
    """Opens clients of one cluster. Its settings may hold passwords and are never shown.

    :param settings: of the clients; each takes those that it knows.
    :param place: where they were given, for messages.
    """

    def __init__(self, settings: dict[str, Any], place: str = "--client-config") -> None:
        self._settings = settings
        self._place = place

    def consumer(self) -> KafkaConsumer:
        """Open a consumer without a group: it commits nothing."""
        return self._open(KafkaConsumer, group_id=None, enable_auto_commit=False, auto_offset_reset="earliest")

    def producer(self, **extra: Any) -> KafkaProducer:
        """Open a producer that waits for all in-sync replicas, idempotent where the client can be."""
        config = {"acks": "all", "enable_idempotence": True}
        known = {name: value for name, value in config.items() if name in KafkaProducer.DEFAULT_CONFIG}
        return self._open(KafkaProducer, **known, **extra)

    def admin(self) -> KafkaAdminClient:
        """Open an admin client."""
        return self._open(KafkaAdminClient)

    def cluster_id(self) -> str:
        """Ask for the id of the cluster; ``"unknown"``, with a warning, if the client cannot tell."""
        with closing(self.admin()) as admin:
            found = id_of_cluster(admin)
        if found is None:
            click.echo("warning: this cluster does not tell its id, so a bookmark cannot tell it from others", err=True)
            return "unknown"
        return found

    def _open(self, client: Any, **ours: Any) -> Any:
        """Open a *client*.

        :raises click.UsageError: it does not take the settings. kafka-python's own words would show their values.
        """
        settings = {
            name: value
            for name, value in self._settings.items()
            if name in client.DEFAULT_CONFIG or name.startswith(SECURITY)
        }
        patience = {name: FIRST_ANSWER_MS for name in FIRST_ANSWER if name in client.DEFAULT_CONFIG}
        try:
            return client(**{**patience, **settings, **ours})
        except REFUSALS as error:
            names = ", ".join(sorted(settings))
            why = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""
            raise click.UsageError(f"{client.__name__} refuses the settings of {self._place}{why}: {names}") from error
        except KafkaError as error:
            if not is_silence(error):
                raise
            raise NoBroker(words_on_silence({**patience, **self._settings}, self._place)) from error


def is_silence(error: KafkaError) -> bool:
    """Tell whether a client could not be opened for want of an answer."""
    return isinstance(error, KafkaTimeoutError) or type(error).__name__ == NO_ANSWER_OF_2


def words_on_silence(settings: Mapping[str, Any], place: str) -> str:
    """The message about brokers that do not answer.

    :param settings: of the client, with the time that it waited.
    :param place: where they were given.
    """
    setting = next(name for name in FIRST_ANSWER if name in settings)
    return (
        f"no broker answered at {servers_of(settings)} within {settings[setting] / 1000:g} s: check the address, that "
        "the broker runs, and security_protocol with its ssl_* and sasl_* settings; for a slow network, give more "
        f"time by {setting} in {place}"
    )


def with_connection(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give *command* the options of the connection, and call it with a `Connection` instead."""

    @click.option(
        "--bootstrap-servers", envvar="KAFKA_BOOTSTRAP_SERVERS", default="localhost:9092", show_default=True,
        help="Brokers, host:port, separated by commas.",
    )  # fmt: skip
    @click.option(
        "--client-config", type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="A JSON file with settings of kafka-python's clients, for security.",
    )  # fmt: skip
    @wraps(command)
    def connected(*args: Any, bootstrap_servers: str, client_config: Path | None, **options: Any) -> Any:
        if not bootstrap_servers.strip():
            raise click.UsageError("--bootstrap-servers is empty: give host:port")
        settings = {"bootstrap_servers": bootstrap_servers.split(","), **_settings(client_config)}
        try:
            return command(Connection(settings), *args, **options)
        except KafkaError as error:
            raise NoBroker(f"the cluster at {bootstrap_servers} failed: {error!r}") from error

    return connected


def _settings(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise click.UsageError(f"--client-config {path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise click.UsageError(f"--client-config {path} is not JSON (line {getattr(error, 'lineno', '?')})") from None
    if not isinstance(found, dict):
        raise click.UsageError(f"--client-config {path} is not a JSON object")
    for name in found:
        if name in OURS:
            raise click.UsageError(f"--client-config {path} sets {name!r}, which the command decides: leave it out")
        if name not in KafkaConsumer.DEFAULT_CONFIG:
            raise click.UsageError(f"--client-config {path} sets {name!r}, which kafka-python does not know")
    if found.get("security_protocol", "PLAINTEXT") not in PROTOCOLS:
        raise click.UsageError(f"--client-config {path} sets security_protocol: give one of {', '.join(PROTOCOLS)}")
    return found
