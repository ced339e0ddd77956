"""The graph of imports of the library and its plugins, read from the source, with imports for types."""

from __future__ import annotations

import ast
from pathlib import Path

import kafka_parallel
import kafka_parallel_plugins

PACKAGES = [Path(package.__file__).parent for package in (kafka_parallel, kafka_parallel_plugins)]


def modules():
    """All modules: name -> file."""
    return {_name(path, package.parent): path for package in PACKAGES for path in sorted(package.rglob("*.py"))}


def graph():
    """The modules that each module imports."""
    found = modules()
    return {name: _imported(path, found) - {name} for name, path in found.items()}


def circles(edges):
    """The groups of modules that import each other, directly or not."""
    reached = {name: _reached(name, edges) for name in edges}
    groups = {frozenset(other for other in seen if name in reached[other]) for name, seen in reached.items()}
    return [sorted(group) for group in groups if group]


def _name(path, root):
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(path, found):
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            full = {alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in found else node.module for name in full.values()}
    return names & found.keys()


def _reached(start, edges):
    seen, ahead = set(), [*edges[start]]
    while ahead:
        if (name := ahead.pop()) not in seen:
            seen.add(name)
            ahead += edges[name]
    return seen
