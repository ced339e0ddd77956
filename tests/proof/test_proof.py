"""Does every order of every act of a small world keep order, lose nothing and come to an end?

Kind: acts of two threads between any two of each other's steps. The first violation that was found this way: the
outcome of a failed record was collected between two appends of its worker, the partition left, and its key never ran
again. A run of the tests explores some scopes by lot, more if the core or the proof was changed lately.
"""

from __future__ import annotations

import ast
import inspect

import pytest

from tests.lot import drawn, has_changed
from tests.planting.change import planted
from tests.proof.explorer import Exploration
from tests.proof.planted import BUGS
from tests.proof.scopes import SMALL
from tests.proof.stepping import MODULES, NOT_SHARED, SHARED

# Seconds of processor time; ten times of what the longest takes.
PATIENCE = 600
SCOPES = {scope.name: scope for scope in SMALL}
# How many scopes, and how many bugs, are explored; `make unit-all` explores all of them.
MOST = 10 if has_changed("kafka_parallel/_core", "tests/proof") else 3


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scope", drawn(SMALL, MOST), ids=lambda scope: scope.name)
def test_whatever_comes_first_nothing_is_lost_and_all_of_it_ends(scope):
    found = Exploration(scope, seconds=PATIENCE).run()

    assert found.violation is None, found
    assert found.is_complete, found


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("bug", drawn(BUGS, MOST), ids=lambda bug: bug.name)
def test_a_bug_is_found(bug):
    found = Exploration(SCOPES[bug.scope], seconds=PATIENCE, bug=bug).run()

    assert found.violation is not None, found


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_bug_has_its_place(bug):
    assert planted(bug.change)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_it_is_known_of_every_attribute_whether_threads_share_it(module):
    """A new one has to be sorted in, or nothing would be stopped in front of it."""
    tree = ast.parse(inspect.getsource(module))
    stored = {
        target.attr
        for target in ast.walk(tree)
        if isinstance(target, ast.Attribute) and isinstance(target.ctx, ast.Store)
    }

    assert stored - {"units", "tasks"} <= SHARED | NOT_SHARED
