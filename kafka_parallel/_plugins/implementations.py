"""The shapes that an implementation of a hook may have, how it is called, and which of its answers count.

pluggy takes any function, and calling a generator function or an ``async def`` one runs nothing of it: such an answer
would count as one. So a function that nothing runs to its end is refused: when the plugin is registered if that can be
seen, else when it answers.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Generator, Sequence
from types import MemberDescriptorType, ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import pluggy

from kafka_parallel._showing import kind_of, shown
from kafka_parallel._suggestions import did_you_mean
from kafka_parallel._unfinished import work_in
from kafka_parallel.errors import PluginError
from kafka_parallel.values import Halt, Retry, Skip

if TYPE_CHECKING:
    from collections.abc import Mapping

Call: TypeAlias = "Callable[..., Any]"

# Something happens inside of these: the handler, the commit, the other plugins' decision.
WRAPPED = frozenset({"on_record", "on_batch", "on_commit", "on_error"})
# An answer to these may be awaited, beside an ``async def`` handler.
AWAITED = frozenset({"on_record", "on_batch"})
# The answers that an implementation that is no wrapper may give, beside None, and how it is written.
ANSWERS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "on_record": (
        lambda answer: isinstance(answer, Skip),
        "None lets the handler have the record, Skip(reason) finishes it without",
    ),
    "on_batch": (
        lambda answer: isinstance(answer, Skip),
        "None lets the handler have the records, Skip(reason) finishes them without",
    ),
    "on_commit": (
        lambda answer: answer is True,
        "None lets the consumer commit, True says that the plugin has committed by itself",
    ),
    "on_error": (lambda answer: isinstance(answer, (Retry, Skip, Halt)), "it must be Retry, Skip, Halt or None"),
}
_MARK = "kafka_parallel_impl"


class HookWithout:
    """A hook as it is without some plugins.

    pluggy has the same, for plugins that can be hashed.

    :param names: of these plugins.
    """

    def __init__(self, hook: pluggy.HookCaller, names: Collection[str]) -> None:
        self.name = hook.name
        self._hook = hook
        self._names = names

    def get_hookimpls(self) -> list[pluggy.HookImpl]:
        """The implementations, in pluggy's order."""
        return [impl for impl in self._hook.get_hookimpls() if impl.plugin_name not in self._names]


Hook: TypeAlias = "pluggy.HookCaller | HookWithout"


# see docs/decisions/0058-plugins-judged-twice.md
def mark_of(raw: object) -> Any:
    """How an attribute is marked by ``@hookimpl``, above or below ``staticmethod`` and its like; ``None`` = it is not.

    Something that answers to any name, such as a mock, is not.
    """
    for found in (raw, getattr(raw, "__func__", None)):
        mark = getattr(found, _MARK, None)
        if isinstance(mark, dict):
            return mark
    return None


def raw_attribute(plugin: object, name: str) -> object:
    """Look *name* up without running descriptors or ``__getattr__``; ``None`` if there is none."""
    own = getattr(plugin, "__dict__", {})
    if name in own and not inspect.isclass(plugin):
        return own[name]
    if isinstance(plugin, ModuleType):
        return None
    for base in (plugin if inspect.isclass(plugin) else type(plugin)).__mro__:
        if name in vars(base):
            raw = vars(base)[name]
            return getattr(plugin, name, None) if isinstance(raw, MemberDescriptorType) else raw
    return None


def problem_of(hook: str, function: Any, names: Sequence[str], *, is_wrapper: bool) -> str | None:
    """Say why *function* cannot implement *hook*, and how to write it; ``None`` if it can.

    :param names: the arguments of the hook.
    """
    # More passes inspect.isroutine(): whatever binds like a function, a functools.partial from Python 3.14 on.
    if not (inspect.isfunction(function) or inspect.ismethod(function)):
        return f"is {kind_of(function)}: write a function or a method that calls it, and mark that with @hookimpl"
    if is_wrapper and hook not in WRAPPED:
        return f"is a wrapper, and there is nothing to wrap: write @hookimpl alone, and no yield ({_WRAPPABLE})"
    missing = [name for name in _needed(function) if name not in names]
    if missing:
        meant = did_you_mean(missing[0], names, {})
        return f"needs {', '.join(missing)}, which this hook does not give: it has {', '.join(names)}{meant}"
    return _unrun(hook, function, is_wrapper=is_wrapper)


def _unrun(hook: str, function: Call, *, is_wrapper: bool) -> str | None:
    """Say which part of *function* nothing would run; ``None`` if a call runs it to its end."""
    if inspect.isasyncgenfunction(function):
        return "is an async generator, which nothing iterates: write def without async"
    if inspect.iscoroutinefunction(function) and (is_wrapper or hook not in AWAITED):
        return "is async def, and nothing awaits it: write def without async"
    if is_wrapper or not inspect.isgeneratorfunction(function):
        return None
    instead = "mark it with @hookimpl(wrapper=True)" if hook in WRAPPED else f"write no yield ({_WRAPPABLE})"
    return f"yields, and calling it would run nothing of it: {instead}"


_WRAPPABLE = f"only {', '.join(sorted(WRAPPED))} can be wrapped"


def function_of(impl: pluggy.HookImpl, names: Sequence[str]) -> Call:
    """Return the implementation as a function of all *names*, although it may take fewer, or take some by keyword."""
    function = impl.function
    places = [names.index(name) for name in impl.argnames]
    keywords = {name: names.index(name) for name in _optional(function) if name in names and name not in impl.argnames}
    if keywords:
        return lambda *args: function(
            *[args[place] for place in places], **{name: args[place] for name, place in keywords.items()}
        )
    if tuple(impl.argnames) == tuple(names):
        return function
    return lambda *args: function(*[args[place] for place in places])


def takes(impl: pluggy.HookImpl, name: str) -> bool:
    """Tell whether the implementation takes the argument *name*: some are costly, and made only for those who do."""
    return name in impl.argnames or name in _optional(impl.function)


def _optional(function: Call) -> list[str]:
    """The arguments that can be given by keyword: pluggy knows of no others than those without a default."""
    parameters = inspect.signature(function).parameters.values()
    by_keyword = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [parameter.name for parameter in parameters if parameter.kind in by_keyword]


def _needed(function: Call) -> list[str]:
    """The arguments without a default: of those by keyword alone, pluggy knows nothing."""
    parameters = inspect.signature(function).parameters.values()
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [found.name for found in parameters if found.default is found.empty and found.kind not in variadic]


def wrapper_of(impl: pluggy.HookImpl, names: Sequence[str]) -> Callable[..., Generator[None, Any, Any]]:
    """Return a wrapper as a generator function of all *names* that is sent a result and returns one."""
    function = function_of(impl, names)
    if not impl.hookwrapper:
        return function

    def around(*args: Any) -> Generator[None, Any, Any]:
        """Drive pluggy's old style as pluggy does: the plugin is sent a `pluggy.Result`, even of an error."""
        old = function(*args)
        try:
            next(old)
        except StopIteration:
            return None  # without a yield: the driver of this says so
        try:
            result: pluggy.Result[Any] = pluggy.Result((yield), None)
        except BaseException as error:  # noqa: BLE001 - a wrapper may see everything the inside raises
            result = pluggy.Result(None, error)
        try:
            old.send(result)
        except StopIteration:
            return result.get_result()
        try:
            yield  # once too often: as above
        finally:
            old.close()

    return around


def checked_answer(hook: str, plugin: str, answer: Any) -> Any:
    """Return the answer of *plugin* to *hook*, which is not ``None``.

    :raises PluginError: it is no answer to that hook.
    """
    is_right, how = ANSWERS[hook]
    if is_right(answer):
        return answer
    refuse_unfinished(hook, plugin, answer)
    raise PluginError(f"{hook} of plugin {plugin!r} answered {shown(answer)}: {how}")


def refuse_unfinished(hook: str, plugin: str, answer: Any) -> None:
    """Refuse an answer that stands for work that is not done.

    :raises PluginError: *answer* is such a thing.
    """
    found = work_in(answer)
    if found is not None:
        raise PluginError(
            f"{hook} of plugin {plugin!r} answered {found.name}, and nothing runs or awaits it: do the work before "
            "returning"
        )
