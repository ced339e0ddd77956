"""Replaces the fetcher's ``PartitionRecords`` class, which holds the fetched data of a partition, with a subclass, on
one consumer only.

Its fetcher makes ``self.PartitionRecords(...)``, in all of kafka-python from 2.2.9 on. So an attribute of that name on
one fetcher is enough, and no module is patched. The replacement is the client's own class with a few methods of ours
before it, and is used only if it reads as the client's class does: see ``reading_trial.py``.
"""

from __future__ import annotations

import inspect
from typing import Any, ClassVar

import kafka

from kafka_parallel._runtime.client import reading_trial

NAME = "PartitionRecords"


class StandIn:
    """The base class before the client's class in one made of both.

    :cvar replaces: the client's methods that it stands in for, with their parameters.
    :cvar catches_errors: whether the client's errors do not come out of it.
    """

    replaces: ClassVar[tuple[str, ...]] = ("take",)
    catches_errors: ClassVar[bool] = False


# see docs/decisions/0042-decoder-on-one-object.md
def put(fetcher: Any, kind: type[StandIn], **attributes: Any) -> str:
    """Replace the fetcher's class NAME by a subclass with *kind* as its first base, or return the reason not to."""
    base = getattr(fetcher, NAME, None)
    if base is None or (NAME in vars(fetcher) and not issubclass(base, StandIn)):
        return f"{type(fetcher).__module__}.{type(fetcher).__qualname__} has no {NAME} of kafka-python's"
    changed = type(NAME, (kind, base), attributes)
    if problem := _unlike(kind, _clients(base)) or _difference(kind, base, changed, attributes):
        return f"its records differ from those of kafka-python {kafka.__version__} ({problem})"
    setattr(fetcher, NAME, changed)
    return ""


def remove_last(fetcher: Any) -> None:
    """Let *fetcher* use the class again that it had before the last change."""
    base = vars(fetcher)[NAME].__bases__[1]
    if issubclass(base, StandIn):
        setattr(fetcher, NAME, base)
    else:
        remove(fetcher)


def remove(fetcher: Any) -> None:
    """Let *fetcher* use the client's class again."""
    if issubclass(vars(fetcher).get(NAME, object), StandIn):
        delattr(fetcher, NAME)


def clients_class(fetcher: Any) -> Any:
    """The class of *fetcher* below those of ours: the client's own, or that of a program that has replaced it."""
    return _clients(getattr(fetcher, NAME))


def _clients(base: Any) -> Any:
    """The client's own class below those of ours."""
    return next(kind for kind in base.__mro__ if not issubclass(kind, StandIn))


def _unlike(kind: type[StandIn], client: Any) -> str:
    """Tell which method of *kind* stands in for another one of *client* than it was written for."""
    for name, ours in inspect.getmembers(kind, inspect.isfunction):
        theirs = getattr(client, name, None)
        if name not in kind.replaces and theirs is not None and theirs is not getattr(object, name, None):
            return f"kafka-python has a {name}() of its own"
        if name in kind.replaces and (theirs is None or _parameters(theirs) != _parameters(ours)):
            return f"kafka-python has no {name}({', '.join(_parameters(ours))})"
    return ""


def _parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def _difference(kind: type[StandIn], base: Any, changed: Any, attributes: dict[str, Any]) -> str:
    """Try both; it is cheaper to find out now than to guess from a version. Those of ours in *base* may tell of errors
    that they read, so the client's class alone is tried on broken data.
    """
    if (problem := reading_trial.difference(base, changed, broken=False)) or kind.catches_errors:
        return problem
    client = _clients(base)
    return reading_trial.difference(client, type(NAME, (kind, client), attributes), broken=True)
