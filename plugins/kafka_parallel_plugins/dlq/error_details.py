"""The part of an error that a dead letter tells: error texts and stack traces often quote the data.

``"full"`` tells everything. ``"off"`` leaves the stack trace out. ``"redacted"`` tells where it happened and the
classes of the errors, but no text that came from the data: no messages, no source lines.
"""

from __future__ import annotations

import traceback
from dataclasses import dataclass, replace

from kafka_parallel.plugin_support import full_class_name

__all__ = ()

STACK_TRACES = ("full", "redacted", "off")
STACK_TRACE_BYTES = 8 * 1024
SHORT_STACK_TRACE_BYTES = 1024
MESSAGE_BYTES = 1024


@dataclass(frozen=True)
class ErrorDetails:
    """An error as a dead letter tells it, in UTF-8.

    :ivar name: module and name of its class.
    :ivar cause: those of the first error in its chain; of itself if nothing caused it.
    :ivar message: its text, its first 1,024 bytes; the name if it has none or may not be told.
    :ivar stack_trace: the end of its traceback; empty if it may not be told.
    """

    name: bytes
    cause: bytes
    message: bytes
    stack_trace: bytes

    def shortened(self, most: int) -> ErrorDetails:
        """Return a copy with at most the last *most* bytes of the stack trace, cut between two characters of UTF-8."""
        return replace(self, stack_trace=_whole_characters(self.stack_trace[-most:]) if most else b"")


def details_of(error: BaseException, stack_trace: str) -> ErrorDetails:
    """Describe *error* for the headers of a dead letter.

    :param stack_trace: one of `STACK_TRACES`; ``"redacted"`` leaves the text of the error out as well.
    """
    name, cause = full_class_name(error), full_class_name(_root_cause(error))
    found = traceback.TracebackException.from_exception(error)
    if stack_trace == "redacted":
        trace, message = _redacted(error), name
    else:
        # str(found) is str(error), or a placeholder where __str__ itself raises
        trace, message = "".join(found.format()) if stack_trace == "full" else "", str(found) or name
    return ErrorDetails(name.encode(), cause.encode(), _head(message), _tail(trace))


def _redacted(error: BaseException) -> str:
    """The places where *error* and its causes were raised, and their classes; nothing else."""
    lines = []
    for link in reversed(_chain(error)):
        frames = traceback.extract_tb(link.__traceback__)
        lines += [f'  File "{frame.filename}", line {frame.lineno}, in {frame.name}\n' for frame in frames]
        lines.append(full_class_name(link) + "\n")
    return "".join(lines)


def _root_cause(error: BaseException) -> BaseException:
    """Return the first error of the chain that a traceback would print; *error* itself if nothing came before it."""
    return _chain(error)[-1]


def _chain(error: BaseException) -> list[BaseException]:
    """Return *error*, its cause, the cause of that, and so on, each once."""
    chain = [error]
    while (cause := error.__cause__ or (None if error.__suppress_context__ else error.__context__)) is not None:
        if any(cause is link for link in chain):
            break
        chain.append(cause)
        error = cause
    return chain


def _head(text: str) -> bytes:
    return _whole_characters(text.encode("utf-8", "backslashreplace")[:MESSAGE_BYTES])


def _tail(text: str) -> bytes:
    # Python tells the error last, so the end must survive
    return _whole_characters(text.encode("utf-8", "backslashreplace")[-STACK_TRACE_BYTES:])


def _whole_characters(cut: bytes) -> bytes:
    return cut.decode("utf-8", "ignore").encode()
