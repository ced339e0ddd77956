"""The settings that there are: by table, each with the kind of its values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any

from kafka import KafkaConsumer

from kafka_parallel._options import Options
from kafka_parallel._suggestions import did_you_mean
from kafka_parallel.cli.configuration import value_kinds as kinds
from kafka_parallel.cli.configuration.value_kinds import Kind

__all__ = ()

# The table of the settings that stand above all tables.
TOP = ""
PLUGINS = "plugins"
TOP_SETTINGS = {"handler": kinds.OBJECT, "topics": kinds.TOPICS, "log_format": kinds.LOG_FORMAT}
# Options of the library by the texts of their types; the others have a kind of their own.
BY_TYPE = {
    "int": kinds.WHOLE, "int | None": kinds.WHOLE, "float": kinds.NUMBER, "float | None": kinds.NUMBER,
    "bool": kinds.FLAG, "str | None": kinds.TEXT,
}  # fmt: skip
OPTIONS = {"executor": kinds.TEXT, "ordering": kinds.TEXT, "explain_signal": kinds.SIGNAL}
# Options that the command decides, or that stand elsewhere, and where.
NOT_OPTIONS = {
    "plugins": "write a table [[plugins]] for each",
    "install_signal_handlers": "the command always stops on SIGTERM and SIGINT",
}
BATCH = {"max_records": kinds.WHOLE, "max_wait_ms": kinds.NUMBER, "max_bytes": kinds.WHOLE, "of": kinds.TEXT}
# Settings of the client whose kind their default does not tell.
CLIENT = {
    "bootstrap_servers": kinds.SERVERS, "consumer_timeout_ms": kinds.NUMBER, "group_id": kinds.NAME,
    "group_instance_id": kinds.TEXT, "key_deserializer": kinds.OBJECT, "value_deserializer": kinds.OBJECT,
    "partition_assignment_strategy": kinds.OBJECTS, "receive_buffer_bytes": kinds.WHOLE,
    "send_buffer_bytes": kinds.WHOLE, "ssl_context": kinds.OBJECT, "ssl_cafile": kinds.TEXT,
    "ssl_certfile": kinds.TEXT, "ssl_keyfile": kinds.TEXT, "ssl_crlfile": kinds.TEXT, "ssl_password": kinds.TEXT,
    "ssl_ciphers": kinds.TEXT, "api_version": kinds.VERSION, "sasl_mechanism": kinds.TEXT,
    "security_protocol": kinds.PROTOCOL, "auto_offset_reset": kinds.RESET, "isolation_level": kinds.ISOLATION,
    "sasl_plain_username": kinds.TEXT, "sasl_plain_password": kinds.TEXT, "sasl_kerberos_name": kinds.TEXT,
    "sasl_kerberos_domain_name": kinds.TEXT, "sasl_oauth_token_provider": kinds.OBJECT, "proxy_url": kinds.TEXT,
    "socks5_proxy": kinds.TEXT,
}  # fmt: skip
# Settings of the client that a run decides, and why.
NOT_CLIENT = {
    "enable_auto_commit": "kafka-parallel commits, every auto_commit_interval_ms",
    "default_offset_commit_callback": "kafka-parallel commits; a plugin learns of it by its hook on_commit",
}
WRITTEN = {TOP: "above all tables", "consumer": "[consumer]", "parallel": "[parallel]", "batch": "[batch]"}


@cache
def tables() -> Mapping[str, Mapping[str, Kind]]:
    """The settings of each table by their names; a plugin's own are not known here."""
    return {TOP: TOP_SETTINGS, "consumer": _client(), "parallel": _options(), "batch": BATCH}


def _options() -> dict[str, Kind]:
    """The options of the library, by the types that it says for them."""
    return {
        option.name: OPTIONS.get(option.name) or BY_TYPE[str(option.type)]
        for option in fields(Options)
        if option.name not in NOT_OPTIONS
    }


def _client() -> dict[str, Kind]:
    """The settings of the installed kafka-python that a file can hold."""
    found = {name: CLIENT.get(name) or _by_default(value) for name, value in KafkaConsumer.DEFAULT_CONFIG.items()}
    return {name: kind for name, kind in found.items() if kind is not None and name not in NOT_CLIENT}


def _by_default(value: Any) -> Kind | None:
    by_type = {bool: kinds.FLAG, int: kinds.WHOLE, float: kinds.NUMBER, str: kinds.TEXT, type(None): kinds.SCALAR}
    return by_type.get(type(value))


def kind_of(table: str, name: str, value: object = None) -> Kind:
    """The kind of the setting *name* of *table*.

    :param value: that it was given, for a suggestion: ``group.id = "x"`` is a table ``group`` to TOML.
    :raises ValueError: there is no such setting; says which was meant.
    """
    found = tables()[table].get(name)
    if found is None:
        raise ValueError(f"there is no setting {name!r}{_hint(table, name, value)}")
    return found


def _hint(table: str, name: str, value: object) -> str:
    if table == "parallel" and name in NOT_OPTIONS:
        return f" here: {NOT_OPTIONS[name]}"
    if table == "consumer" and name in NOT_CLIENT:
        return f" here: {NOT_CLIENT[name]}"
    if table == "consumer" and name in KafkaConsumer.DEFAULT_CONFIG:
        return ": it is an object that no file can hold; give a factory as the handler, which builds the KafkaConsumer"
    for other, settings in tables().items():
        if name in settings:
            return f" here: it belongs {'' if other == TOP else 'into '}{WRITTEN[other]}"
    names = {_joined(name, value): None, name: None}
    known = [*tables()[table], *([*list(WRITTEN)[1:], PLUGINS] if table == TOP else [])]
    found = next((hint for meant in names if (hint := did_you_mean(meant, known))), "")
    return found or f"; there are {', '.join(known)}"


def _joined(name: str, value: object) -> str:
    """The name that ``a.b.c = 1`` of a file may mean: TOML makes tables of it."""
    while isinstance(value, dict) and value:
        key, value = next(iter(value.items()))
        name = f"{name}_{key}"
    return name.replace(".", "_")
