"""The bugs that the simulations must find, by kind: each module of this package lists some as ``BUGS``."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from tests.simulation.planted.bug import Bug

__all__ = ["BUGS", "Bug"]

_TOOLS = {"bug", "notes", "plans", "search", "seeds", "__main__"}
_MODULES = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__) if found.name not in _TOOLS]
BUGS: list[Bug] = [bug for module in _MODULES for bug in module.BUGS]
