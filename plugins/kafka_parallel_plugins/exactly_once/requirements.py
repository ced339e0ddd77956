"""The settings, consumers and clients that cannot produce exactly once, and the ids that are in use."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import kafka

from kafka_parallel import ConfigurationError, Settings
from kafka_parallel.outbox import check_overrides
from kafka_parallel.plugin_support import get_logger, wrong_setting
from kafka_parallel_plugins.exactly_once.run_transactions import NAME

__all__ = ()

log = get_logger("kafka_parallel_plugins.exactly_once")

# Settings of the producer, each with the plugin's own in its place.
SETTINGS = {
    "transactional_id": "transactional_id",
    "transaction_timeout_ms": "transaction_timeout_ms",
    "max_block_ms": "transaction_timeout_ms",
    "delivery_timeout_ms": "transaction_timeout_ms",
}
# A commit waits for a transaction, and for its abort or its answer, for at most this many of its time limits.
MOST_WAITS = 3

_ids: set[str] = set()
_ids_lock = threading.Lock()


def check_settings(
    transactional_id: object,
    interval_ms: object,
    transaction_timeout_ms: object,
    max_result_bytes: object,
    overrides: Mapping[str, Any] | None,
) -> None:
    """Refuse settings of the plugin that cannot work.

    :param interval_ms: milliseconds.
    :param transaction_timeout_ms: milliseconds.
    :param max_result_bytes: bytes.
    :param overrides: the plugin's ``producer_config``.
    :raises ConfigurationError: a setting cannot work, or *overrides* sets one that is the plugin's own.
    """
    if not (transactional_id is None or (isinstance(transactional_id, str) and transactional_id)):
        raise wrong_setting(NAME, "transactional_id", transactional_id, "a text, or None for a new one each time")
    for name, value in (("interval_ms", interval_ms), ("transaction_timeout_ms", transaction_timeout_ms)):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value < float("inf"):
            raise wrong_setting(NAME, name, value, "a finite number of milliseconds, at least 1")
    if isinstance(max_result_bytes, bool) or not isinstance(max_result_bytes, int) or max_result_bytes < 1:
        raise wrong_setting(NAME, "max_result_bytes", max_result_bytes, "an integer of at least 1")
    for name, ours in SETTINGS.items():
        if isinstance(overrides, Mapping) and name in overrides:
            raise ConfigurationError(
                f"producer_config of plugin {NAME} must not set {name!r}: set {ours} of the plugin"
            )
    check_overrides(NAME, {} if overrides is None else overrides)


def check_consumer(settings: Settings, transaction_timeout_ms: float) -> None:
    """Refuse consumers whose offsets cannot be written in transactions; warn without ``read_committed``.

    :param transaction_timeout_ms: milliseconds.
    :raises ConfigurationError: kafka-python is older than 3, there is no group or no subscription, or a transaction may
        take longer than a third of ``max_poll_interval_ms``.
    """
    if int(kafka.__version__.partition(".")[0]) < 3:
        raise ConfigurationError(
            f"plugin {NAME} needs kafka-python 3, and {kafka.__version__} is installed: 2.x tells the broker no "
            "generation with the offsets, so a member that was removed would not be refused"
        )
    if settings.group_id is None:
        raise ConfigurationError(f"plugin {NAME} needs a consumer group: give the KafkaConsumer a group_id")
    if not settings.is_subscribed:
        raise ConfigurationError(
            f"plugin {NAME} needs a subscription: with assign() there is no membership by which the broker could tell "
            "who may commit; give the KafkaConsumer topics, or call its subscribe()"
        )
    longest = settings.consumer_config.get("max_poll_interval_ms", float("inf"))
    if transaction_timeout_ms * MOST_WAITS > longest:
        raise ConfigurationError(
            f"plugin {NAME}: transaction_timeout_ms={transaction_timeout_ms} is more than a third of the consumer's "
            f"max_poll_interval_ms={longest}: while the coordinator does not answer, no record is polled, and the "
            "group would remove the member; lower the one or raise the other"
        )
    if settings.consumer_config.get("isolation_level") != "read_committed":
        log.warning("the consumer has no isolation_level='read_committed': after a rebalance it may begin at an offset "
                    "that a transaction is just replacing, and results be written twice")  # fmt: skip


def claim_id(name: str) -> None:
    """Note that a run of this process uses the transactional id *name*; end that with `release_id`.

    :raises ConfigurationError: another run uses it.
    """
    with _ids_lock:
        if name in _ids:
            raise ConfigurationError(
                f"plugin {NAME}: another consumer of this process runs with transactional_id={name!r}, and each would "
                "end the other's transactions: give each an id of its own, or leave it out"
            )
        _ids.add(name)


def release_id(name: str) -> None:
    """Let other runs of this process use the transactional id *name*; nothing happens if no run has it."""
    with _ids_lock:
        _ids.discard(name)
