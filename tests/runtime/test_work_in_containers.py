"""Kind: work that is returned in a list or the like counts as handled before it was done; so does work as a value."""

from __future__ import annotations

from concurrent.futures import Future

import pytest
from kafka.serializer import Deserializer

from kafka_parallel import ConfigurationError, HandlerUnfinished, RecordFailed
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
