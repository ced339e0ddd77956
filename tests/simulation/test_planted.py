"""Is every planted bug found, within a bounded number of seeds?

A run of the tests looks for some of them: those in files that the last commits changed come first, the others by lot.
``make planted`` looks for all; ``KAFKA_PARALLEL_PLANTED=word`` for those with the word in their name.
"""

from __future__ import annotations

import ast
import os
import random
import subprocess

import pytest

from tests.planting.change import planted
from tests.planting.scopes import path_of
from tests.simulation.planted import BUGS
from tests.simulation.planted.search import ENOUGH, PATIENCE, ROOT, noted, search

# How many recent commits tell which bugs are looked for first; how many of these, and how many of the others.
COMMITS, OF_CHANGED, OF_OTHERS = 10, 16, 8


def in_changed_files():
    """The bugs in files that the last commits changed; none where there is no history."""
    log = ["git", "log", f"-{COMMITS}", "--name-only", "--format="]
    changed = {ROOT / name for name in subprocess.run(log, cwd=ROOT, capture_output=True, text=True).stdout.split()}
    return [bug for bug in BUGS if path_of(bug.change.module) in changed]


def chosen(seed):
    """The bugs to look for: those asked for, else a few of each sort, by a lot that every worker draws alike."""
    if word := os.environ.get("KAFKA_PARALLEL_PLANTED"):
        return [bug for bug in BUGS if word in bug.name]
    lot, first = random.Random(seed), in_changed_files()
    others = [bug for bug in BUGS if bug not in first]
    return lot.sample(first, min(len(first), OF_CHANGED)) + lot.sample(others, min(len(others), OF_OTHERS))


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_has_its_place(bug):
    source = path_of(bug.change.module).read_text()

    assert ast.dump(ast.parse(planted(bug.change))) != ast.dump(ast.parse(source)), "it changes nothing"


def test_no_two_bugs_have_the_same_name():
    assert len({bug.name for bug in BUGS}) == len(BUGS)


def test_notes_are_of_bugs_that_exist():
    assert noted().keys() <= {bug.name for bug in BUGS}


@pytest.mark.timeout(PATIENCE + 60)
@pytest.mark.parametrize("bug", chosen(os.environ.get("PYTEST_XDIST_TESTRUNUID")), ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug, tmp_path):
    seed, said = search(bug, tmp_path)

    assert seed is not None, f"{ENOUGH} seeds did not notice: {bug.name}\n{said}"
