"""Are two states the same?

A state is everything that can be reached from the given roots, written down in the order in which it is met; an object
met again is written as its number. So two states are equal if no act can tell them apart. The history of a state is
left out.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from functools import cache
from types import BuiltinMethodType, FunctionType, GeneratorType, MethodType
from typing import Any

from kafka_parallel._core.assignment import Assignment
from kafka_parallel._core.backpressure import Backpressure
from kafka_parallel._core.dispatch import Totals
from kafka_parallel._core.task import Task

PLAIN = (type(None), bool, int, float, str, bytes)
# Objects that tell the history of a state, or never change.
LEFT_OUT = (Totals, Backpressure, BuiltinMethodType, FunctionType, MethodType, GeneratorType, type)
# Every act is given the same time, and jumps are only told of: none of these can matter.
NAMES_LEFT_OUT = {"jumps", "record", "queued_at", "first_failed_at_ms", "failing_since", "since", "moved_at", "size"}


def canonical(*roots: Any) -> Any:
    """Write down everything that can be reached from *roots*."""
    numbers: dict[int, int] = {}
    written: list[Any] = []
    write = written.append

    def visit(found: Any) -> None:
        kind = type(found)
        if kind in PLAIN:
            write(found)
            return
        if kind is tuple:
            write(("(", len(found)))
            for item in found:
                visit(item)
            return
        if kind in LEFT_OUT or isinstance(found, type):
            return
        number = numbers.get(id(found))
        if number is not None:
            write(("#", number))
            return
        numbers[id(found)] = len(numbers)
        _write_members(found, kind, write, visit)

    for root in roots:
        visit(root)
    return tuple(written)


def _write_members(found: Any, kind: type, write: Any, visit: Any) -> None:
    if kind is list or kind is deque:
        write(("[", len(found)))
        for item in found:
            visit(item)
    elif kind is dict or kind is OrderedDict:
        write(("{", len(found)))
        for key, value in found.items():
            visit(key)
            visit(value)
    elif kind is set or kind is frozenset:
        write(("<", len(found)))
        for item in sorted(found, key=_name):
            visit(item)
    else:
        write(kind.__name__)
        for name in names_of(kind):
            visit(getattr(found, name, None))
        for name, value in sorted(getattr(found, "__dict__", {}).items()):
            if name not in NAMES_LEFT_OUT:
                visit(value)


@cache
def names_of(kind: type) -> tuple[str, ...]:
    """The slots of *kind* that matter."""
    slots = [name for base in kind.__mro__ for name in getattr(base, "__slots__", ())]
    return tuple(name for name in slots if name not in NAMES_LEFT_OUT and not name.startswith("__"))


def _name(item: Any) -> str:
    """A name that an object has in every state, to put a set in order."""
    if isinstance(item, Task):
        return f"{item.assignment.partition} {item.assignment.id} {item.offset}"
    if isinstance(item, Assignment):
        return f"{item.partition} {item.id}"
    return repr(item)


def tasks_in(*roots: Any) -> list[Task]:
    """The tasks that can be reached from *roots*, without going through a task or its lane."""
    found: dict[int, Task] = {}
    seen: set[int] = set()
    left = list(roots)
    while left:
        item = left.pop()
        kind = type(item)
        if kind is Task:
            found[id(item)] = item
            continue
        if kind in PLAIN or kind in LEFT_OUT or id(item) in seen or kind.__name__.endswith("Lane"):
            continue
        seen.add(id(item))
        if kind in (list, deque, tuple, set, frozenset):
            left.extend(item)
        elif isinstance(item, dict):
            left.extend(item)
            left.extend(item.values())
        else:
            left.extend(getattr(item, name, None) for name in names_of(kind))
    return list(found.values())
