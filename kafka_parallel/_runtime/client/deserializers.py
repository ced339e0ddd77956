"""How a record gets its objects outside of ``poll()``, exactly as the client would have made them inside."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from kafka.consumer.fetcher import ConsumerRecord
from kafka.serializer import Deserializer

from kafka_parallel._runtime.client.rebalance_listener import KAFKA_PYTHON_3
from kafka_parallel._runtime.client.signatures import misfit
from kafka_parallel._showing import shown
from kafka_parallel._unfinished import is_async, makes_generator
from kafka_parallel.errors import ConfigurationError


# see docs/decisions/0063-deserialise-in-the-worker.md
class PassThrough:
    """A deserialiser that leaves bytes alone, in both of kafka-python's calling conventions."""

    def __call__(self, data: bytes | None) -> bytes | None:
        """As a plain function (2.x)."""
        return data

    def deserialize(self, topic: str, *rest: Any) -> bytes | None:  # noqa: ARG002 - the client's signature
        """As a ``Deserializer``: (topic, data) in 2.x, (topic, headers, data) in 3.x."""
        data: bytes | None = rest[-1]
        return data


def check_deserializer(name: str, deserializer: Any) -> None:
    """Check that the client, and we, can call *deserializer*: else every record fails.

    :raises ConfigurationError: they cannot.
    """
    if deserializer is None:
        return
    called = getattr(deserializer, "deserialize", deserializer)
    if is_async(called) or makes_generator(called):
        raise ConfigurationError(
            f"{name}={shown(deserializer)} of the KafkaConsumer: a call of it runs nothing, and each record would get "
            "an object that has yet to be run instead of its data; it must have no async and no yield"
        )
    if _fits(deserializer):
        return
    raise ConfigurationError(
        f"{name}={shown(deserializer)} of the KafkaConsumer cannot be called: give a function of the bytes, or an "
        "instance of kafka-python's Deserializer"
    )


def _fits(deserializer: Any) -> bool:
    called, counts = deserializer, [1]
    if hasattr(deserializer, "deserialize") if KAFKA_PYTHON_3 else isinstance(deserializer, Deserializer):
        called, counts = deserializer.deserialize, [3, 2] if KAFKA_PYTHON_3 else [2]
    return callable(called) and any(misfit(called, count) is None for count in counts)


def from_fields(deserializers: Mapping[str, Any]) -> Callable[[tuple[Any, ...]], Any]:
    """Make a function from the fields of a raw record to the record with its objects; it can be pickled if they can."""
    key, value = deserializers["key_deserializer"], deserializers["value_deserializer"]
    if key is None and value is None:
        return ConsumerRecord._make  # type: ignore[no-any-return]
    return partial(_deserialized_fields, key, value)


def _deserialized_fields(key: Any, value: Any, fields: tuple[Any, ...]) -> Any:
    return deserialized_record(key, value, ConsumerRecord._make(fields))


def deserialized_record(key: Any, value: Any, record: Any) -> Any:
    """Return *record* with its objects; *key* and *value* are the deserialisers, ``None`` for bytes."""
    headers = [*record.headers] if record.headers else record.headers  # the handler may change its list
    return record._replace(
        key=deserialized(key, record, record.key),
        value=deserialized(value, record, record.value),
        headers=headers,
    )


def deserialized(deserializer: Any, record: Any, data: bytes | None) -> Any:
    """Deserialise as the client would have done in ``poll()``, and raise the deserialiser's own error if it fails."""
    if not KAFKA_PYTHON_3:
        return _by_2(deserializer, record.topic, data)
    if deserializer is None:
        return data
    if not hasattr(deserializer, "deserialize"):
        return deserializer(data)
    try:
        return deserializer.deserialize(record.topic, record.headers, data)
    except TypeError as error:
        own = error
    try:  # it may be written for 2.x: the client tries the same
        return deserializer.deserialize(record.topic, data)
    except TypeError:
        if not _takes_three(deserializer.deserialize):
            raise
    raise own  # on the bare client: "missing 1 required positional argument", about a call that was not meant


def _takes_three(method: Callable[..., Any]) -> bool:
    """Tell whether *method* can be called as kafka-python 3 calls it: then its error is about the data."""
    try:
        inspect.signature(method).bind("topic", [], b"data")
    except (TypeError, ValueError):  # it takes fewer, or is written in C and does not tell
        return False
    return True


def _by_2(deserializer: Any, topic: str, data: bytes | None) -> Any:
    if not deserializer:  # as 2.x asks, which is also true of one that has a length of 0
        return data
    return deserializer.deserialize(topic, data) if isinstance(deserializer, Deserializer) else deserializer(data)
