"""Whether a worker makes of a record's bytes what the installed client would have made inside of ``poll()``."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from kafka.consumer import fetcher
from kafka.serializer import Deserializer

from kafka_parallel.runtime.deserializers import deserialized, deserialized_record
from kafka_parallel.runtime.listeners import KAFKA_PYTHON_3
from tests.plugins.test_dlq import context

HEADERS = [("h", b"1"), ("none", None)]


class OfThree(Deserializer):
    """As kafka-python 3 calls it."""

    def deserialize(self, topic, headers, data):
        return (topic, list(headers), data)


class OfTwo(Deserializer):
    """As kafka-python 2 calls it."""

    def deserialize(self, topic, data):
        return (topic, data)


class OfAny(Deserializer):
    def deserialize(self, topic, *rest):
        return (topic, rest[-1])


class FailingWithType(Deserializer):
    def deserialize(self, topic, *rest):
        raise TypeError("no such type")


class Both:
    """No Deserializer, but it has the method and can be called."""

    def deserialize(self, topic, *rest):
        return ("method", topic, rest[-1])

    def __call__(self, data):
        return ("call", data)


class Falsy(OfAny):
    def __bool__(self):
        return False


def refuse(data):
    raise KeyError(data)


DESERIALIZERS = {
    "none": None,
    "function": lambda data: data if data is None else data.decode("utf-8"),
    "json": json.loads,
    "raises": refuse,
    "stops": lambda data: next(iter(())),
    **{cls.__name__: cls() for cls in (OfThree, OfTwo, OfAny, FailingWithType, Both, Falsy)},
}


def outcome(act):
    """What *act* returns, or the type and the arguments of what it raises."""
    try:
        return act()
    except BaseException as error:
        return type(error), str(error)


@pytest.mark.filterwarnings("ignore:deserializer does not implement")
@pytest.mark.parametrize("data", [b'{"a": 1}', b"\xff", b"", None], ids=repr)
@pytest.mark.parametrize("name", DESERIALIZERS)
def test_it_is_what_the_client_makes(name, data):
    configured = as_the_client_keeps(DESERIALIZERS[name])
    record = SimpleNamespace(topic="orders", headers=HEADERS)

    expected = outcome(lambda: by_the_client(configured, data))
    found = outcome(lambda: deserialized(configured, record, data))

    assert found == expected


def as_the_client_keeps(deserializer):
    """What the client's fetcher has in its configuration: 3.x wraps plain functions."""
    if not KAFKA_PYTHON_3:
        return deserializer
    wants_wrapping = deserializer is not None and not isinstance(deserializer, Deserializer)
    return fetcher.DeserializeWrapper(deserializer) if wants_wrapping else deserializer


def by_the_client(deserializer, data):
    arguments = ("orders", HEADERS, data) if KAFKA_PYTHON_3 else ("orders", data)
    return fetcher.Fetcher.PartitionRecords._deserialize(None, deserializer, *arguments)


def test_the_key_comes_first_as_in_the_client():
    def of(what):
        def deserialize(data):
            raise ValueError(what)

        return as_the_client_keeps(deserialize)

    with pytest.raises(ValueError, match="key"):
        deserialized_record(of("key"), of("value"), context().raw)
