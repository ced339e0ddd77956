"""Runs suites of tests one after the other, and says of each in one line what breaks: ``make canary``.

It is made for the newest pre-release of kafka-python, before users have it::

    python -m tests.canary tests/contract tests/integration/test_order.py
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from tempfile import TemporaryDirectory

SHOWN = 3  # so many tests that break are named, the rest is counted
LONGEST_S = 3600.0


def main(suites: list[str]) -> int:
    """Run all *suites*; return 1 if one breaks, 2 if there are none."""
    if not suites:
        print("no suite is given: name files or folders of tests", file=sys.stderr)
        return 2
    print(f"kafka-python {importlib.metadata.version('kafka-python')}, Python {sys.version.split()[0]}", flush=True)
    has_failed = False
    with TemporaryDirectory() as folder:
        for suite in suites:
            report = Path(folder, "report.xml")
            report.unlink(missing_ok=True)
            line, is_good = summary(suite, report, run(suite, report))
            print(line, flush=True)
            has_failed |= not is_good
    return int(has_failed)


def run(suite: str, report: Path) -> str:
    """Run one *suite*, with its *report* as JUnit has it; return the last line that pytest writes."""
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", suite]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST_S, check=False)
    except subprocess.TimeoutExpired:
        return f"not ended after {LONGEST_S:g} s"
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[-1] if lines else f"exit code {done.returncode}"


def summary(suite: str, report: Path, last_line: str) -> tuple[str, bool]:
    """Say in one line what breaks in *suite*, and tell whether nothing does."""
    if not report.exists():
        return f"{suite}: CANNOT BE RUN: {last_line}", False
    cases = list(ET.parse(report).getroot().iter("testcase"))
    broken = [case for case in cases if case.find("failure") is not None or case.find("error") is not None]
    skipped = sum(case.find("skipped") is not None for case in cases)
    passed = len(cases) - len(broken) - skipped
    if not broken:
        why = "" if cases else f": {last_line}"
        return f"{suite}: {passed} pass, {skipped} skipped{why}", passed > 0
    names = ", ".join(dict.fromkeys(str(case.get("name")).split("[")[0] for case in broken[:SHOWN]))
    more = f" and {len(broken) - SHOWN} more" * (len(broken) > SHOWN)
    return f"{suite}: {len(broken)} of {len(cases)} BREAK: {names}{more}: {_reason(broken[0])}", False


def _reason(case: ET.Element) -> str:
    """The first line of the error of a *case*."""
    element = case.find("failure") if case.find("failure") is not None else case.find("error")
    message = "" if element is None else str(element.get("message"))
    return message.partition("\n")[0][:200]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
