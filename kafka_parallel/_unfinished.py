"""Tells whether calling a user's function does its work, or only makes an object that would do it.

A call of an ``async def`` or of a function with a ``yield`` runs nothing of it. If the function shows that, it is
refused at start. If only the result does (a forgotten ``await``, ``return pool.submit(...)``), the record fails: it
must not count as handled while its work has not been done, or may not be done yet. `work_in` is the one judge of
results, of handlers as of plugins; the kinds of them are in `_shapes_of_work.py`.
"""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable
from types import CoroutineType
from typing import Any

from kafka_parallel._shapes_of_work import MANAGING, UnfinishedWork, function_in, named_work
from kafka_parallel.errors import HandlerUnfinished
from kafka_parallel.values import Halt, Retry, Skip

# The classes whose items are looked at, and how many: work is returned in lists of a few futures.
CONTAINERS = frozenset({list, tuple, set, frozenset, dict})
MOST_ITEMS = 100


class Results(tuple[Any, ...]):
    """The results of one record after they were judged, each a `kafka_parallel.Result`.

    A type of its own, so that a plain tuple of these (from a handler without `producing`) can be refused.
    """

    __slots__ = ()


# The classes of most results.
PLAIN = frozenset({type(None), bool, int, float, str, bytes, Results})


def is_async(function: Callable[..., Any]) -> bool:
    """Tell whether calling *function* makes a coroutine."""
    return _is_a(function, inspect.iscoroutinefunction)


def makes_generator(function: Callable[..., Any]) -> bool:
    """Tell whether calling *function* only makes a generator, or a context manager of one, ``async`` or not."""
    kinds = (inspect.isgeneratorfunction, inspect.isasyncgenfunction, _makes_manager)
    return any(_is_a(function, kind) for kind in kinds)


def _makes_manager(function: Any) -> bool:
    return getattr(function, "__code__", None) in MANAGING


def _is_a(function: Any, kind: Callable[[object], bool]) -> bool:
    """Look through arguments bound to *function*, and at the method by which an object is called."""
    while isinstance(function, functools.partial):
        function = function.func
    return kind(function) or kind(getattr(function, "__call__", None))  # noqa: B004


# see docs/decisions/0055-results-judged-in-one-place.md
def require_finished(returned: object, *, may_skip: bool = False) -> None:
    """Refuse a result that is the work itself, or a decision that is none of a handler.

    :param may_skip: whether a plugin may have answered in its place: ``Skip`` is an answer of ``on_record``.
    :raises HandlerUnfinished: it is.
    """
    if type(returned) not in PLAIN and (what := unfinished(returned, may_skip=may_skip)) is not None:
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


def unfinished(returned: Any, *, may_skip: bool = False) -> HandlerUnfinished | None:
    """The failure of a record whose handler *returned* work instead of doing it; ``None`` if it did it.

    The same goes for an answer of ``on_error``, whose author wants the record tried again or the consumer to stop.
    """
    if issubclass(type(returned), (Retry, Halt) if may_skip else (Retry, Skip, Halt)):  # isinstance() would ask it
        return HandlerUnfinished(
            f"the handler returned {type(returned).__name__}(...): that is an answer of on_error; raise an error, and "
            "let the plugin 'retry', or one with an on_error of your own, decide"
        )
    if type(returned) in CONTAINERS:
        return _inside(returned)
    found = work_in(returned) or function_in(returned)
    if found is None:
        return None
    return HandlerUnfinished(f"the handler returned {found.name} instead of doing its work: {found.advice}")


def _inside(returned: Any) -> HandlerUnfinished | None:
    """The failure of a record whose handler *returned* some work in a list or the like; only one level is looked at."""
    items = returned.values() if type(returned) is dict else returned
    found = [what for item in itertools.islice(items, MOST_ITEMS) if (what := work_in(item)) is not None]
    if not found:
        return None
    return HandlerUnfinished(
        f"the handler returned a {type(returned).__name__} with {found[0].name} in it instead of doing its work: "
        f"{found[0].advice}"
    )


def work_in(returned: object) -> UnfinishedWork | None:
    """Name the kind of *returned* if it is work that has yet to be done or waited for; ``None`` if it is none.

    A coroutine that nothing has begun is closed, or Python would warn that it was never awaited. User code is not run.
    """
    found = named_work(returned)
    if issubclass(type(returned), CoroutineType):  # isinstance() would ask the object, too
        _close(returned)
    return found


def _close(coroutine: Any) -> None:
    if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
        coroutine.close()
