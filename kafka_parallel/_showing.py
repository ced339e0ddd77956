"""How a value is shown in a message: briefly, whatever it is, and never with settings in it, which may be secrets."""

from __future__ import annotations

import functools
from types import FunctionType, MethodType

# More of a text than this says no more.
LONGEST = 60


def shown(value: object) -> str:
    """Return *value* as a message may show it.

    Numbers, names and short texts appear as they are, classes and functions by name, everything else by its type.

    A mapping may hold a password, a ``functools.partial`` be bound to one; and some objects cannot be shown at all.
    """
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, str):
        return repr(value if len(value) <= LONGEST else f"{value[:LONGEST]}...")
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, (FunctionType, MethodType, functools.partial)):
        return name_of(value)
    return kind_of(value)


def kind_of(value: object) -> str:
    """Name the type of *value*, with its article."""
    if value is None:
        return "None"
    name = type(value).__name__
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def name_of(function: object) -> str:
    """Name a function or another callable, without the values bound to it."""
    if isinstance(function, functools.partial):
        return f"partial({name_of(function.func)})"
    name = getattr(function, "__qualname__", None)
    return name if isinstance(name, str) else kind_of(function)


def described(error: BaseException) -> str:
    """Return the ``repr`` of *error*; some classes cannot even make that."""
    try:
        return repr(error)
    except Exception:  # noqa: BLE001 - the class of the error is at fault, and the error is what counts
        return f"a {type(error).__name__} that cannot be shown"
