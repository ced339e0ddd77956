"""The wait before the client looks again for a broker that is gone.

kafka-python waits up to 30 seconds between two attempts (``reconnect_backoff_max_ms``), and 3.x as long, on a count of
its own, before it asks for metadata again. After an outage of 10 seconds that is another 10 to 20, drawn by lot, in
which nothing is read although the broker is back, and the session may be over. Kafka's own client waits a second at
most. Any other value than kafka-python's default is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kafka import KafkaConsumer

from kafka_parallel._runtime.client.changes import Changes

SETTING = "reconnect_backoff_max_ms"
DEFAULT_MS = KafkaConsumer.DEFAULT_CONFIG[SETTING]
# The default of Kafka's own client.
LONGEST_MS = 1000


# see docs/decisions/0049-reconnect-within-a-second.md
def shorten_backoff(consumer: Any, changes: Changes) -> None:
    """Let *consumer* look for its brokers once a second if its back-off is kafka-python's default."""
    for config in _configs(consumer):
        if config.get(SETTING) == DEFAULT_MS:
            changes.put(config, SETTING, value=LONGEST_MS)


def _configs(consumer: Any) -> Iterator[dict[str, Any]]:
    """The places in which the client looks the setting up."""
    if (manager := getattr(consumer, "_manager", None)) is not None:  # 3.x
        yield manager.config
        return
    client: Any = getattr(consumer, "_client", None)
    yield from ([client.config] if hasattr(client, "config") else [])
    for connection in getattr(client, "_conns", {}).values():  # each has a copy of its own
        yield connection.config
