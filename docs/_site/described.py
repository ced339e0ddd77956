"""The parameters and fields that a docstring leaves out, and the durations that it gives no unit."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields, is_dataclass
from typing import Any

MENTIONED = r":(?:param|ivar) {0}:|\*{0}\*|``{0}``"
NOT_SHOWN = ("_", "on_", "provide_")  # the reference lists the arguments of a hook once
UNITS = {"_ms": r"\bmilliseconds\b", "timeout": r"\bseconds\b", "seconds": r"\bseconds?\b"}


def undescribed(found: Any) -> list[str]:
    """The parameters and fields of *found*, a class or a function, of which its docstring says nothing."""
    text = inspect.getdoc(found) or ""
    return [name for name in names(found) if not re.search(MENTIONED.format(re.escape(name)), text)]


def methods(owner: Any) -> list[Any]:
    """The public methods that the class *owner* defines, without hooks; none of anything else."""
    found = vars(owner).values() if inspect.isclass(owner) else ()
    return [each for each in found if inspect.isfunction(each) and not each.__name__.startswith(NOT_SHOWN)]


def without_unit(found: Any) -> list[str]:
    """The durations among them that are described without their unit."""
    text = inspect.getdoc(found) or ""
    return [name for name in names(found) if (unit := _unit(name)) and not _has(unit, name, text)]


def names(found: Any) -> list[str]:
    """The parameters of *found* and its public fields; none of other objects.

    The parameters of a fixture are its own business.
    """
    if hasattr(found, "_fixture_function") or getattr(found, "_is_protocol", False):
        return []
    if not (inspect.isclass(found) or inspect.isroutine(found)):
        return []
    if is_dataclass(found):
        return [field.name for field in fields(found) if not field.name.startswith("_")]
    if hasattr(found, "_fields"):
        return list(found._fields)
    if not (inspect.isroutine(found) or "__init__" in vars(found)):
        return []
    return [name for name in inspect.signature(found).parameters if not name.startswith("_") and name != "self"]


def _unit(name: str) -> str | None:
    return next((unit for end, unit in UNITS.items() if name.endswith(end)), None)


def _has(unit: str, name: str, text: str) -> bool:
    described = re.search(rf":(?:param|ivar) {name}:(.*?)(?=\n:|\n\n|\Z)", text, re.DOTALL)
    return described is None or re.search(unit, described[1]) is not None
