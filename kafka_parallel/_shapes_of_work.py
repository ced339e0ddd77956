"""Objects that are work that has yet to be done, or to be waited for, rather than its result.

Rules:

* A class is recognised by its exact identity, never by methods that it has in common with others: sessions, locks and
  files can be entered, and results of a task queue be waited for, and all of them may be returned on purpose.
* Classes outside of the standard library are known by name: a program without them need not import them.
* An object is asked for nothing but its own attributes: one that cannot answer is still named.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import itertools
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from types import BuiltinFunctionType, CoroutineType, FunctionType, GeneratorType, MethodType
from typing import Any, NamedTuple

# Nothing of these runs before they are iterated, and they call a function for each item.
LAZY = (
    GeneratorType,
    map,
    filter,
    itertools.starmap,
    itertools.filterfalse,
    itertools.takewhile,
    itertools.dropwhile,
    type(iter(int, 1)),
)
# Iterators that hand on the items of others, and are work if one of these is.
HANDING_ON = (
    zip,
    enumerate,
    itertools.chain,
    itertools.islice,
    itertools.zip_longest,
    itertools.accumulate,
    itertools.groupby,
    itertools.compress,
    itertools.cycle,
    itertools.pairwise,
)
# The places where these keep several.
HOLDING = (tuple, type(iter(())))
MOST_INSIDE = 8
FUNCTIONS = (FunctionType, MethodType, BuiltinFunctionType, functools.partial)

AWAIT = "make it async def, if it is not, and await it"
RUN = "run it to its end before returning"
WAIT = "wait for its result before returning"
WAIT_FOR_ANSWER = (
    "wait for the broker's answer with .get(timeout=10), or return the value to producing(), which sends it"
)
WAIT_FOR_END = "wait for its end before returning"
ITERATE = "make it async def, if it is not, and iterate to its end"
ENTER = "take the decorator away that makes a context manager of the function, or enter it by a with statement"
PRODUCE = "nothing produces it: write run(producing(handler, topic=...))"
CALL = "call it (a pair of parentheses may be missing, maybe those of a decorator), or return None"


def _is_any(_: object) -> bool:
    return True


def _is_running(thread: Any) -> bool:
    return thread.ident is None or thread.is_alive()


def _is_without_code(process: Any) -> bool:
    return process.returncode is None


def _is_unfinished(process: Any) -> bool:
    return process.exitcode is None


def _was_not_entered(manager: Any) -> bool:
    return "args" in vars(manager)  # entering it forgets them


# As contextmanager and asynccontextmanager make them.
MANAGER = ("contextlib", "_GeneratorContextManagerBase")
# By module and name of the class: the test for objects that are unfinished, and the advice.
KNOWN: Mapping[tuple[str, str], tuple[Callable[[Any], bool], str]] = {
    ("concurrent.futures._base", "Future"): (_is_any, WAIT),
    ("multiprocessing.pool", "ApplyResult"): (_is_any, WAIT),
    ("multiprocessing.pool", "IMapIterator"): (_is_any, RUN),
    ("multiprocessing.process", "BaseProcess"): (_is_unfinished, WAIT),
    ("subprocess", "Popen"): (_is_without_code, WAIT_FOR_END),
    ("asyncio.subprocess", "Process"): (_is_without_code, WAIT_FOR_END),
    ("threading", "Thread"): (_is_running, WAIT),
    ("kafka.future", "Future"): (_is_any, WAIT_FOR_ANSWER),
    ("greenlet", "greenlet"): (_is_any, WAIT),
    MANAGER: (_was_not_entered, ENTER),
    ("dask.delayed", "Delayed"): (_is_any, "compute() it before returning"),
    ("celery.canvas", "Signature"): (_is_any, "send it: delay() or apply_async()"),
    ("kafka_parallel.results", "Result"): (_is_any, PRODUCE),
}


class UnfinishedWork(NamedTuple):
    """Something that is work.

    :ivar name: of the object, with an article.
    :ivar advice: to the user, on the right way.
    """

    name: str
    advice: str


def named_work(found: object) -> UnfinishedWork | None:
    """Name *found* if it is work; ``None`` if it is not."""
    advice = _advice(found)
    return None if advice is None else UnfinishedWork(_named(found), advice)


def function_in(found: object) -> UnfinishedWork | None:
    """Name *found* if it is a function: in place of a result, the call of it was forgotten. Plugins may answer some."""
    return UnfinishedWork(_named(found), CALL) if issubclass(type(found), FUNCTIONS) else None


def _advice(found: object) -> str | None:
    kind = type(found)
    if issubclass(kind, LAZY) or (kind in HANDING_ON and _hands_on_work(found)):
        return RUN
    for name in _names(kind):
        if name in KNOWN:
            is_unfinished, advice = KNOWN[name]
            return advice if is_unfinished(found) else None
    if hasattr(kind, "__await__") or issubclass(kind, CoroutineType):
        return AWAIT
    return ITERATE if issubclass(kind, AsyncGenerator) else None


def _hands_on_work(iterator: object) -> bool:
    """Tell whether *iterator* hands on the items of a lazy one; the interpreter is asked for it, not the object."""
    left, seen = [iterator], 0
    while left and seen < MOST_INSIDE:
        seen += 1
        for inner in gc.get_referents(left.pop()):
            if issubclass(type(inner), LAZY):
                return True
            if type(inner) in (*HANDING_ON, *HOLDING):
                left.append(inner)
    return False


def _names(kind: type) -> list[tuple[str, str]]:
    return [(base.__module__, base.__qualname__) for base in kind.__mro__]


def _named(found: object) -> str:
    """Name it without asking it: an object that cannot be shown must not fail for that."""
    kind = type(found)
    if MANAGER in _names(kind):
        return f"a context manager of {vars(found)['func'].__qualname__!r} that was not entered"
    name = getattr(found, "__qualname__", None) if kind.__module__ == "builtins" else None
    article = "an" if kind.__qualname__[:1].lower() in "aeiou" else "a"
    return f"{article} {kind.__qualname__}" + (f" of {name!r}" if name else f" ({kind.__module__})")


@contextlib.contextmanager
def _manage() -> Iterator[None]:
    yield


@contextlib.asynccontextmanager
async def _manage_async() -> Any:
    yield


# The code of the functions that these decorators make, one for each.
MANAGING = frozenset({_manage.__code__, _manage_async.__code__})
