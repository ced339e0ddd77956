"""The hooks of one attempt, called by hand: as the library calls them, but on any thread and at any moment."""

from __future__ import annotations

import inspect
from collections.abc import Generator
from typing import Any, NamedTuple

from kafka_parallel import RecordContext, Settings, hookimpl
from kafka_parallel._plugins.implementations import function_of, wrapper_of
from kafka_parallel._plugins.manager import HOOKS, NO_AUTOLOAD_VARIABLE, Plugins
from kafka_parallel.testing._plugin_contract.trial_handlers import BadRecordError

__all__: list[str] = []


class Captured(NamedTuple):
    """The arguments of one attempt, caught in a run."""

    record: Any
    context: RecordContext
    settings: Settings


class Capture:
    """Catches the arguments of the first attempt."""

    def __init__(self) -> None:
        self.settings: Settings
        self.captured: Captured | None = None

    @hookimpl
    def on_start(self, settings: Settings) -> None:
        """Keep the settings."""
        self.settings = settings

    @hookimpl(wrapper=True)
    def on_record(self, record: Any, context: RecordContext) -> Generator[None, Any, Any]:
        """Keep the record."""
        if self.captured is None:
            self.captured = Captured(record, context, self.settings)
        return (yield)


class AttemptsByHand:
    """Calls the hooks of a plugin for one record after the other.

    :param captured: the arguments to begin with; each record gets a key and an offset of its own.
    """

    def __init__(self, item: object, captured: Captured) -> None:
        found = Plugins([item], {NO_AUTOLOAD_VARIABLE: "1"})
        self._captured = captured
        self._wrappers = [impl for impl in found.hook.on_record.get_hookimpls() if impl.wrapper or impl.hookwrapper]
        self._heard = found.hook.on_handled.get_hookimpls()
        self._scopes = [scope for _, scope in found.all_provided(found.hook.provide_attempt_scope, captured.settings)]
        self._asked = [impl for impl in found.hook.on_error.get_hookimpls() if not (impl.wrapper or impl.hookwrapper)]
        self._answering = [
            impl
            for impl in found.hook.on_record.get_hookimpls()
            if impl not in self._wrappers and not inspect.iscoroutinefunction(impl.function)
        ]

    @property
    def are_any(self) -> bool:
        """Tell whether the plugin has hooks that run on workers."""
        return bool(self._wrappers or self._answering or self._heard or self._scopes or self._asked)

    def attempt(self, number: int, *, fails: bool) -> None:
        """Call the hooks of an attempt at record *number*."""
        record, context = self._record(number)
        error = BadRecordError("a trial") if fails else None
        left = [scope(context.raw, 1, context.queued_at, context.assignment) for scope in self._scopes]
        around = [wrapper_of(impl, HOOKS["on_record"])(record, context) for impl in self._wrappers]
        for wrapper in around:
            next(wrapper)
        for impl in self._answering:
            function_of(impl, HOOKS["on_record"])(record, context)
        for wrapper in reversed(around):
            _leave(wrapper, error)
        for leave in left:
            if leave is not None:
                leave(error)
        self._tell(record, context, error)

    def _record(self, number: int) -> tuple[Any, RecordContext]:
        record, context, _ = self._captured
        new = {"key": b"by-hand-%d" % number, "offset": 1_000_000 + number}
        return record._replace(**new), context._replace(raw=context.raw._replace(**new))

    def _tell(self, record: Any, context: RecordContext, error: BaseException | None) -> None:
        settings, began = self._captured.settings, context.queued_at
        handled = [(context.raw, 1, began, began, began + 0.001, error)]
        for impl in self._heard:
            function_of(impl, HOOKS["on_handled"])(handled, settings)
        if error is None:
            return
        for impl in self._asked:
            function_of(impl, HOOKS["on_error"])(record, error, context)


def _leave(wrapper: Generator[None, Any, Any], error: BaseException | None) -> None:
    """Let the second half of a wrapper run, after the handler's result or *error*."""
    try:
        if error is None:
            wrapper.send(("handled", 0, 0))
        else:
            wrapper.throw(error)
    except (StopIteration, BadRecordError):
        return
