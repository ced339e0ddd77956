"""The canary says of each suite what breaks, and fails if one does."""

from __future__ import annotations

import pytest

from tests import canary

GOOD = '<testcase name="test_good"/>'
BAD = "".join(
    f'<testcase name="test_bad[{n}]"><failure message="AssertionError: no such client&#10;more"/></testcase>'
    for n in range(5)
)
BROKEN_FIXTURE = '<testcase name="test_it"><error message="failed on setup with KeyError"/></testcase>'
SKIPPED = '<testcase name="test_it"><skipped message="not here"/></testcase>'


@pytest.mark.parametrize(
    ("cases", "line", "is_good"),
    [
        (GOOD, "suite: 1 pass, 0 skipped", True),
        (GOOD + SKIPPED, "suite: 1 pass, 1 skipped", True),
        (GOOD + BAD, "suite: 5 of 6 BREAK: test_bad and 2 more: AssertionError: no such client", False),
        (GOOD + BROKEN_FIXTURE, "suite: 1 of 2 BREAK: test_it: failed on setup with KeyError", False),
        (SKIPPED, "suite: 0 pass, 1 skipped", False),  # nothing was tried, so nothing is known
    ],
)
def test_a_suite_has_one_line(tmp_path, cases, line, is_good):
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")

    assert canary.summary("suite", report, "") == (line, is_good)


def test_a_suite_that_cannot_be_run_says_why(tmp_path):
    line, is_good = canary.summary("suite", tmp_path / "report.xml", "ERROR: no such option")

    assert (line, is_good) == ("suite: CANNOT BE RUN: ERROR: no such option", False)


def test_a_suite_without_tests_says_why(tmp_path, capsys):
    assert canary.main([str(tmp_path / "absent")]) == 1

    assert "absent: 0 pass, 0 skipped: ERROR: file or directory not found" in capsys.readouterr().out


def test_no_suite_at_all_is_a_mistake(capsys):
    assert canary.main([]) == 2

    assert "name files or folders of tests" in capsys.readouterr().err


def test_one_suite_that_breaks_fails_the_whole(tmp_path, capsys):
    good, bad = tmp_path / "test_good.py", tmp_path / "test_bad.py"
    good.write_text("def test_good(): pass\n")
    bad.write_text("import not_there_at_all\n")

    assert canary.main([str(bad), str(good)]) == 1

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("kafka-python ")
    assert lines[1].startswith(f"{bad}: 1 of 1 BREAK")
    assert lines[2] == f"{good}: 1 pass, 0 skipped"
