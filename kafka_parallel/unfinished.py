"""Whether calling a function of the user does its work, or only makes what would do it.

A call of an ``async def`` or of a function with a ``yield`` runs nothing of it. Where the function shows that, it is
refused at start. Where only the result does (a forgotten ``await``, ``return pool.submit(...)``), the record fails: it
must not count as handled while its work has not been done, or may not be done yet.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable
from types import CoroutineType, GeneratorType
from typing import Any

from kafka_parallel.errors import HandlerUnfinished

# What most functions return that return anything.
PLAIN = frozenset({type(None), bool, int, float, str, bytes, list, tuple, dict})
LAZY = (GeneratorType, map, filter)
# Promises that cannot be awaited, by name: who has none of them need not import their modules.
PROMISES = frozenset(
    {
        ("concurrent.futures._base", "Future"),
        ("multiprocessing.pool", "ApplyResult"),
        ("kafka.future", "Future"),
        ("greenlet", "greenlet"),
    }
)
AWAIT = "make it async def, if it is not, and await it"
RUN = "run it to its end before returning"
WAIT = "wait for its result before returning"


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling *function* makes a coroutine."""
    return _is_a(function, inspect.iscoroutinefunction)


def makes_generator(function: Callable[..., Any]) -> bool:
    """Whether calling *function* makes a generator, ``async`` or not, and runs nothing of it."""
    return _is_a(function, inspect.isgeneratorfunction) or _is_a(function, inspect.isasyncgenfunction)


def _is_a(function: Any, kind: Callable[[object], bool]) -> bool:
    """Look through what was bound to *function*, and at the method by which an object is called."""
    while isinstance(function, functools.partial):
        function = function.func
    return kind(function) or kind(getattr(function, "__call__", None))  # noqa: B004


def require_finished(returned: object) -> None:
    """Refuse what a handler *returned* if it is the work itself.

    :raises HandlerUnfinished: it is.
    """
    if type(returned) not in PLAIN and (what := unfinished(returned)) is not None:
        raise what


def finishing(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Make *handler* one that raises HandlerUnfinished if it returns work; it can be pickled if *handler* can."""
    return functools.partial(_finished, handler)


def _finished(handler: Callable[[Any], Any], given: Any) -> Any:
    returned = handler(given)
    if returned is not None:
        require_finished(returned)
    return returned


def finishing_async(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Do the same with an ``async def`` handler."""

    async def finished(given: Any) -> Any:
        returned = await handler(given)
        if returned is not None:
            require_finished(returned)
        return returned

    return finished


def unfinished(returned: Any) -> HandlerUnfinished | None:
    """What a record fails with whose handler *returned* work instead of doing it; ``None`` if it did it."""
    kind = type(returned)
    what_to_do = _what_to_do(kind)
    if what_to_do is None:
        return None
    if issubclass(kind, CoroutineType):
        returned.close()  # or Python would warn that it was never awaited
    return HandlerUnfinished(f"the handler returned {_named(returned)} instead of doing its work: {what_to_do}")


def is_work(kind: type) -> bool:
    """Whether objects of this class are work that has yet to be done, or that somebody has to wait for."""
    return _what_to_do(kind) is not None


def _what_to_do(kind: type) -> str | None:
    if issubclass(kind, LAZY):
        return RUN
    if hasattr(kind, "__await__") or issubclass(kind, CoroutineType):
        return AWAIT
    if issubclass(kind, AsyncGenerator):
        return "make it async def, if it is not, and iterate to its end"
    if any((base.__module__, base.__qualname__) in PROMISES for base in kind.__mro__):
        return WAIT
    return None


def _named(returned: Any) -> str:
    """Name it without asking it: what cannot be shown must not fail for that."""
    kind = type(returned)
    name = getattr(returned, "__qualname__", None) if kind.__module__ == "builtins" else None
    return f"a {kind.__qualname__}" + (f" of {name!r}" if name else f" ({kind.__module__})")
