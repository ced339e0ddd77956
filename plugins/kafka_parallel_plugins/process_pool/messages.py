"""The messages between the parent and a child of the process pool.

Only these messages are pickled, and only over pipes of which no other process has an end. Data from Kafka is in them as
``bytes``, and comes out of them as ``bytes``.

The parent sends units: lists of records, each record as the tuple of its fields. The child answers with reports as it
gets on. While it works, eight bytes of shared memory tell which record it has begun, so that the parent knows the
record that was hit if the child dies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kafka_parallel_plugins.sent_errors import Raised

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
