"""Puts the record that is being handled into every line of the log: topic, partition, offset, group and attempt.

The lines may be the handler's own or any other library's: the fields are attributes of each ``logging.LogRecord``,
and context variables of structlog. Outside of a record they are ``None``.
"""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Generator
from contextlib import AbstractContextManager
from typing import Any

from kafka_parallel import (
    BatchContext,
    ConfigurationError,
    PluginError,
    RecordContext,
    Settings,
    hookimpl,
)
from kafka_parallel.logs import RecordInfo
from kafka_parallel.plugin_support import shown
from kafka_parallel.values import AttemptScope, ChildWrapper
from kafka_parallel_plugins.log_context.binding import Binding
from kafka_parallel_plugins.log_context.record_factory import INSTALLATION
from kafka_parallel_plugins.log_context.record_info import of_attempt, of_batch

__all__ = ["LogContext"]


class LogContext:
    """Sets `kafka_parallel.logs.current` around each attempt, and adds its fields to log records.

    :param keys: whether the record's key is a field, as text; it may be personal data.
    :param structlog: whether the fields are bound in structlog too; ``None`` = if it is imported by then.
    :raises ConfigurationError: one of them is of another type.
    :raises PluginError: structlog is wanted and not installed.
    """

    def __init__(self, *, keys: bool = False, structlog: bool | None = None) -> None:
        if not isinstance(keys, bool):
            raise ConfigurationError(f"keys of plugin log-context is {shown(keys)}: it must be True or False")
        if structlog is not None and not isinstance(structlog, bool):
            raise ConfigurationError(
                f"structlog of plugin log-context is {shown(structlog)}: it must be True, False or None"
            )
        if structlog and importlib.util.find_spec("structlog") is None:
            raise PluginError("plugin log-context with structlog=True needs structlog: pip install structlog")
        self._keys = keys
        self._binding = Binding(structlog)
        self._structlog = structlog
        self._lock = threading.Lock()
        self._is_in_use = False
        self._group: str | None = None

    @hookimpl
    def on_start(self, settings: Settings) -> None:
        """Add the fields to log records, as long as this consumer runs.

        :raises ConfigurationError: another consumer uses this very object.
        """
        with self._lock:
            if self._is_in_use:
                raise ConfigurationError(
                    "plugin log-context is given to two consumers as one object: make one for each, or give its name"
                )
            self._is_in_use = True
        self._group = settings.group_id
        INSTALLATION.add_user()

    @hookimpl
    def on_stop(self) -> None:
        """Put the earlier factory of log records back when the last consumer of the process with the plugin stops."""
        with self._lock:
            was_in_use, self._is_in_use = self._is_in_use, False
        if was_in_use:
            INSTALLATION.remove_user()

    @hookimpl(tryfirst=True)
    def provide_attempt_scope(self, settings: Settings) -> AttemptScope:
        """Set the record for the handler and the other plugins around it; nothing has to be reset behind it."""
        return self._binding.setter(settings.group_id, keys=self._keys)

    @hookimpl(wrapper=True, tryfirst=True)
    def on_batch(self, context: BatchContext) -> Generator[None, Any, Any]:
        """Give the lines that a handler of batches logs the fields of its batch."""
        bound = self._binding.bind(of_batch(context, self._group, keys=self._keys))
        try:
            return (yield)
        finally:
            self._binding.unbind(bound)

    @hookimpl(wrapper=True, tryfirst=True)
    def on_error(self, context: RecordContext) -> Generator[None, Any, Any]:
        """Give the lines that plugins log about a failure the fields of the record that failed."""
        bound = self._binding.bind(self._info_of(context))
        try:
            return (yield)
        finally:
            self._binding.unbind(bound)

    def _info_of(self, context: RecordContext) -> RecordInfo:
        return of_attempt(context, self._group, keys=self._keys)

    @hookimpl
    def provide_child_wrapper(self, settings: Settings) -> ChildWrapper:
        """Give the lines that a handler logs in a process of a pool the same fields."""
        return ChildLogContext(settings.group_id, keys=self._keys, structlog=self._structlog)


class ChildLogContext:
    """Sets the record in another process; log records have the fields there from the moment that this arrives.

    :param group: the consumer group.
    """

    def __init__(self, group: str | None, *, keys: bool, structlog: bool | None) -> None:
        self._group = group
        self._keys = keys
        self._structlog = structlog
        self._binding = Binding(structlog)

    def __call__(self, _: Any, context: RecordContext | BatchContext) -> AbstractContextManager[None]:
        """Set the record, or the batch, for the time of a ``with`` block."""
        if isinstance(context, BatchContext):
            return self._binding.bound(of_batch(context, self._group, keys=self._keys))
        return self._binding.bound(of_attempt(context, self._group, keys=self._keys))

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrive, (self._group, self._keys, self._structlog)


def _arrive(group: str | None, keys: bool, structlog: bool | None) -> ChildLogContext:  # noqa: FBT001 - pickle's way
    """Make the wrapper in the handler's process, which has no other use for the factory of log records."""
    INSTALLATION.add_user()
    return ChildLogContext(group, keys=keys, structlog=structlog)
