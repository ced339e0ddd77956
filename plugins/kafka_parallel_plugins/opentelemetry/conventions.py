"""The names of OpenTelemetry's semantic conventions that spans and metrics of a Kafka consumer have, version 1.44.0.

The conventions for messaging are in development: a name may change with a minor version of them, and ours then change
with a minor version of this library. All are here.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from kafka_parallel.plugin_support import full_class_name

SCOPE = "kafka_parallel"
SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"

SYSTEM = "messaging.system"
KAFKA = "kafka"
OPERATION_NAME = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
PROCESS, COMMIT, POLL, SETTLE = "process", "commit", "poll", "settle"
DESTINATION = "messaging.destination.name"
PARTITION = "messaging.destination.partition.id"
GROUP = "messaging.consumer.group.name"
CLIENT = "messaging.client.id"
OFFSET = "messaging.kafka.offset"
TOMBSTONE = "messaging.kafka.message.tombstone"
KEY = "messaging.kafka.message.key"
BODY_SIZE = "messaging.message.body.size"
BATCH_COUNT = "messaging.batch.message_count"
ERROR_TYPE = "error.type"
OTHER_ERROR = "_OTHER"

# No convention has these.
ATTEMPT = "kafka_parallel.attempt"
QUEUE_DURATION = "kafka_parallel.queue.duration"
SOURCE_TOPIC = "kafka_parallel.source.topic"
PAUSE_REASON = "kafka_parallel.pause.reason"

PROCESS_DURATION = "messaging.process.duration"
CONSUMED_MESSAGES = "messaging.client.consumed.messages"
OPERATION_DURATION = "messaging.client.operation.duration"
DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)


def own_version() -> str | None:
    """The version of this library, for the scope of spans and metrics; ``None`` if it is not installed."""
    try:
        return version("kafka-parallel")
    except PackageNotFoundError:
        return None


def error_type(error: BaseException) -> str:
    """The value of ``error.type``: module and name of the class, the name alone of a built-in one.

    The SDK writes ``exception.type`` of the event in the same way, so the two can be compared.
    """
    return full_class_name(error).removeprefix("builtins.")


def client_attributes(group_id: str | None, client_id: object) -> dict[str, str]:
    """The attributes that tell one consumer from another."""
    attributes = {SYSTEM: KAFKA}
    if group_id is not None:
        attributes[GROUP] = group_id
    if isinstance(client_id, str):
        attributes[CLIENT] = client_id
    return attributes
