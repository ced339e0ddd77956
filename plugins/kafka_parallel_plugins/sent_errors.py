"""How the result and the error of a handler travel from the place where it ran to the one that decides about them.

Executors of other processes need it on both sides, so as little as possible is imported.
"""

from __future__ import annotations

import pickle
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

from kafka_parallel.errors import HandlerError, RemoteTraceback
from kafka_parallel.plugin_support import full_class_name

if TYPE_CHECKING:
    from kafka_parallel.values import Stage

__all__ = ()


class Raised(NamedTuple):
    """An error of a record's handler or deserialiser.

    :ivar stage: "prepare" while the record was made, "handle" after that.
    :ivar pickled: the exception; ``None`` if it does not survive being sent.
    :ivar type_name: its class.
    :ivar text: its message.
    :ivar trace: its traceback as text, with those of its causes.
    """

    stage: Stage
    pickled: bytes | None
    type_name: str
    text: str
    trace: str


def raised(stage: Stage, error: BaseException) -> Raised:
    """Describe *error* for the parent; whatever its class does, this returns."""
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return Raised(stage, _surviving(error), full_class_name(error), _said(error), trace)


def _surviving(error: BaseException) -> bytes | None:
    """Pickle *error*, if that preserves it: many an ``__init__`` takes other arguments than it passes on."""
    try:
        pickled = pickle.dumps(error)
        return pickled if type(pickle.loads(pickled)) is type(error) else None  # noqa: S301 - we just pickled it
    except Exception:  # noqa: BLE001 - the handler's class is at fault; the parent gets a stand-in
        return None


def _said(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - the handler's class is at fault
        return "(it has no message that can be shown)"


def exception_of(raised: Raised) -> BaseException:
    """Make the exception again that was raised elsewhere, or one that stands for it; it is caused by its traceback."""
    error: BaseException = HandlerError(raised.type_name, raised.text)
    if raised.pickled is not None:
        try:
            error = pickle.loads(raised.pickled)  # noqa: S301 - of our own code there, through its executor's channel
        except Exception as failed:  # noqa: BLE001 - it cannot be made here: the stand-in says what it was, and why
            error = HandlerError(raised.type_name, f"{raised.text} (its class cannot be used here: {failed!r})")
    error.__cause__ = RemoteTraceback(raised.trace)
    return error


def pickled_result(result: Any) -> bytes | None:
    """Pickle a handler's return value; ``None`` if that is nothing, or cannot be sent."""
    if result is None:
        return None
    try:
        return pickle.dumps(result)
    except Exception:  # noqa: BLE001 - documented: the handler did its work, its result just cannot be seen elsewhere
        return None
