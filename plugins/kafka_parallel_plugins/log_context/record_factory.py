"""Puts the fields of the current record into every log record of the process, whichever logger it is from.

``logging`` has one factory of log records for the whole process. Ours is put around the one that is there when the
first consumer starts, and taken away when the last one has stopped, unless another library has replaced it or put its
own around ours meanwhile: then ours stays where it is, and does no harm.

``Logger.makeRecord`` refuses each name in ``extra=`` that the factory has set. An application may have used our names
in ``extra`` all along, so that check alone does not find our fields, and the application's values replace them.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeAlias

from kafka_parallel.logs import FIELDS, RecordInfo, current, fields

Factory: TypeAlias = "Callable[..., logging.LogRecord]"


class Installation:
    """The factory of log records of this process, which its consumers share: the first sets it, the last resets it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._ours: Factory | None = None
        self._before: Factory | None = None

    def add_user(self) -> None:
        """Count one more consumer; put our factory around the one that is set, unless that sets the fields."""
        with self._lock:
            self._users += 1
            before = logging.getLogRecordFactory()
            if not _sets_fields(before):
                self._ours, self._before = around(before), before
                logging.setLogRecordFactory(self._ours)

    def remove_user(self) -> None:
        """Put the earlier factory back with the last user, if ours is the one that is there."""
        with self._lock:
            self._users -= 1
            if self._users or self._ours is None or self._before is None:
                return
            if logging.getLogRecordFactory() is self._ours:
                logging.setLogRecordFactory(self._before)
            self._ours = self._before = None


INSTALLATION = Installation()


def around(before: Factory) -> Factory:
    """Make a factory that adds the fields to the log records that *before* makes."""

    def make_with_fields(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        with suppress(AttributeError, TypeError):  # no LogRecord, but an object that fixes its attributes
            record.__dict__ = Attributes(vars(record))
        vars(record).update(fields())
        return record

    return make_with_fields


class Attributes(dict[str, Any]):
    """The attributes of a log record, in which ``makeRecord`` finds no field of ours; everything else does.

    It is copied and pickled as a plain dict, so that log records reach processes without this package.
    """

    __slots__ = ()

    def __contains__(self, name: object) -> bool:
        if name in FIELDS and sys._getframe(1).f_code.co_name == "makeRecord":  # noqa: SLF001 - as logging does
            return False
        return super().__contains__(name)

    def __reduce_ex__(self, _: Any) -> tuple[Any, ...]:
        return dict, (dict(self),)


def _sets_fields(factory: Factory) -> bool:
    """Tell whether *factory* has ours in it: one that another library has put around ours need not show it."""
    probe = RecordInfo("a topic that no other factory names", 0, 0)
    token = current.set(probe)
    try:
        with suppress(Exception):  # the factory is the application's; each line of its log would raise, too
            made = factory("kafka_parallel", logging.DEBUG, "", 0, "", (), None)
            return vars(made).get("kafka_topic") is probe.topic
    finally:
        current.reset(token)
    return False
