"""Sets the current record for the lines that are logged meanwhile, in this library's own variable and in structlog's.

An error of structlog reaches no record: it is logged once, and structlog is left alone from then on.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Token
from typing import TYPE_CHECKING, Any, TypeAlias

from kafka_parallel.logs import RecordInfo, current
from kafka_parallel.plugin_support import get_logger
from kafka_parallel_plugins.log_context.record_info import of_record

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

    from kafka_parallel.values import AttemptScope, Ownership

log = get_logger("kafka_parallel_plugins.log_context")

Bound: TypeAlias = "tuple[Token[Any], Any]"


class Binding:
    """Sets and resets the current record; any thread may do so, in its own context.

    :param structlog: whether to bind the fields in structlog too; ``None`` = as soon as it is imported.
    """

    def __init__(self, structlog: bool | None) -> None:  # noqa: FBT001 - the plugin's setting
        self._structlog = structlog
        self._lock = threading.Lock()

    def bind(self, info: RecordInfo) -> Bound:
        """Set the current record of this context; return the argument of `unbind`, to be called in the same one."""
        token = current.set(info)
        if self._structlog is False or "structlog" not in sys.modules:
            return token, None
        return token, self._bind_in_structlog(info)

    def setter(self, group: str | None, *, keys: bool) -> AttemptScope:
        """Return a function that sets the attempt it is called with, in a context that ends with the attempt.

        It is called for every record, and most of them log nothing.
        """
        set_current, modules = current.set, sys.modules

        def make(raw: ConsumerRecord, attempt: int) -> RecordInfo:
            return of_record(raw, attempt, group, keys=keys)

        def set_record(raw: ConsumerRecord, attempt: int, _queued_at: float, _assignment: Ownership) -> None:
            set_current((make, raw, attempt))
            if self._structlog is not False and "structlog" in modules:
                self._bind_in_structlog(make(raw, attempt))

        return set_record

    def unbind(self, bound: Bound) -> None:
        """Set the record again that was the current one before.

        The coroutine of a handler whose event loop has ended is closed by the garbage collector, in whichever context
        that runs: the record's own context has ended by then, and there is nothing to set.
        """
        token, tokens = bound
        try:
            current.reset(token)
        except ValueError:
            return
        if tokens is not None:
            self._unbind_in_structlog(tokens)

    @contextmanager
    def bound(self, info: RecordInfo) -> Iterator[None]:
        """Set the current record for the time of a ``with`` block."""
        bound = self.bind(info)
        try:
            yield
        finally:
            self.unbind(bound)

    def _bind_in_structlog(self, info: RecordInfo) -> Any:
        known = {name: value for name, value in info.fields().items() if value is not None}
        try:
            from structlog.contextvars import bind_contextvars

            return bind_contextvars(**known)
        except Exception:  # noqa: BLE001 - structlog is at fault, or what stands in for it
            self._give_up()

    def _unbind_in_structlog(self, tokens: Any) -> None:
        try:
            from structlog.contextvars import reset_contextvars

            reset_contextvars(**tokens)
        except Exception:  # noqa: BLE001 - as above
            self._give_up()

    def _give_up(self) -> None:
        with self._lock:  # many records may be bound by then, and each of them gets here
            has_given_up, self._structlog = self._structlog is False, False
        if not has_given_up:
            log.exception("structlog failed: its lines have no fields of the record from now on")
