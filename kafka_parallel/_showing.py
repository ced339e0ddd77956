"""How a value is shown in a message: briefly, whatever it is, and never with settings in it, which may be secrets."""

from __future__ import annotations

import functools
from contextlib import suppress
from types import FunctionType, MethodType
from typing import Any

# More of a text than this says no more.
LONGEST = 60
# The facts about a class, whatever its metaclass has in place of them.
_name: Any = type.__dict__["__name__"].__get__
_qualname: Any = type.__dict__["__qualname__"].__get__
_module: Any = type.__dict__["__module__"].__get__


def shown(value: object) -> str:
    """Return *value* as a message may show it.

    Numbers, names and short texts appear as they are, classes and functions by name, everything else by its type.

    A mapping may hold a password, a ``functools.partial`` be bound to one; and some objects cannot be shown at all.
    """
    if value is None or isinstance(value, (bool, int, float)):
        return repr(value)
    if isinstance(value, str):
        is_plain = type(value).__repr__ is str.__repr__  # another one may hide the text, and a part of it hides nothing
        return repr(f"{value[:LONGEST]}..." if is_plain and len(value) > LONGEST else value)
    if isinstance(value, type):
        return f"the class {_name_of_class(value)}"
    if isinstance(value, (FunctionType, MethodType, functools.partial)):
        return name_of(value)
    return kind_of(value)


def class_name(value: object) -> str:
    """Return the name of the class of *value*, of an error above all; it never raises.

    ``type(value).__name__`` asks the metaclass, which may raise, or answer something that is not a text.

    :param value: any object.
    """
    return _name_of_class(type(value))


def full_class_name(value: object) -> str:
    """Return the same with the module and the classes that it is defined in, ``?`` for a module without a name.

    :param value: any object.
    """
    module = "?"
    with suppress(AttributeError):  # it was taken away
        found: object = _module(type(value))
        module = str.__str__(found) if issubclass(type(found), str) else module
    return f"{module}.{str.__str__(_qualname(type(value)))}"


def _name_of_class(kind: type) -> str:
    return str.__str__(_name(kind))  # an attribute that was set may be of a class that derives from str


def kind_of(value: object) -> str:
    """Name the type of *value*, with its article."""
    if value is None:
        return "None"
    name = class_name(value)
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
        return f"a {class_name(error)} that cannot be shown"
