"""The state of a plugin as numbers, so that two moments can be compared: what was counted, and how much was kept."""

from __future__ import annotations

import inspect
import logging
import threading
from collections import Counter, deque
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from kafka_parallel.testing._plugin_contract.plugin_under_test import modules_of

__all__: list[str] = []

DEPTH = 6
CONTAINERS = (list, tuple, set, frozenset, deque)
# Nothing of these is the plugin's own state.
OTHERS = (ModuleType, logging.Logger, threading.Thread, threading.local, type)
STANDARD = ("threading", "asyncio", "logging", "concurrent", "contextvars", "functools", "kafka_parallel.", "kafka.")


def counted(plugin: object) -> Counter[str]:
    """Count the state of *plugin* and of the modules of its code: by the name of each part, numbers and sizes."""
    found: Counter[str] = Counter()
    known: set[int] = set()
    if not isinstance(plugin, ModuleType):
        _count("", _attributes(plugin), found, known, DEPTH)
    for module in modules_of(plugin):
        data = {name: value for name, value in vars(module).items() if not name.startswith("__")}
        own = {name: value for name, value in data.items() if isinstance(value, (int, Mapping, *CONTAINERS))}
        _count(f"{module.__name__.rpartition('.')[2]}:", own, found, known, DEPTH)
    return found


def _count(name: str, parts: Mapping[Any, Any], found: Counter[str], known: set[int], depth: int) -> None:
    for key, value in parts.items():
        path = f"{name}{key}" if isinstance(key, str) and not name.endswith("[]") else name
        _count_one(path, value, found, known, depth)


def _count_one(path: str, value: Any, found: Counter[str], known: set[int], depth: int) -> None:
    if isinstance(value, int):
        found[path] += value
        return
    if depth == 0 or id(value) in known or isinstance(value, (str, bytes, float, *OTHERS)) or inspect.isroutine(value):
        return
    known.add(id(value))
    if isinstance(value, Mapping):
        found[f"len({path})"] += len(value)
        _count(f"{path}[]", dict(enumerate(value.values())), found, known, depth - 1)
    elif isinstance(value, CONTAINERS):
        found[f"len({path})"] += len(value)
        _count(f"{path}[]", dict(enumerate(value)), found, known, depth - 1)
    elif not type(value).__module__.startswith(STANDARD):
        _count(f"{path}.", _attributes(value), found, known, depth - 1)


def _attributes(thing: object) -> dict[str, Any]:
    slots = [name for base in type(thing).__mro__ for name in _names(vars(base).get("__slots__", ()))]
    found = {name: getattr(thing, name) for name in slots if hasattr(thing, name)}
    return {**found, **getattr(thing, "__dict__", {})}


def _names(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)
