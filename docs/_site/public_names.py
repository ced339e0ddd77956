"""The public names, and those of them that the reference leaves out.

A module is public if no part of its path has an underscore and it has ``__all__``; the names in it are public. A name
is documented if the reference documents its object, by this path or another.
"""

from __future__ import annotations

import ast
import functools
import importlib
import pkgutil
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

PACKAGES = ("kafka_parallel", "kafka_parallel_plugins")
DIRECTIVE = re.compile(r"^ *\.\. (?:auto|py:)(?!currentmodule)\w+:: ([\w.]+)", re.MULTILINE)


def public_modules() -> list[str]:
    """The paths of all public modules."""
    return [name for package in PACKAGES for name in _modules(package)]


def _modules(package: str) -> Iterator[str]:
    found = importlib.import_module(package)
    if hasattr(found, "__all__"):
        yield package
    for module in pkgutil.walk_packages(found.__path__, f"{package}."):
        if not any(part.startswith("_") for part in module.name.split(".")) and _has_all(module):
            yield module.name


def _has_all(module: pkgutil.ModuleInfo) -> bool:
    spec = module.module_finder.find_spec(module.name, None)  # type: ignore[call-arg] # a path finder
    body = ast.parse(Path(spec.origin).read_text()).body
    names = [target for node in body if isinstance(node, ast.Assign) for target in node.targets]
    return any(isinstance(name, ast.Name) and name.id == "__all__" for name in names)


@functools.cache
def public_names() -> list[str]:
    """The paths of everything that public modules list in ``__all__``."""
    return [f"{module}.{name}" for module in public_modules() for name in importlib.import_module(module).__all__]


def named_in(pages: Path) -> set[str]:
    """The names that the reference below *pages* documents, by its directives."""
    return {name for page in pages.rglob("*.md") for name in DIRECTIVE.findall(page.read_text())}


def missing(documented: Collection[str], public: Collection[str] | None = None) -> list[str]:
    """The public names whose object is none of the *documented* ones."""
    objects = {id(found) for found in map(resolved, documented) if found is not None}
    wanted = public_names() if public is None else public
    return [name for name in wanted if not _is_module(name) and id(resolved(name)) not in objects]


def _is_module(name: str) -> bool:
    return type(resolved(name)).__name__ == "module"


def resolved(path: str) -> Any:
    """The object at *path*, ``None`` if there is none."""
    names, found = path.split("."), None
    for length in range(len(names), 0, -1):
        try:
            found = importlib.import_module(".".join(names[:length]))
        except ModuleNotFoundError:
            continue
        for name in names[length:]:
            found = getattr(found, name, None)
        return found
    return None
