"""How does a process get a module with a change in it, while its source stays as it is?"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType

from tests.planting.change import Change, planted


def plant(change: Change) -> None:
    """Let this process import the module of *change* with it. That is for good, so it wants a process of its own.

    :raises Misplaced: as `planted` does.
    :raises RuntimeError: the module is imported already.
    """
    if change.module in sys.modules:
        raise RuntimeError(f"{change.module} is imported already, without the bug")
    sys.meta_path.insert(0, _Finder(change.module, planted(change)))


class _Finder(MetaPathFinder):
    def __init__(self, module: str, source: str) -> None:
        self._module = module
        self._source = source

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name != self._module:
            return None
        spec = PathFinder.find_spec(name, path, target)
        spec.loader = _Loader(name, spec.origin, self._source)
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, f"{self.path} with a bug", "exec", dont_inherit=True)
