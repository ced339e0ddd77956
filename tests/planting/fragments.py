"""Finds the part of a syntax tree that equals a piece of code, and replaces it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any, NamedTuple

# The text that makes a list of `except` clauses a piece of code that can be read alone.
_TRY = "try:\n    pass\n"
# The fields in which statements may not be missing altogether.
_NEEDS_A_STATEMENT = "body"


class Fragment(NamedTuple):
    """A piece of code: one expression, or statements or ``except`` clauses that stand one after the other."""

    is_expression: bool
    nodes: list[Any]


class Place(NamedTuple):
    """The place of a fragment: a field of *parent*; the part from *start* to *end* of it, if it is a list."""

    parent: ast.AST
    field: str
    start: int | None
    end: int | None

    def replace(self, new: Fragment) -> None:
        """Put *new* there."""
        if self.start is None:
            setattr(self.parent, self.field, new.nodes[0])
            return
        found = getattr(self.parent, self.field)
        found[self.start : self.end] = new.nodes
        if not found and self.field == _NEEDS_A_STATEMENT:
            found.append(ast.Pass())


def parsed(old: str, new: str) -> tuple[Fragment, Fragment]:
    """Read both as a kind that fits both: expressions, else statements, else ``except`` clauses."""
    if old.lstrip().startswith("except"):
        return _clauses(old), _clauses(new)
    before, after = ast.parse(old).body, ast.parse(new).body
    if _is_expression(before) and _is_expression(after):
        return Fragment(True, [before[0].value]), Fragment(True, [after[0].value])
    return Fragment(False, before), Fragment(False, after)


def _clauses(code: str) -> Fragment:
    return Fragment(False, ast.parse(_TRY + code).body[0].handlers if code.strip() else [])


def _is_expression(body: list[ast.stmt]) -> bool:
    return len(body) == 1 and isinstance(body[0], ast.Expr)


def places(scope: ast.AST, old: Fragment) -> Iterator[Place]:
    """The places of *old* within *scope*, in the order of the source."""
    wanted = [ast.dump(node) for node in old.nodes]
    for node in _in_order(scope):
        for field, value in ast.iter_fields(node):
            if not isinstance(value, list):
                if old.is_expression and isinstance(value, ast.expr) and ast.dump(value) == wanted[0]:
                    yield Place(node, field, None, None)
                continue
            dumps = [ast.dump(item) if isinstance(item, ast.AST) else "" for item in value]
            for start in range(len(dumps) - len(wanted) + 1):
                if dumps[start : start + len(wanted)] == wanted:
                    yield Place(node, field, start, start + len(wanted))


def _in_order(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        yield from _in_order(child)
