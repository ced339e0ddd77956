"""Finds the module, the class and the function that a change names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path

_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Misplaced(Exception):  # noqa: N818 - it is no fault of the program
    """The target of a change is not there any more, or more than once."""


def path_of(module: str) -> Path:
    """The file of the module called *module*, which is not imported: a change has to come before that.

    :raises Misplaced: there is none.
    """
    package = find_spec(module.partition(".")[0])
    base = Path(package.origin).parents[1].joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.exists():
            return path
    raise Misplaced(f"there is no module {module} any more")


def scopes(tree: ast.Module, qualified: str, where: str) -> list[ast.AST]:
    """All of *tree* that is called *qualified*: mostly one; a property has a getter and a setter.

    :param where: the name in the change, for the message.
    :raises Misplaced: nothing has this name.
    """
    if not qualified:
        return [tree]
    named = [*_named(tree, "")]
    if found := [scope for name, scope in named if name == qualified]:
        return found
    last = qualified.rsplit(".", 1)[-1]
    names = {name: name.rsplit(".", 1)[-1] for name, _ in named}
    close = [name for name, end in names.items() if end == last] or get_close_matches(qualified, names, n=3)
    others = f"; the module has {', '.join(close)}" if close else ""
    raise Misplaced(f"{where} is gone{others}")


def _named(scope: ast.AST, prefix: str) -> Iterator[tuple[str, ast.AST]]:
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, _Scope):
            yield f"{prefix}{node.name}", node
            yield from _named(node, f"{prefix}{node.name}.")
        else:
            yield from _named(node, prefix)
