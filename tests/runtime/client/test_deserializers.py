"""A worker makes of a record's bytes exactly the objects that the installed client would make in ``poll()``."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from kafka.consumer import fetcher
from kafka.serializer import Deserializer

from kafka_parallel._runtime.client.deserializers import deserialized, deserialized_record
from kafka_parallel._runtime.client.rebalance_listener import KAFKA_PYTHON_3
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


class OldAndFailing(Deserializer):
    """As kafka-python 2 calls it."""

    def deserialize(self, topic, data):
        raise TypeError("no such type")


def refuse(data):
    raise KeyError(data)


def text(data):
    return "text: " + data


def refuse_type(data):
    raise TypeError("no such type")


DESERIALIZERS = {
    "none": None,
    "function": lambda data: data if data is None else data.decode("utf-8"),
    "json": json.loads,
    "needs text": text,
    "refuses": refuse_type,
    "raises": refuse,
    "stops": lambda data: next(iter(())),
    **{cls.__name__: cls() for cls in (OfThree, OfTwo, OfAny, FailingWithType, OldAndFailing, Both, Falsy)},
}


def outcome(act):
    """The result of *act*, or the type and the arguments of its error."""
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

    if KAFKA_PYTHON_3 and "missing 1 required positional argument" in str(expected):
        assert found == outcome(lambda: OWN[name](data))
    else:
        assert found == expected


# Deserialisers that raise a TypeError of their own, where the bare client says that an argument of another call is
# missing.
OWN = {"json": json.loads, "needs text": text, "refuses": refuse_type}


class Delegating(Deserializer):
    """As a wrapper around one that may be written for 2.x."""

    def __init__(self, inner):
        self._inner = inner

    def deserialize(self, *arguments):
        return self._inner.deserialize(*arguments)


@pytest.mark.skipif(not KAFKA_PYTHON_3, reason="kafka-python 2 calls each in one way")
def test_the_error_that_is_told_is_the_deserialisers_own():
    record = SimpleNamespace(topic="orders", headers=HEADERS)

    with pytest.raises(TypeError, match="must be str, bytes or bytearray, not NoneType") as caught:
        deserialized(as_the_client_keeps(json.loads), record, None)
    assert caught.value.__context__ is None
    with pytest.raises(TypeError, match="no such type"):
        deserialized(OldAndFailing(), record, b"")
    with pytest.raises(TypeError, match="no such type"):
        deserialized(FailingWithType(), record, b"")
    assert deserialized(Delegating(OfTwo()), record, b"a") == ("orders", b"a")


def as_the_client_keeps(deserializer):
    """The value in the configuration of the client's fetcher: 3.x wraps plain functions."""
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
