"""For plugins that write records: one producer with the consumer's connection, and an answer for each record.

A record that a plugin hands on (to a dead-letter topic, to a retry topic) is finished only after the broker has
acknowledged it. `open_outbox` connects, `Outbox.write` waits for the answer.
"""

from kafka_parallel.outbox._config import check_overrides, producer_config
from kafka_parallel.outbox._handed_over import HandedOver, NotWritten
from kafka_parallel.outbox._in_transaction import Writer, Writers, open_writers, place_of
from kafka_parallel.outbox._producer import Outbox, close_producer, open_outbox
from kafka_parallel.outbox._records import (
    FAILURES,
    NULL_KEY,
    ExactBytes,
    Outgoing,
    Pending,
    Producer,
    UnknownPartition,
    Written,
    is_too_large,
    partition_of,
    sent_by,
)

__all__ = [
    "FAILURES",
    "NULL_KEY",
    "ExactBytes",
    "HandedOver",
    "NotWritten",
    "Outbox",
    "Outgoing",
    "Pending",
    "Producer",
    "UnknownPartition",
    "Writer",
    "Writers",
    "Written",
    "check_overrides",
    "close_producer",
    "is_too_large",
    "open_outbox",
    "open_writers",
    "partition_of",
    "place_of",
    "producer_config",
    "sent_by",
]
