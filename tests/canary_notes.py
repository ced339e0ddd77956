"""Notes how each test of a run of pytest ended, while it runs, so that the run may be ended at any time.

It is a plugin of pytest: ``CANARY_NOTES=file pytest -p tests.canary_notes``. The file has a line in JSON for each test
that was collected, and for each outcome.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pytest

# The name of this process among those of xdist; it is empty in the one that they report to.
worker = ""


@dataclass
class Outcome:
    """The outcome of a suite.

    :ivar passed: how many tests passed.
    :ivar skipped: how many were skipped.
    :ivar broken: those that failed, or whose set-up or end did.
    :ivar not_run: those without an outcome.
    :ivar reason: the first error, or why nothing is known; empty if nothing breaks.
    """

    passed: int = 0
    skipped: int = 0
    broken: list[str] = field(default_factory=list)
    not_run: list[str] = field(default_factory=list)
    reason: str = ""

    @property
    def is_good(self) -> bool:
        """True if something was tried, and all of it passed."""
        return self.passed > 0 and not self.broken and not self.not_run


def read(notes: Path, last_line: str) -> Outcome:
    """Sum up the *notes* of a run that wrote *last_line* at its end."""
    lines = [json.loads(text) for text in notes.read_text().splitlines()] if notes.exists() else []
    collected = {found["test"]: None for found in lines if "outcome" not in found}
    outcomes: dict[str, str] = {}
    reasons = [found["reason"] for found in lines if found.get("outcome") == "failed"]
    for found in lines:
        if "outcome" in found and outcomes.get(found["test"]) != "failed":
            outcomes[found["test"]] = found["outcome"]
    by_outcome = {name: [test for test, given in outcomes.items() if given == name] for name in set(outcomes.values())}
    broken, not_run = by_outcome.get("failed", []), [test for test in collected if test not in outcomes]
    passed, skipped = len(by_outcome.get("passed", [])), len(by_outcome.get("skipped", []))
    reason = reasons[0] if reasons else last_line * (bool(not_run) or not passed)
    return Outcome(passed, skipped, broken, not_run, reason)


def pytest_configure(config: pytest.Config) -> None:
    """Learn which process this is."""
    global worker
    worker = getattr(config, "workerinput", {}).get("workerid", "")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note the tests that are to be run: each process of xdist has all of them, and the one above them has none."""
    if worker in {"", "gw0"}:
        _note(*({"test": item.nodeid} for item in session.items))


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Note a file that cannot be read."""
    if report.failed and not worker:
        _note({"test": report.nodeid, "outcome": "failed", "reason": _last_line(str(report.longrepr))})


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note an outcome, also of a set-up or an end that failed; a test that xdist's process died of has failed."""
    if not worker and (report.when == "call" or report.outcome != "passed"):
        crash = getattr(report.longrepr, "reprcrash", None)
        message = crash.message if crash is not None else str(report.longrepr)
        _note({"test": report.nodeid, "outcome": report.outcome, "reason": message.partition("\n")[0][:200]})


def _last_line(text: str) -> str:
    return next(filter(None, reversed(text.splitlines())), "")[:200]


def _note(*found: dict[str, str]) -> None:
    with Path(os.environ["CANARY_NOTES"]).open("a") as notes:
        notes.writelines(f"{json.dumps(one)}\n" for one in found)
