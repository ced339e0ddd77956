"""Each module without an underscore says which of its names are public. Kind: an import that nothing promises."""

from __future__ import annotations

import ast
from functools import cache

import pytest

from tests.structure.imports import modules

# No library: a tool to run, and the simulated runs of plugin contracts.
TOOLS = ("kafka_parallel.testing.simulation",)


@cache
def open_modules():
    """The modules that anyone may import: name -> syntax tree."""
    return {
        name: ast.parse(path.read_text())
        for name, path in modules().items()
        if not any(part.startswith("_") for part in name.split(".")) and not is_part(name)
    }


def is_part(name):
    """Tell whether a module is a tool's, or one of those that make up a plugin: its package lists the names."""
    return name.startswith(TOOLS) or (name.startswith("kafka_parallel_plugins.") and name.count(".") > 1)


def declared(tree):
    """The names in ``__all__``; ``None`` if there is none."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
            return list(ast.literal_eval(node.value))
    return None


def bound(tree):
    """The names that a module has at its top."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def test_every_module_says_which_of_its_names_are_public():
    assert len(open_modules()) > 60
    without = [name for name, tree in open_modules().items() if declared(tree) is None]
    assert without == [], "list the names in the reference as __all__ of these; () if nothing of a module is public"


@pytest.mark.parametrize("name", open_modules())
def test_no_name_is_promised_that_a_module_does_not_have(name):
    tree = open_modules()[name]

    assert [found for found in declared(tree) or () if found not in bound(tree)] == []


@pytest.mark.parametrize(("source", "names"), [("x = 1", None), ("__all__ = ()", []), ('__all__ = ["A"]', ["A"])])
def test_the_list_is_found_in_the_source(source, names):
    assert declared(ast.parse(source)) == names
