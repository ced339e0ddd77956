"""Writes a line to the log without letting the log interfere with the consumer.

A handler or a filter of the application may raise (a filter reads a field that only its web requests have). With the
standard loggers that comes out of the call that logs: in the middle of a commit, or between two steps of a stop.

The library's own loggers are named by what their lines are about, and not by modules, which are private: an operator
sets levels for them. docs/reference/log-lines.md has the lines of each.

The fields in ``extra=`` are put into the log record after it was made. ``logging`` refuses fields that its factory of
log records has set already, as the plugin ``log-context`` and applications do with those of the current record.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:
    _Adapter = logging.LoggerAdapter

# The subjects of lines; each is a public name.
Area = Literal["run", "plugins", "rebalance", "poll", "handlers", "commits", "outbox", "testing"]

_extra: ContextVar[Mapping[str, object] | None] = ContextVar("kafka_parallel._logs._extra", default=None)


class _ExtraFilter(logging.Filter):
    """Puts the fields of the line that is being written into its log record, whatever its factory has set."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every line pass."""
        vars(record).update(_extra.get() or {})
        return True


_EXTRA_FILTER = _ExtraFilter()


class QuietLogger(_Adapter):
    """A logger whose calls never raise: a traceback on standard error tells of a handler or a filter that does.

    ``logging`` treats errors of its own handlers in the same way, and ``logging.raiseExceptions`` switches it off.
    Fields in ``extra=`` are set even if the factory of log records has set fields of these names.
    """

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Log *msg* with *args* if *level* is enabled; *kwargs* are those of ``logging.Logger.log``."""
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1  # the line is the caller's, not this one's
        token = _extra.set(kwargs.pop("extra", None))
        try:
            if self.isEnabledFor(level):
                self.logger.log(level, msg, *args, **kwargs)
        except Exception:  # noqa: BLE001 - the application's handlers are at fault, and a consumer goes on without them
            if logging.raiseExceptions:
                _print_exception()
        finally:
            _extra.reset(token)


def _print_exception() -> None:
    """Show the current exception, unless there is no place for it: a daemon has closed standard error, say."""
    with suppress(Exception):
        traceback.print_exc()


def get_logger(name: str) -> QuietLogger:
    """The logger *name*, as ``logging.getLogger`` finds it."""
    logger = logging.getLogger(name)
    logger.addFilter(_EXTRA_FILTER)
    return QuietLogger(logger, {})


def area_logger(area: Area) -> QuietLogger:
    """The library's own logger for lines about *area*, ``kafka_parallel.<area>``."""
    return get_logger(f"kafka_parallel.{area}")
