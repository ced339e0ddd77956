"""The trace that a record belongs to: the context in which it was created, as its headers tell it.

The propagator is the application's (``opentelemetry.propagate``), so any format works that it is set to. If a header
is there twice, the last one counts, as in OpenTelemetry's instrumentation for Java: a client that sends a record on
adds its own behind those it has copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter

Headers: TypeAlias = "Sequence[tuple[str, bytes | None]]"


class LastHeader(Getter[Headers]):
    """Reads the headers of a record; a value that is null or no UTF-8 is none."""

    def get(self, carrier: Headers, key: str) -> list[str] | None:
        """Return the last value of *key*."""
        for name, value in reversed(carrier):
            if name == key and value is not None:
                try:
                    return [value.decode()]
                except UnicodeDecodeError:
                    continue
        return None

    def keys(self, carrier: Headers) -> list[str]:
        """Return the names of all headers."""
        return [name for name, _ in carrier]


LAST_HEADER = LastHeader()


def creation_context(headers: Headers) -> Context:
    """The context that *headers* carry; empty if they carry none.

    It begins with nothing: the context of the code that called ``run()`` is not the record's.
    """
    return propagate.extract(headers, Context(), LAST_HEADER) if headers else Context()
