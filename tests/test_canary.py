"""The canary says of each suite what breaks and what was not run, and fails for either."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from tests import canary
from tests.canary_notes import read

OF_ALL_KINDS = """
import pytest

@pytest.fixture
def broken_set_up():
    raise KeyError("attribute")

@pytest.fixture
def broken_end():
    yield
    raise KeyError("attribute")

def test_good(): pass
def test_left_out(): assert False
def test_skipped(): pytest.skip("not here")
def test_set_up(broken_set_up): pass
def test_end(broken_end): pass

@pytest.mark.parametrize("number", range(5))
def test_bad(number): raise KeyError("attribute")
"""
GOOD = "def test_good(): pass\n"
SKIPPED = "import pytest\ndef test_it(): pytest.skip('not here')\n"
UNREADABLE = "import not_there_at_all\n"
ENDLESS = """
import subprocess
import sys
import threading
from pathlib import Path

def test_first(): pass

def test_endless():
    Path(__file__).with_name("begun").touch()
    threading.Event().wait()

def test_last(): pass
"""


@pytest.fixture
def run(tmp_path, capsys):
    """A function that writes suites, runs the canary on them, and returns its code and lines of output."""

    def run(*suites, options=()):
        paths = [tmp_path / f"test_{number}.py" for number in range(len(suites))]
        for path, text in zip(paths, suites, strict=True):
            path.write_text(text)
        code = canary.main([*options, *map(str, paths)])
        lines = capsys.readouterr().out.splitlines()
        return code, [found.replace(f"{tmp_path}/", "") for found in lines]

    return run


@pytest.mark.parametrize("options", [[], ["--workers", "2"]])
def test_a_suite_has_one_row_and_its_first_error(run, options):
    code, lines = run(OF_ALL_KINDS, options=["--select", "not left_out", *options])

    assert code == 1
    assert lines[0].startswith("kafka-python ")
    row, reason = lines[4], lines[-1]
    assert row.startswith("| test_0.py | 1 | 1 | 7: ")
    assert all(name in row for name in ("test_bad", "test_set_up", "test_end"))
    assert " | 0 | " in row.partition("7: ")[2]
    assert reason == "test_0.py: KeyError: 'attribute'"


def test_one_that_breaks_fails_the_whole(run):
    code, lines = run(GOOD, UNREADABLE)

    assert code == 1
    assert "| test_0.py | 1 | 0 | 0 | 0 | " in lines[4]
    assert "| test_1.py | 0 | 0 | 1: test_1.py | 0 | " in lines[5]
    assert "No module named 'not_there_at_all'" in lines[-1]


def test_a_suite_of_which_nothing_was_tried_tells_nothing(run):
    code, lines = run(SKIPPED)

    assert code == 1
    assert "| test_0.py | 0 | 1 | 0 | 0 | " in lines[4]
    assert "1 skipped" in lines[-1]


def test_a_suite_that_is_ended_tells_what_was_not_run(tmp_path):
    suite, notes = tmp_path / "test_endless.py", tmp_path / "notes"
    suite.write_text(ENDLESS)
    with (tmp_path / "output").open("w") as output:
        process = canary.start([str(suite), "-n1"], notes, output)
        while not (tmp_path / "begun").exists():
            threading.Event().wait(0.05)
        canary.end(process)

    outcome = read(notes, "the last line")

    assert (outcome.passed, canary.named(outcome.not_run)) == (1, "2: test_endless, test_last")
    assert not outcome.is_good
    assert outcome.reason == "the last line"


def test_a_suite_whose_time_is_over_is_ended(run):
    code, lines = run(ENDLESS, options=["--seconds", "0.01"])

    assert code == 1
    assert "| test_0.py | 0 | 0 | 0 | " in lines[4]


def test_a_suite_without_a_note_gives_the_last_line(tmp_path):
    outcome = read(tmp_path / "absent", "ERROR: file or directory not found")

    assert (outcome.is_good, outcome.reason) == (False, "ERROR: file or directory not found")


class Interrupted:
    """A process, and a wait for it that the operator interrupts."""

    def __init__(self):
        self.process = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"], start_new_session=True)
        self.send_signal, self.poll, self.pid = self.process.send_signal, self.process.poll, self.process.pid
        self._is_interrupted = False

    def wait(self, timeout=None):
        if not self._is_interrupted:
            self._is_interrupted = True
            raise KeyboardInterrupt
        return self.process.wait(timeout)


def test_a_suite_ends_with_the_canary(monkeypatch, tmp_path):
    suite = Interrupted()
    monkeypatch.setattr(canary, "start", lambda *_: suite)

    with pytest.raises(KeyboardInterrupt):
        canary.run_pytest([], tmp_path / "notes", 600.0)

    assert suite.process.returncode is not None


def test_more_tests_than_fit_are_counted():
    assert canary.named([f"file.py::test_{number}" for number in range(5)]) == "5: test_0, test_1, test_2 and 2 more"


def test_no_suite_at_all_is_a_mistake(capsys):
    assert canary.main([]) == 2

    assert "name files or folders of tests" in capsys.readouterr().err
