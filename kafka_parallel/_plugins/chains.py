"""How plugins are called, once it is known which there are.

A pluggy call costs microseconds where a direct call costs a tenth of one, so every chain is put together once, at
start; with no plugin in it, the chain *is* the handler. The rules are pluggy's own: the last registered plugin is asked
first, a wrapper (of either style) sees the result or the error of everything inside it, the first answer that is not
``None`` counts. A value that is no answer to its hook is an error of the plugin (``implementations.py``).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, NoReturn

import pluggy

from kafka_parallel import hookspecs
from kafka_parallel._logs import area_logger
from kafka_parallel._plugins.implementations import (
    Call,
    Hook,
    checked_answer,
    function_of,
    refuse_unfinished,
    wrapper_of,
)
from kafka_parallel._plugins.plugin_errors import HookOfPlugin, PluginErrors
from kafka_parallel.errors import PluginError
from kafka_parallel.values import Halt

log = area_logger("plugins")


# see docs/decisions/0017-chains-composed-once.md
STOPPED = Halt("a fault of the program stops the consumer")


def surround(hook: Hook, innermost: Call, names: Sequence[str], errors: PluginErrors | None = None) -> Call:
    """Compose the implementations of *hook* around *innermost*.

    :param innermost: called with one positional argument for each of *names*.
    :param names: the arguments of the hook, in the order the composed function takes them.
    :param errors: told of the errors that are the implementations' own.
    :returns: *innermost* itself if no plugin implements the hook.
    :raises PluginError: an implementation is ``async def``, and nothing here can await it.
    """
    _refuse_coroutines(hook)
    errors = errors or PluginErrors()
    answers = _answers(hook, names, errors)
    composed = _first_answer(answers, innermost) if answers else innermost
    return _wrap_all(hook, composed, names, errors, _wrap)


def decision(hook: pluggy.HookCaller, errors: PluginErrors | None = None) -> Call:
    """Compose the implementations of ``on_error``: a function of its three arguments that answers ``None`` at last.

    About a fault of the program (*is_decided*) only wrappers are called, around the answer `Halt`.
    """
    names = ("record", "error", "context")

    def undecided(record: Any, error: Any, context: Any) -> None:
        """Answer nothing: no plugin has decided."""

    composed = surround(hook, undecided, names, errors)
    watched = _wrap_all(hook, lambda *_: STOPPED, names, errors or PluginErrors(), _wrap)

    def decide(record: Any, error: Any, context: Any, *, is_decided: bool = False) -> Any:
        return (watched if is_decided else composed)(record, error, context)

    return decide


def surround_async(hook: Hook, innermost: Call, names: Sequence[str], errors: PluginErrors | None = None) -> Call:
    """Compose the same around an ``async def`` *innermost*; wrappers are entered before and left after it has run."""
    errors = errors or PluginErrors()
    answers = _answers(hook, names, errors)
    composed = _first_answer_async(answers, innermost) if answers else innermost
    return _wrap_all(hook, composed, names, errors, _wrap_async)


def surround_steps(
    hook: Hook,
    names: Sequence[str],
    errors: PluginErrors | None = None,
    *,
    answered: Callable[[], None] | None = None,
) -> Callable[..., Steps] | None:
    """Compose the same for when something else runs between entering and leaving: a function that makes `Steps`.

    :param answered: called when an implementation has answered in the place of the innermost function.
    :returns: ``None`` if no plugin implements the hook.
    :raises PluginError: as `surround`.
    """
    if not hook.get_hookimpls():
        return None
    _refuse_coroutines(hook)
    errors = errors or PluginErrors()
    wrappers = [impl for impl in reversed(hook.get_hookimpls()) if _is_wrapper(impl)]
    found = [(wrapper_of(impl, names), _who(hook, impl, errors)) for impl in wrappers]
    answers = _answers(hook, names, errors)
    return lambda *args: Steps(found, answers, answered or _nothing, args)


class Steps:
    """The implementations of a hook around something that runs between `enter` and `leave`, each called once.

    :param wrappers: the outermost first.
    :param answers: the other implementations.
    :param answered: called when one of these has answered.
    :param args: the arguments of the hook.
    :ivar result: of the outermost, if the inside did not run.
    """

    def __init__(
        self,
        wrappers: Sequence[tuple[Call, HookOfPlugin]],
        answers: Sequence[Answer],
        answered: Callable[[], None],
        args: Sequence[Any],
    ) -> None:
        self._wrappers = wrappers
        self._answers = answers
        self._answered = answered
        self._args = args
        self._entered: list[tuple[Generator[None, Any, Any], HookOfPlugin]] = []
        self.result: Any = None

    def enter(self) -> bool:
        """Enter the wrappers; tell whether the inside is to run. If not, a plugin has answered, and all is left.

        :raises BaseException: one of them raised it, and no wrapper around it made something else of that.
        """
        try:
            for wrapper, who in self._wrappers:
                self._entered.append((_entered(wrapper, self._args, who), who))
            answer = self._answer()
        except BaseException as error:  # noqa: BLE001 - a wrapper may see everything the inside raises
            self.result = self.leave(None, error)
            return False
        if answer is None:
            return True
        self.result = self.leave(answer)
        return False

    def leave(self, result: Any, error: BaseException | None = None) -> Any:
        """Resume the wrappers with the *result* of the inside, or its *error*; return the outermost's result.

        :raises BaseException: the error of the outermost.
        """
        while self._entered:
            around, who = self._entered.pop()
            try:
                result = _left(around, who, result, error)
                error = None
            except BaseException as raised:  # noqa: BLE001 - as above
                error = raised
        if error is None:
            return result
        try:
            raise error
        finally:
            del error  # or it would hold itself, by its traceback

    def _answer(self) -> Any:
        for answer in self._answers:
            result = answer.asked(self._args)
            if result is not None:
                self._answered()
                return result
        return None


def _refuse_coroutines(hook: Hook) -> None:
    for impl in hook.get_hookimpls():
        if inspect.iscoroutinefunction(impl.function):
            raise PluginError(
                f"{hook.name} of plugin {impl.plugin_name!r} is async def, and nothing awaits it here: write it "
                "without async, or use an async def handler of single records"
            )


def _is_wrapper(impl: pluggy.HookImpl) -> bool:
    return impl.wrapper or impl.hookwrapper


def _who(hook: Hook, impl: pluggy.HookImpl, errors: PluginErrors) -> HookOfPlugin:
    return HookOfPlugin(impl.plugin_name, hook.name, errors)


class Answer(NamedTuple):
    """An implementation that is asked instead of the innermost function.

    :ivar function: the implementation.
    :ivar judge: passes its answer on, or raises.
    :ivar who: its plugin.
    """

    function: Call
    judge: Call
    who: HookOfPlugin

    def asked(self, args: Sequence[Any]) -> Any:
        """Return the answer of this plugin; ``None`` asks the next one."""
        try:
            result = self.function(*args)
            return None if result is None else self.judge(result)
        except Exception:
            self.who.raised()
            raise


def _answers(hook: Hook, names: Sequence[str], errors: PluginErrors) -> list[Answer]:
    """The implementations that are asked instead of the innermost function, in that order."""
    return [
        Answer(function_of(impl, names), partial(checked_answer, hook.name, impl.plugin_name), _who(hook, impl, errors))
        for impl in reversed(hook.get_hookimpls())
        if not _is_wrapper(impl)
    ]


def _wrap_all(
    hook: Hook,
    composed: Call,
    names: Sequence[str],
    errors: PluginErrors,
    wrap: Callable[[Call, Call, HookOfPlugin], Call],
) -> Call:
    """Put the wrappers of *hook* around *composed*, the last registered outermost."""
    for impl in hook.get_hookimpls():
        if _is_wrapper(impl):
            composed = wrap(wrapper_of(impl, names), composed, _who(hook, impl, errors))
    return composed


def _first_answer_async(answers: Sequence[Answer], innermost: Call) -> Call:
    async def call(*args: Any) -> Any:
        for answer, judge, who in answers:
            try:
                result = answer(*args)
                if inspect.isawaitable(result):
                    result = await result
                if result is not None:
                    return judge(result)
            except Exception:
                who.raised()
                raise
        return await innermost(*args)

    return call


def _wrap_async(wrapper: Call, inner: Call, who: HookOfPlugin) -> Call:
    async def call(*args: Any) -> Any:
        around = _entered(wrapper, args, who)
        try:
            result = await inner(*args)
        except BaseException as error:  # noqa: BLE001 - a wrapper may see everything the inside raises
            return _left(around, who, None, error)
        return _left(around, who, result)

    return call


def _nothing() -> None:
    """Do nothing."""


def _first_answer(answers: Sequence[Answer], innermost: Call) -> Call:
    def call(*args: Any) -> Any:
        for answer, judge, who in answers:
            try:
                result = answer(*args)
                if result is not None:
                    return judge(result)
            except Exception:
                who.raised()
                raise
        return innermost(*args)

    return call


def _wrap(wrapper: Call, inner: Call, who: HookOfPlugin) -> Call:
    def call(*args: Any) -> Any:
        around = _entered(wrapper, args, who)
        try:
            result = inner(*args)
        except BaseException as error:  # noqa: BLE001 - a wrapper may see everything the inside raises
            return _left(around, who, None, error)
        try:  # the work of `_left`, without its cost: nearly every record takes this way
            around.send(result)
        except StopIteration as end:
            return end.value
        except Exception:
            who.raised()
            raise
        return _yielded_twice(around, who)

    return call


def _entered(wrapper: Call, args: Sequence[Any], who: HookOfPlugin) -> Generator[None, Any, Any]:
    """Start a wrapper; it is at its yield now."""
    around: Generator[None, Any, Any] = wrapper(*args)
    try:
        next(around)
    except StopIteration:
        who.raised()
        raise RuntimeError(f"plugin {who} did not yield: a wrapper must yield exactly once") from None
    except Exception:
        who.raised()
        raise
    return around


def _left(around: Generator[None, Any, Any], who: HookOfPlugin, result: Any, error: BaseException | None = None) -> Any:
    """Resume a wrapper at its yield with *result*, or with *error*; return its result, let out its error.

    Python makes a RuntimeError of a StopIteration that a generator lets out; here it stays a StopIteration.
    """
    try:
        around.send(result) if error is None else around.throw(error)
    except StopIteration as end:
        return end.value
    except RuntimeError as raised:
        if isinstance(error, StopIteration) and raised.__cause__ is error:
            raise error from error.__cause__
        _note(who, raised, error)
        raise
    except Exception as raised:
        _note(who, raised, error)
        raise
    return _yielded_twice(around, who)


def _note(who: HookOfPlugin, raised: Exception, error: BaseException | None) -> None:
    """Count *raised*, unless it is the *error* of the inside that a wrapper lets through."""
    if raised is not error:
        who.raised()


def _yielded_twice(around: Generator[None, Any, Any], who: HookOfPlugin) -> NoReturn:
    who.raised()
    around.close()
    raise RuntimeError(f"plugin {who} yielded twice: a wrapper must yield exactly once")


def call_each(hook: pluggy.HookCaller, errors: PluginErrors, arguments: Callable[[str], Mapping[str, object]]) -> None:
    """Call every implementation of a hook that may stop the start; the first registered is called first.

    :param arguments: the arguments for the plugin of that name, by the names of the hook's arguments.
    :raises PluginError: one left its work to an await.
    """
    for impl in hook.get_hookimpls():
        given = arguments(impl.plugin_name)
        try:
            answer = function_of(impl, tuple(given))(*given.values())
            refuse_unfinished(hook.name, impl.plugin_name, answer)
        except Exception:
            errors.count(impl.plugin_name, hook.name)
            raise


class Observers:
    """The plugins that observe by one hook; one that raises, or returns an awaitable, is logged and not called again.

    :param errors: told of each that raises.
    """

    def __init__(self, hook: pluggy.HookCaller, errors: PluginErrors) -> None:
        self._errors = errors
        self._name = hook.name
        self._names = tuple(inspect.signature(getattr(hookspecs, hook.name)).parameters)
        self._impls = [(impl.plugin_name, function_of(impl, self._names)) for impl in reversed(hook.get_hookimpls())]

    def notify(self, **arguments: object) -> list[tuple[str, Any]]:
        """Tell every plugin; return their answers, without ``None``, each with the plugin's name."""
        given = [arguments[name] for name in self._names]
        told = [(impl[0], self._notify(impl, given)) for impl in list(self._impls)]
        return [(plugin, answer) for plugin, answer in told if answer is not None]

    def _notify(self, impl: tuple[str, Call], given: Sequence[object]) -> Any:
        plugin, function = impl
        try:
            answer = function(*given)
            if answer is not None:
                refuse_unfinished(self._name, plugin, answer)
        except Exception:
            with suppress(ValueError):  # another thread was told at the same time, and it raised there too
                self._impls.remove(impl)
            self._errors.count(plugin, self._name)
            log.exception("plugin %r failed in %s and will not be called for it again", plugin, self._name)
            return None
        return answer
