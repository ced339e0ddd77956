"""Unexpected behaviour of user functions, for the table in the tests and for simulations.

Each behaviour has a meaning for the record if a handler shows it: it is handled, it has failed and ``on_error`` is
asked, or run() ends with the error. Whatever it is, "committed and none of these" may never be.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from typing import Any, Literal, NamedTuple, NoReturn, TypeAlias

Meaning: TypeAlias = Literal["handled", "failed", "fatal"]


class PanicException(BaseException):
    """As extensions written in Rust raise it: no Exception, and no reason to end the process either."""


class RetriableError(Exception):
    """Has the attribute of kafka-python's errors that may pass."""

    retriable = True


class UnspeakableError(Exception):
    """Cannot be shown."""

    def __str__(self) -> str:
        raise ValueError("on purpose")

    __repr__ = __str__


class Awaitable:
    """Can be awaited, and is nothing else; as libraries in C make them."""

    def __await__(self) -> Iterator[None]:
        yield


class Behaviour(NamedTuple):
    """One thing that a function does.

    :ivar act: shows it; a function of the user function's argument, and of the ParallelConsumer (``None`` elsewhere).
    :ivar meaning: of a handler that does it.
    :ivar raises: the class of its error; ``None`` if it returns.
    :ivar is_work: true if it returns work that has yet to run or to be waited for.
    """

    name: str
    act: Callable[[Any, Any], Any]
    meaning: Meaning
    raises: type[BaseException] | None = None
    is_work: bool = False


def _raising(name: str, kind: type[BaseException], meaning: Meaning = "failed") -> Behaviour:
    def act(_given: Any, _public: Any) -> NoReturn:
        raise kind

    return Behaviour(f"raises {name}", act, meaning, kind)


def _recurse(given: Any, public: Any) -> Any:
    return _recurse(given, public)


def _ask(_given: Any, public: Any) -> None:
    if public is not None:
        public.statistics()


def _mutate(given: Any, _public: Any) -> None:
    for record in given if isinstance(given, list) else [given]:
        if isinstance(getattr(record, "headers", None), list):
            record.headers.append(("mine", b""))
    if isinstance(given, list):
        given.clear()


def _await(_given: Any, _public: Any) -> Any:
    async def work() -> NoReturn:
        raise AssertionError("it is not awaited")

    return work()


def _yield(_given: Any, _public: Any) -> Iterator[None]:
    yield


@contextlib.contextmanager
def _manage(_given: Any, _public: Any) -> Iterator[None]:
    yield


@contextlib.asynccontextmanager
async def _manage_async(_given: Any, _public: Any) -> AsyncIterator[None]:
    yield


async def _yield_async(_given: Any, _public: Any) -> AsyncIterator[None]:
    yield


def _promise(_given: Any, _public: Any) -> asyncio.Future[None]:
    loop = asyncio.new_event_loop()
    loop.close()
    return loop.create_future()


def _work(name: str, act: Callable[[Any, Any], Any]) -> Behaviour:
    return Behaviour(f"returns {name}", act, "failed", is_work=True)


RETURNING = [
    Behaviour("returns None", lambda _given, _public: None, "handled"),
    Behaviour("returns junk", lambda _given, _public: object(), "handled"),
    Behaviour("calls statistics()", _ask, "handled"),
    Behaviour("changes its argument", _mutate, "handled"),
    _work("a coroutine", _await),
    _work("a generator", _yield),
    _work("an async generator", _yield_async),
    _work("an asyncio future", _promise),
    _work("a concurrent future", lambda _given, _public: Future()),
    _work("an awaitable", lambda _given, _public: Awaitable()),
    _work("a map", lambda given, _public: map(repr, [given])),
    _work("a context manager", _manage),
    _work("an async context manager", _manage_async),
    _work("a function", lambda _given, _public: functools.partial(print)),
]
RAISING = [
    _raising("ValueError", ValueError),
    _raising("StopIteration", StopIteration),
    _raising("StopAsyncIteration", StopAsyncIteration),
    _raising("CancelledError", asyncio.CancelledError),
    _raising("a BaseException of its own", PanicException),
    _raising("an error that says it is retriable", RetriableError),
    _raising("an error that cannot be shown", UnspeakableError),
    Behaviour("calls itself without end", _recurse, "failed", RecursionError),
    _raising("KeyboardInterrupt", KeyboardInterrupt, "fatal"),
    _raising("SystemExit", SystemExit, "fatal"),
    _raising("GeneratorExit", GeneratorExit, "fatal"),
    _raising("MemoryError", MemoryError, "fatal"),
]
BEHAVIOURS = [*RETURNING, *RAISING]
BY_NAME = {behaviour.name: behaviour for behaviour in BEHAVIOURS}
# The behaviours that simulated handlers show instead of failing as expected; deep recursion would only take long.
ODD_FAILURES = [found.name for found in BEHAVIOURS if found.meaning == "failed" and found.raises is not RecursionError]
