"""Kind: work that is returned in a list or the like counts as handled before it was done; so does work as a value."""

from __future__ import annotations

import itertools
import subprocess
import sys
from concurrent.futures import Future

import pytest
from kafka.serializer import Deserializer

from kafka_parallel import ConfigurationError, HandlerUnfinished, RecordFailed, Result
from tests.runtime.app import App


async def work():
    pass


RETURNED = {
    "list": lambda: [work(), work()],
    "tuple": lambda: (1, Future()),
    "set": lambda: {Future()},
    "dict": lambda: {"a": Future()},
}


@pytest.mark.parametrize("executor", ["thread-pool", "asyncio"])
@pytest.mark.parametrize("kind", RETURNED)
def test_work_in_a_container_is_a_failure(kind, executor):
    async def handle_async(_):
        return RETURNED[kind]()

    app = App(1)
    error = app.run_coroutine((lambda _: RETURNED[kind]()) if executor == "thread-pool" else handle_async)

    assert isinstance(error, RecordFailed)
    assert isinstance(error.__cause__, HandlerUnfinished)
    assert f"a {kind} with" in str(error.__cause__)
    assert app.committed == 0


RESULTS = {"alone": Result(b"v"), "list": [b"v", Result(b"w")], "tuple": (Result(b"v"),)}


@pytest.mark.parametrize("executor", ["thread-pool", "asyncio"])
@pytest.mark.parametrize("kind", RESULTS)
def test_a_result_that_nothing_produces_is_a_failure(kind, executor):
    """Kind: the handler was given to run() without producing(), and its results would be lost without a word."""

    async def handle_async(_):
        return RESULTS[kind]

    app = App(1)
    error = app.run_coroutine((lambda _: RESULTS[kind]) if executor == "thread-pool" else handle_async)

    assert isinstance(error.__cause__, HandlerUnfinished)
    assert "write run(producing(handler, topic=...))" in str(error.__cause__)
    assert app.committed == 0


def sleep():
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


LAZY = {
    "zip": lambda: zip(map(print, [1]), [1], strict=True),
    "enumerate": lambda: enumerate(one for one in [1]),
    "chain": lambda: itertools.chain([1], zip([1], (one for one in [1]), strict=True)),
    "islice": lambda: itertools.islice(filter(None, [1]), 1),
}


@pytest.mark.parametrize("kind", LAZY)
def test_an_iterator_over_a_lazy_one_is_a_failure(kind):
    """Kind: work behind another iterator, whose class says nothing of it."""
    error = App(1).run_coroutine(lambda _: LAZY[kind]())

    assert isinstance(error.__cause__, HandlerUnfinished)
    assert f"a{'n' * (kind[0] in 'aeiou')} {kind}" in str(error.__cause__)


@pytest.mark.parametrize("returned", [zip([1], "a", strict=True), enumerate([1]), itertools.chain([1], (2,))])
def test_an_iterator_over_data_is_fine(returned):
    assert App(1).run_coroutine(lambda _: returned) is None


def test_a_program_that_still_runs_is_a_failure():
    with sleep() as program:
        error = App(1).run_coroutine(lambda _: program)
        program.communicate(b"\n")

    assert isinstance(error.__cause__, HandlerUnfinished)
    assert "Popen" in str(error.__cause__)
    assert App(1).run_coroutine(lambda _: program) is None, "it has ended"


@pytest.mark.parametrize("returned", [[], [1, None], {"a": 1}, ("a",), {1}, [[print]], list(range(1000))])
def test_plain_containers_are_fine(returned):
    app = App(2)

    assert app.run_coroutine(lambda _: returned) is None
    assert app.committed == 2


async def decode_async(data):
    return data


def decode_lazily(data):
    yield data


class AsyncDeserializer(Deserializer):
    async def deserialize(self, topic, *data):
        return data


@pytest.mark.parametrize("lazy", [True, False])
@pytest.mark.parametrize("name", ["key_deserializer", "value_deserializer"])
@pytest.mark.parametrize("deserializer", [decode_async, decode_lazily, AsyncDeserializer()])
def test_a_deserializer_that_runs_nothing_is_refused(deserializer, name, lazy):
    app = App(1)

    with pytest.raises(ConfigurationError, match=f"{name}=.*runs nothing"):
        app.parallel({name: deserializer}, lazy_deserialization=lazy, ordering="partition").run(lambda _: None)
