"""The messages between the parent and a child of the process pool.

Only these messages are pickled, and only over pipes of which no other process has an end. Data from Kafka is in them as
``bytes``, and comes out of them as ``bytes``.

The parent sends units: lists of records, each record as the tuple of its fields. The child answers with reports as it
gets on. While it works, eight bytes of shared memory tell which record it has begun, so that the parent knows the
record that was hit if the child dies.
"""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Sequence
from typing import Any, NamedTuple

from kafka_parallel.plugin_support import full_class_name

__all__ = ()

# In the shared number: which message, which of its units, which record of that. The message is named because the child
# may still write when the parent has sent the next one.
FIELD_BITS = 20
FIELD = (1 << FIELD_BITS) - 1
# The messages that the parent sends in the place of units to have the child end, and over the other pipe to get units
# back.
END = b""
GIVE_BACK = b"?"
READY = b"!"


class Place(NamedTuple):
    """The position of a child: record, unit and message; behind the last record if that returned."""

    message: int
    unit: int
    record: int


def place_of(number: int) -> Place:
    """Return the place that the shared *number* of a child says; the reverse of `number_of`."""
    return Place(number >> 2 * FIELD_BITS, number >> FIELD_BITS & FIELD, number & FIELD)


def number_of(message: int, unit: int) -> int:
    """The shared number for the first record of *unit*; those behind it follow it."""
    return (message << FIELD_BITS | unit) << FIELD_BITS


class Raised(NamedTuple):
    """An error of a record's handler or deserialiser.

    :ivar stage: "prepare" while the record was made, "handle" after that.
    :ivar pickled: the exception; ``None`` if it does not survive being sent.
    :ivar type_name: its class.
    :ivar text: its message.
    :ivar trace: its traceback as text, with those of its causes.
    """

    stage: str
    pickled: bytes | None
    type_name: str
    text: str
    trace: str


class Done(NamedTuple):
    """The progress of a unit since the last message.

    :ivar unit: its place in the message.
    :ivar returned: how many more handlers returned.
    :ivar raised: how the record behind them failed; it was the last of this unit.
    :ivar durations_ms: milliseconds that each of these took, if that was asked for.
    """

    unit: int
    returned: int
    raised: Raised | None = None
    durations_ms: Sequence[float] = ()


class Progress(NamedTuple):
    """One message of a child at work.

    :ivar done: the progress of units.
    :ivar seconds: how long that took.
    :ivar result: the value that the handler returned, pickled, if it was asked for and can be.
    """

    done: list[Done]
    seconds: float
    result: bytes | None = None


def raised(stage: str, error: BaseException) -> Raised:
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


def pickled_result(result: Any) -> bytes | None:
    """Pickle a handler's return value; ``None`` if that is nothing, or cannot be sent."""
    if result is None:
        return None
    try:
        return pickle.dumps(result)
    except Exception:  # noqa: BLE001 - documented: the handler did its work, its result just cannot be seen elsewhere
        return None
