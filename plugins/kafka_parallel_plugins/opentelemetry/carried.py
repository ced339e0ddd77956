"""How the identity of a span travels between this process and one of a pool: as a tuple of numbers.

It gets out of there on the error that the handler raised, because nothing else that is sent back has a place for it.
The parent decides about the error inside the context of that span, and tells the process that gets the next attempt.
"""

from __future__ import annotations

from typing import TypeAlias

from opentelemetry.trace import SpanContext, TraceFlags

Sent: TypeAlias = "tuple[int, int, int]"
_NAME = "__kafka_parallel_span__"


def sent(identity: SpanContext) -> Sent:
    """Write *identity* down."""
    return identity.trace_id, identity.span_id, int(identity.trace_flags)


def received(numbers: Sent) -> SpanContext:
    """Read it."""
    trace_id, span_id, flags = numbers
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))


def carry(error: BaseException, identity: SpanContext) -> None:
    """Write *identity* onto *error*; an error that cannot be sent as it is does not bring it along."""
    setattr(error, _NAME, sent(identity))


def carried_by(error: BaseException) -> SpanContext | None:
    """The identity on *error*, if there is one."""
    found = getattr(error, _NAME, None)
    return received(found) if isinstance(found, tuple) else None
