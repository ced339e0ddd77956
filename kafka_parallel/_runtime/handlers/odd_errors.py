"""Errors whose class cannot be looked at: a property that raises in place of ``__class__``, a metaclass without a name.

Python raises and catches them like any other. But ``isinstance()`` and ``type(error).__name__`` raise in turn, where a
failure is decided and nothing else may fail: the worker would end, and its record hang for ever. So such an error is
replaced by one that says so, in the places where errors of user code come in.
"""

from __future__ import annotations

from contextlib import suppress

from kafka_parallel._showing import class_name
from kafka_parallel.errors import HandlerError


def tamed(error: BaseException) -> BaseException:
    """Return *error*, or a `HandlerError` in its place if its class cannot be looked at."""
    with suppress(BaseException):  # it is code of the error's class
        isinstance(error, HandlerError)  # asks for the object's __class__
        if type(type(error).__name__) is str:
            return error
    return HandlerError(class_name(error), "the class of this error raises or lies when it is looked at")
