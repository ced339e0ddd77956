"""A function that cannot take its call is refused at the start: with a dlq plugin it would drain the topic."""

from __future__ import annotations

import functools

import pytest
from kafka.serializer import Deserializer

from kafka_parallel import ConfigurationError
from tests.runtime.app import App


class Handler:
    def __call__(self, record):
        pass


class NeedsMore:
    def __init__(self, database, table):
        pass

    def __call__(self, record):
        pass


class Taking:
    def __init__(self, record):
        pass


def two(key, value):
    pass


def none():
    pass


def by_name(*, record):
    pass


def with_default(record, retries=3):
    pass


def injected(function):
    """A decorator that gives an argument of its own: the function that it wraps takes two."""

    @functools.wraps(function)
    def call(record):
        return function(None, record)

    return call


REFUSED = [two, none, by_name, Handler, NeedsMore, Handler.__call__, functools.partial(two, 1, 2)]
TAKEN = [
    with_default,
    Taking,
    Handler(),
    Handler().__call__,
    functools.partial(two, 1),
    injected(two),
    print,
    [].append,
]


@pytest.mark.parametrize("handler", REFUSED)
def test_a_handler_that_cannot_take_one_argument_is_refused(handler):
    app = App()

    with pytest.raises(ConfigurationError, match="cannot be called with one argument"):
        app.parallel(plugins=["dlq"]).run(handler)

    assert app.committed == 0


@pytest.mark.parametrize("handler", TAKEN)
def test_a_handler_that_can_is_not(handler):
    app = App()

    assert app.run_coroutine(handler) is None
    assert app.committed == 6


class Good(Deserializer):
    def deserialize(self, *given):
        return given[-1]


class Raw:
    """As some applications pass it: never instantiated."""

    def deserialize(self, topic, headers, data):
        return data

    def __init__(self, encoding, errors):
        pass


@pytest.mark.parametrize("name", ["key_deserializer", "value_deserializer"])
@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize("deserializer", ["json", 7, two, Raw, none])
def test_a_deserializer_that_cannot_be_called_is_refused(deserializer, lazy, name):
    with pytest.raises(ConfigurationError, match=f"{name}=.* of the KafkaConsumer cannot be called"):
        App().parallel({name: deserializer}, lazy_deserialization=lazy).run(lambda _: None)


@pytest.mark.parametrize("deserializer", [bytes.decode, str, len, Good(), lambda data: data])
def test_a_deserializer_that_can_is_not(deserializer):
    app = App()

    app.parallel({"key_deserializer": deserializer}).run(lambda _: None)

    assert app.committed == 6
