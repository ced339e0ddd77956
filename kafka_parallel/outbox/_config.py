"""How the producer of a plugin is configured: the consumer's connection, the guarantees, the user's overrides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import InvalidTopicError, KafkaTimeoutError

from kafka_parallel.errors import ConfigurationError

_CONNECTION = frozenset(
    {
        "api_version",
        "api_version_auto_timeout_ms",
        "bootstrap_servers",
        "bootstrap_timeout_ms",
        "client_dns_lookup",
        "connections_max_idle_ms",
        "proxy_url",
        "reconnect_backoff_max_ms",
        "reconnect_backoff_ms",
        "request_timeout_ms",
        "retry_backoff_ms",
        "security_protocol",
        "selector",
        "socket_options",
        "socks5_proxy",
    }
)
_SECURITY = ("ssl_", "sasl_")

_REFUSED = {
    "acks": "a record is only handed over once all in-sync replicas have it",
    "key_serializer": "records are written with their very bytes",
    "value_serializer": "records are written with their very bytes",
    "transactional_id": "records are written outside of transactions, unless the plugin exactly-once is there",
    "max_block_ms": "set timeout_ms",
    "delivery_timeout_ms": "set timeout_ms of the plugin",
}

# Every record that the consumer could fetch must be small enough to send, so the limit that counts is the topic's
# max.message.bytes. This one is the largest request that a broker accepts (socket.request.max.bytes).
_MAX_REQUEST_BYTES = 100 * 1024 * 1024


def producer_config(
    who: str, consumer_config: Mapping[str, Any], overrides: Mapping[str, Any], timeout_ms: float
) -> dict[str, Any]:
    """Return the arguments of ``KafkaProducer``, only ones that the installed version knows.

    :param who: the plugin, at the end of the client's id.
    :param consumer_config: the configuration of the consumer, defaults included.
    :param overrides: the user's ``producer_config``, checked by `check_overrides`.
    :param timeout_ms: most milliseconds that one record may take.
    """
    inherited = _inherited(consumer_config)
    whole = math.ceil(timeout_ms)  # these go into requests as integers; a float would kill the producer's thread
    patience = inherited.get("request_timeout_ms", KafkaProducer.DEFAULT_CONFIG["request_timeout_ms"])
    config = {
        **inherited,
        "client_id": f"{consumer_config.get('client_id', 'kafka-parallel')}-{who}",
        "acks": "all",
        "enable_idempotence": True,
        "max_request_size": _MAX_REQUEST_BYTES,
        "max_block_ms": whole,
        "delivery_timeout_ms": whole,
        # half, so that a request that got lost leaves time for a second one
        "request_timeout_ms": min(patience, math.ceil(whole / 2)),
        **overrides,
    }
    return {name: value for name, value in config.items() if name in KafkaProducer.DEFAULT_CONFIG}


def check_overrides(who: str, overrides: Mapping[str, Any]) -> None:
    """Refuse settings that no producer knows or that would break the promise of an acknowledgement.

    Messages name settings and never show their values: some are passwords.

    :param who: the plugin, for messages.
    :param overrides: settings of ``KafkaProducer``.
    :raises ConfigurationError: naming the setting.
    """
    if not isinstance(overrides, Mapping):
        raise ConfigurationError(f"producer_config of {owner(who)} is a {type(overrides).__name__}, not a mapping")
    for name in overrides:
        if name in _REFUSED:
            raise ConfigurationError(f"producer_config of {owner(who)} must not set {name!r}: {_REFUSED[name]}")
        if name not in KafkaProducer.DEFAULT_CONFIG:
            raise ConfigurationError(
                f"producer_config of {owner(who)} sets {name!r}, which the installed KafkaProducer does not know: "
                "check its spelling"
            )


def refuse_fake_consumer(who: str, make_producer: object, consumer_config: Mapping[str, Any]) -> None:
    """Refuse to look for the cluster of a ``FakeConsumer`` on the network.

    :param who: the plugin, for messages.
    :param make_producer: makes its producer.
    :param consumer_config: the configuration of the consumer.
    :raises ConfigurationError: the consumer is a fake one, and the producer would be a ``KafkaProducer``.
    """
    if consumer_config.get("is_fake") and make_producer is KafkaProducer:
        raise ConfigurationError(
            f"{owner(who)} would write to a real cluster, and the consumer is a FakeConsumer: give the plugin "
            "make_producer=functools.partial(FakeProducer, cluster=cluster)"
        )


def owner(who: str) -> str:
    """Name the one who writes, for messages: a plugin, or `kafka_parallel.producing`."""
    return "producing()" if who == "producing" else f"plugin {who}"


def advice_on(error: BaseException) -> str:
    """Say what is wrong with a topic that cannot be reached, and the remedy.

    :param error: of the producer that looked for it.
    """
    if isinstance(error, KafkaTimeoutError):
        return (
            f"no broker told of it in time ({error!r}): create the topic, or check bootstrap_servers, of the consumer "
            "and of producer_config"
        )
    if isinstance(error, (InvalidTopicError, TypeError, ValueError)):
        return f"that is no name of a topic ({error!r})"
    return f"{error!r}; create the topic, or allow the user of the consumer's connection to describe and write it"


def _inherited(consumer_config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the user's settings of the connection; the consumer's own defaults suit no producer."""
    return {
        name: value
        for name, value in consumer_config.items()
        if (name in _CONNECTION or name.startswith(_SECURITY)) and value != KafkaConsumer.DEFAULT_CONFIG.get(name)
    }
