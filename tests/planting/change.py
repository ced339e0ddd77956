"""The change of a function that makes a bug, and the source with the bug in it.

`Change.where` is ``module`` or ``module:Class.method``; inner functions go on with a dot. `Change.old` and `Change.new`
are both an expression, or both statements that stand one after the other, or both ``except`` clauses of one ``try``.
They are compared as syntax trees, within *where* only, so comments, quotes and line breaks do not count.
"""

from __future__ import annotations

import ast
from difflib import get_close_matches
from textwrap import dedent, indent
from typing import NamedTuple

from tests.planting.fragments import Fragment, Place, parsed, places
from tests.planting.scopes import Misplaced, path_of, scopes

__all__ = ["Change", "Misplaced", "planted"]


class Change(NamedTuple):
    """One change of the source.

    :ivar where: the module, class or function that has *old* in it.
    :ivar old: the expression or the statements that are replaced.
    :ivar new: the replacement; nothing = the statements are removed.
    :ivar nth: which one of several equal places it is, from 1 on; without it, there has to be exactly one.
    """

    where: str
    old: str
    new: str
    nth: int | None = None

    @property
    def module(self) -> str:
        """The name of the module."""
        return self.where.partition(":")[0]

    @property
    def qualified(self) -> str:
        """The changed part of the module: nothing = any part of it."""
        return self.where.partition(":")[2]


def planted(change: Change) -> str:
    """The source of the module, written anew from its tree, with *change* in it.

    :raises Misplaced: the module, the class, the function or *old* is not there any more, or too often.
    """
    return planted_in(path_of(change.module).read_text(), change)


def planted_in(source: str, change: Change) -> str:
    """As `planted`, in the *source* of the module.

    :raises Misplaced: as `planted` does.
    """
    tree = ast.parse(source)
    old, new = parsed(dedent(change.old), dedent(change.new))
    within = scopes(tree, change.qualified, change.where)
    found = [place for scope in within for place in places(scope, old)]
    _chosen(found, change, old, within).replace(new)
    source = ast.unparse(ast.fix_missing_locations(tree))
    compile(source, change.where, "exec", dont_inherit=True)
    return source + "\n"


def _chosen(found: list[Place], change: Change, old: Fragment, within: list[ast.AST]) -> Place:
    if not found:
        raise Misplaced(f"{change.where} has no longer in it:\n{_shown(change.old)}{_nearest(old, within)}")
    if change.nth is None and len(found) > 1:
        raise Misplaced(f"{change.where} has this {len(found)} times, say by nth= which one:\n{_shown(change.old)}")
    if change.nth is not None and not 1 <= change.nth <= len(found):
        raise Misplaced(f"{change.where} has this {len(found)} times, not {change.nth}:\n{_shown(change.old)}")
    return found[(change.nth or 1) - 1]


def _shown(code: str) -> str:
    return indent(dedent(code).strip("\n"), "    ")


def _nearest(old: Fragment, within: list[ast.AST]) -> str:
    """The code that looks like *old* in the scope, for a message."""
    kind = type(old.nodes[0])
    like = {ast.unparse(node) for scope in within for node in ast.walk(scope) if isinstance(node, kind)}
    close = get_close_matches(ast.unparse(old.nodes[0]), like, n=1)
    return f"\nthe nearest is:\n{_shown(close[0])}" if close else ""
