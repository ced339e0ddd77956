"""Is every planted bug found, within a bounded number of seeds?

A run of the tests looks for some of them: those in files that the last commits changed come first, the others by lot.
Only bugs with a note are drawn, since the seed that is noted finds them in seconds. ``make planted`` looks for all and
writes the notes; ``KAFKA_PARALLEL_PLANTED=word`` looks for those with the word in their name, noted or not.
"""

from __future__ import annotations

import ast
import os

import pytest

from tests.lot import changed, lot
from tests.planting.change import planted
from tests.planting.scopes import path_of
from tests.simulation.planted import BUGS
from tests.simulation.planted.notes import NOTES, Missed, Notes
from tests.simulation.planted.plans import PLANS
from tests.simulation.planted.search import PATIENCE, Outcome, search

# How many bugs are looked for in the files that were changed lately, and how many in others.
OF_CHANGED, OF_OTHERS = 16, 8
NOTED = Notes()


def chosen():
    """The bugs to look for: those asked for, else a few of each sort."""
    if word := os.environ.get("KAFKA_PARALLEL_PLANTED"):
        found = [bug for bug in BUGS if word in bug.name]
        return found or pytest.fail(f"KAFKA_PARALLEL_PLANTED: no planted bug has {word!r} in its name", pytrace=False)
    known = [bug for bug in BUGS if bug.name in NOTED.found] if NOTED.exist else BUGS
    first = [bug for bug in known if path_of(bug.change.module) in changed()]
    others = [bug for bug in known if bug not in first]
    by_lot = lot()
    return by_lot.sample(first, min(len(first), OF_CHANGED)) + by_lot.sample(others, min(len(others), OF_OTHERS))


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_has_its_place(bug):
    source = path_of(bug.change.module).read_text()

    assert ast.dump(ast.parse(planted(bug.change))) != ast.dump(ast.parse(source)), "it changes nothing"


def test_every_plan_is_for_a_bug():
    assert PLANS.keys() <= {bug.name for bug in BUGS}


def test_no_two_bugs_have_the_same_name():
    assert len({bug.name for bug in BUGS}) == len(BUGS)


@pytest.mark.skipif(not NOTES.exists(), reason="`make planted` has not noted anything yet")
def test_every_bug_has_a_note():
    assert NOTED.names == {bug.name for bug in BUGS}, "run: python -m tests.simulation.planted --missing"


def test_for_every_bug_that_no_seed_finds_the_reason_is_noted():
    assert [name for name, missed in NOTED.missed.items() if not missed.reason] == []


@pytest.mark.timeout(PATIENCE + 60)
@pytest.mark.parametrize("bug", chosen(), ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug, tmp_path):
    outcome = search(bug, tmp_path, first=NOTED.found.get(bug.name))

    assert outcome.seed is not None, f"{outcome.tried} seeds did not notice: {bug.name}\n{outcome.said}"


def test_notes_are_read_as_they_were_written(tmp_path):
    notes = Notes(tmp_path / "notes")
    notes.note("lose a record", 17, 18)
    notes.note("wait for ever", None, 500)
    again = Notes(tmp_path / "notes")

    assert again.found == {"lose a record": 17}
    assert again.missed == {"wait for ever": Missed(500, "")}


def test_a_reason_written_by_hand_is_kept(tmp_path):
    path = tmp_path / "notes"
    path.write_text("wait for ever\tnot found within 500 seeds\tnothing waits any more\n")
    Notes(path).note("wait for ever", None, 900)

    assert path.read_text() == "wait for ever\tnot found within 900 seeds\tnothing waits any more\n"


def test_a_bug_that_is_found_after_all_has_one_note(tmp_path):
    notes = Notes(tmp_path / "notes")
    notes.note("wait for ever", None, 500)
    notes.note("wait for ever", 700, 701)

    assert (tmp_path / "notes").read_text() == "wait for ever\t700\n"


def test_a_search_ends_after_as_many_seeds_as_it_may_run(tmp_path):
    assert search(BUGS[0], tmp_path, most=0) == Outcome(None, 0, "no seed failed")


def test_the_seed_that_is_noted_is_tried_first(tmp_path):
    (bug,) = (bug for bug in BUGS if bug.name.startswith("B2.1 "))

    assert search(bug, tmp_path, most=0, first=0).seed == 0


def test_a_search_that_takes_too_long_is_ended(tmp_path):
    assert search(BUGS[0], tmp_path, patience=0).said == "it was ended after 0 s"
