"""How plugins are called, once it is known which there are.

A pluggy call costs microseconds where a direct call costs a tenth of one, so every chain is put together once, at
start; with no plugin in it, the chain *is* the handler. The rules are pluggy's own: the last registered plugin is asked
first, a wrapper sees the result or the error of everything inside it, the first answer that is not ``None`` counts.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NoReturn, TypeAlias

import pluggy

log = logging.getLogger(__name__)

Call: TypeAlias = "Callable[..., Any]"


def surround(hook: pluggy.HookCaller, innermost: Call, names: Sequence[str]) -> Call:
    """Compose the implementations of *hook* around *innermost*.

    :param innermost: called with one positional argument for each of *names*.
    :param names: the arguments of the hook, in the order the composed function takes them.
    :returns: *innermost* itself if nobody implements the hook.
    """
    answers = _answers(hook, names)
    composed = _first_answer(answers, innermost) if answers else innermost
    return _wrap_all(hook, composed, names, _wrap)


def surround_async(hook: pluggy.HookCaller, innermost: Call, names: Sequence[str]) -> Call:
    """Compose the same around an ``async def`` *innermost*; wrappers are entered before and left after it has run."""
    answers = _answers(hook, names)
    composed = _first_answer_async(answers, innermost) if answers else innermost
    return _wrap_all(hook, composed, names, _wrap_async)


def surround_steps(hook: pluggy.HookCaller, names: Sequence[str]) -> Call | None:
    """Compose the same as generator function, for when something else runs between entering and leaving.

    The generator yields once, where the innermost function would run, and is sent its result or thrown its error; it
    returns what the outermost wrapper returns. One that ends without a yield has been answered.

    :returns: ``None`` if nobody implements the hook.
    """
    if not hook.get_hookimpls():
        return None
    composed = _first_answer_steps(_answers(hook, names))
    return _wrap_all(hook, composed, names, _wrap_steps)


def _answers(hook: pluggy.HookCaller, names: Sequence[str]) -> list[Call]:
    """The implementations that are asked instead of the innermost function, in that order."""
    return [_positional(impl, names) for impl in reversed(hook.get_hookimpls()) if not impl.wrapper]


def _wrap_all(
    hook: pluggy.HookCaller, composed: Call, names: Sequence[str], wrap: Callable[[Call, Call, str], Call]
) -> Call:
    """Put the wrappers of *hook* around what is *composed*, the last registered outermost."""
    for impl in hook.get_hookimpls():
        if impl.wrapper:
            composed = wrap(_positional(impl, names), composed, f"{impl.plugin_name!r} in {hook.name}")
    return composed


def _first_answer_steps(answers: Sequence[Call]) -> Call:
    def call(*args: Any) -> Generator[None, Any, Any]:
        for answer in answers:
            result = answer(*args)
            if result is not None:
                return result
        return (yield)

    return call


def _wrap_steps(wrapper: Call, inner: Call, who: str) -> Call:
    def call(*args: Any) -> Generator[None, Any, Any]:
        around = _entered(wrapper, args, who)
        try:
            result = yield from inner(*args)
        except BaseException as error:  # noqa: BLE001 - a wrapper may see everything the inside raises
            return _leave(around, who, partial(around.throw, error))
        return _leave(around, who, partial(around.send, result))

    return call


def _first_answer_async(answers: Sequence[Call], innermost: Call) -> Call:
    async def call(*args: Any) -> Any:
        for answer in answers:
            result = answer(*args)
            if inspect.isawaitable(result):
                result = await result
            if result is not None:
                return result
        return await innermost(*args)

    return call


def _wrap_async(wrapper: Call, inner: Call, who: str) -> Call:
    async def call(*args: Any) -> Any:
        around = _entered(wrapper, args, who)
        try:
            result = await inner(*args)
        except BaseException as error:  # noqa: BLE001 - a wrapper may see everything the inside raises
            return _leave(around, who, partial(around.throw, error))
        return _leave(around, who, partial(around.send, result))

    return call


def _positional(impl: pluggy.HookImpl, names: Sequence[str]) -> Call:
    """Return the implementation as a function of all *names*, although it may take fewer."""
    function = impl.function
    if tuple(impl.argnames) == tuple(names):
        return function
    places = [names.index(name) for name in impl.argnames]
    return lambda *args: function(*[args[place] for place in places])


def _first_answer(answers: Sequence[Call], innermost: Call) -> Call:
    def call(*args: Any) -> Any:
        for answer in answers:
            result = answer(*args)
            if result is not None:
                return result
        return innermost(*args)

    return call


def _wrap(wrapper: Call, inner: Call, who: str) -> Call:
    def call(*args: Any) -> Any:
        around = _entered(wrapper, args, who)
        try:
            result = inner(*args)
        except BaseException as error:  # noqa: BLE001 - a wrapper may see everything the inside raises
            return _leave(around, who, partial(around.throw, error))
        try:  # what `_leave` does, without its cost: this is the way of nearly every record
            around.send(result)
        except StopIteration as end:
            return end.value
        return _yielded_twice(around, who)

    return call


def _entered(wrapper: Call, args: Sequence[Any], who: str) -> Generator[None, Any, Any]:
    """Start a wrapper; it is at its yield now."""
    around: Generator[None, Any, Any] = wrapper(*args)
    try:
        next(around)
    except StopIteration:
        raise RuntimeError(f"plugin {who} did not yield: a wrapper must yield exactly once") from None
    return around


def _leave(around: Generator[None, Any, Any], who: str, resume: Callable[[], object]) -> Any:
    """Resume a wrapper after its yield and return what it returns; let out what it raises."""
    try:
        resume()
    except StopIteration as end:
        return end.value
    return _yielded_twice(around, who)


def _yielded_twice(around: Generator[None, Any, Any], who: str) -> NoReturn:
    around.close()
    raise RuntimeError(f"plugin {who} yielded twice: a wrapper must yield exactly once")


class Observers:
    """The plugins that hear one hook; one that raises is logged and hears no more of it."""

    def __init__(self, hook: pluggy.HookCaller) -> None:
        self._name = hook.name
        self._impls = list(reversed(hook.get_hookimpls()))

    def tell(self, **arguments: object) -> list[Any]:
        """Tell every plugin; return what they answered, without ``None``."""
        return [answer for impl in list(self._impls) if (answer := self._tell(impl, arguments)) is not None]

    def _tell(self, impl: pluggy.HookImpl, arguments: dict[str, object]) -> Any:
        try:
            return impl.function(*(arguments[name] for name in impl.argnames))
        except Exception:
            with suppress(ValueError):  # another thread was told at the same time, and it raised there too
                self._impls.remove(impl)
            log.exception("plugin %r failed in %s and will not be called for it again", impl.plugin_name, self._name)
            return None
