"""How the scopes of attempts are entered and left: the cheap kind of wrapper, for plugins that only set and observe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from kafka_parallel._plugins.plugin_errors import HookOfPlugin, PluginErrors
from kafka_parallel._showing import shown
from kafka_parallel.errors import PluginError

if TYPE_CHECKING:
    from kafka_parallel._core.task import Task
    from kafka_parallel.values import AttemptScope, LeaveScope

Enter: TypeAlias = "Callable[[Task], LeaveScope | None]"
"""Enters all scopes of an attempt, in its context; returns the function that leaves them, or ``None``."""


# see docs/decisions/0081-attempt-scopes.md
def compose_scopes(scopes: Sequence[tuple[str, AttemptScope]], errors: PluginErrors) -> Enter | None:
    """Put *scopes* together, the first one outermost; ``None`` if there are none.

    :param scopes: each with the name of its plugin.
    :param errors: told of the errors that they raise.
    """
    if not scopes:
        return None
    known = [(scope, HookOfPlugin(plugin, "provide_attempt_scope", errors)) for plugin, scope in scopes]

    def enter(task: Task) -> LeaveScope | None:
        leaves: EnteredScopes | None = None
        for scope, who in known:
            try:
                leave = scope(task.record, task.attempt, task.queued_at, task.assignment)
            except BaseException as error:
                _note(who, error)
                if leaves is not None:
                    leaves(error)
                raise
            if leave is not None:
                leaves = leaves or EnteredScopes()
                leaves.note_entered(leave, who)
        return leaves

    return enter


class EnteredScopes:
    """Leaves the scopes of one attempt, the last one first."""

    __slots__ = ("_leaves",)

    def __init__(self) -> None:
        self._leaves: list[tuple[LeaveScope, HookOfPlugin]] = []

    def note_entered(self, leave: LeaveScope, who: HookOfPlugin) -> None:
        """Note that *who* is to be left by *leave*."""
        self._leaves.append((leave, who))

    def __call__(self, error: BaseException | None) -> None:
        """Leave each scope, whatever another one raises.

        :param error: the error of the attempt, or ``None``.
        :raises BaseException: the error of the outermost scope that raised one.
        """
        raised = None
        for leave, who in reversed(self._leaves):
            try:
                _require_function(leave, who)
                leave(error if raised is None else raised)
            except BaseException as broken:  # noqa: BLE001 - raised below, when all have been left
                _note(who, broken)
                raised = broken
        if raised is not None:
            try:
                raise raised
            finally:
                del raised, error  # or they would hold themselves, by their tracebacks


def in_scope(leave: LeaveScope, function: Callable[..., Any], *args: Any) -> Any:
    """Call *function* inside scopes that have been entered, and leave them."""
    try:
        returned = function(*args)
    except BaseException as error:
        leave(error)
        raise
    leave(None)
    return returned


async def in_scope_async(leave: LeaveScope, function: Callable[..., Any], *args: Any) -> Any:
    """Do the same with a coroutine *function*."""
    try:
        returned = await function(*args)
    except BaseException as error:
        leave(error)
        raise
    leave(None)
    return returned


def _require_function(leave: object, who: HookOfPlugin) -> None:
    if not callable(leave):
        raise PluginError(f"plugin {who}: the scope returned {shown(leave)}, which is neither a function nor None")


def _note(who: HookOfPlugin, error: BaseException) -> None:
    if isinstance(error, Exception):
        who.raised()
