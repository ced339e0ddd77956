"""Runs suites of tests one after the other, each for a bounded time, and says what breaks: ``make canary``.

It is made for the newest pre-release of kafka-python, before users have it::

    python -m tests.canary --seconds 300 tests/contract tests/integration/test_order.py

Its output is a table with a line for each suite, and ends with the first error of each suite that breaks.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from tests.canary_notes import Outcome, read

SHOWN = 3  # so many tests are named, the rest is counted
# So long a suite may take to end its brokers after its time is over.
GRACE_S = 60.0
HEAD = "| suite | pass | skipped | break | not run | seconds |\n|---|---:|---:|---|---|---:|"


def main(arguments: list[str]) -> int:
    """Run all suites; return 1 if one breaks, could not be run, or was not run to its end, 2 if there are none."""
    parser = argparse.ArgumentParser(prog="python -m tests.canary", description=__doc__)
    parser.add_argument("--seconds", type=float, default=300.0, help="the longest time of a suite (default: 300)")
    parser.add_argument("--select", default="", help="an expression for pytest's -k")
    parser.add_argument("--workers", type=int, default=0, help="processes that test at once (default: none beside)")
    parser.add_argument("suites", nargs="*", help="files or folders of tests")
    given = parser.parse_args(arguments)
    if not given.suites:
        print("no suite is given: name files or folders of tests", file=sys.stderr)
        return 2
    print(f"kafka-python {importlib.metadata.version('kafka-python')}, Python {sys.version.split()[0]}\n")
    print(HEAD, flush=True)
    options = [f"-n{given.workers}", "--dist=worksteal"] * bool(given.workers) + [f"-k{given.select}"] * bool(
        given.select
    )
    found = [run(suite, options, given.seconds) for suite in given.suites]
    for suite, outcome in zip(given.suites, found, strict=True):
        if reason := outcome.reason:
            print(f"\n{suite}: {reason}")
    return int(not all(outcome.is_good for outcome in found))


def run(suite: str, options: list[str], longest_s: float) -> Outcome:
    """Run one *suite*, and print its line."""
    with TemporaryDirectory() as folder:
        notes, begin = Path(folder, "notes"), time.monotonic()
        last_line = run_pytest([suite, *options], notes, longest_s)
        outcome = read(notes, last_line)
        print(line(suite, outcome, time.monotonic() - begin), flush=True)
    return outcome


def run_pytest(arguments: list[str], notes: Path, longest_s: float) -> str:
    """Run pytest, and end it when its time is over or this is interrupted; return the last line that it writes."""
    with Path(notes.parent, "output").open("w+") as output:
        process = start(arguments, notes, output)
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(longest_s)
        finally:
            if process.poll() is None:
                end(process)
        output.seek(0)
        lines = output.read().strip().splitlines()
    return lines[-1] if lines else f"exit code {process.returncode}"


def start(arguments: list[str], notes: Path, output: IO[str]) -> subprocess.Popen[bytes]:
    """Start pytest in a process group of its own, which brokers that it starts belong to."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.canary_notes", *arguments]
    environment = {**os.environ, "CANARY_NOTES": str(notes)}
    return subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True, env=environment)


def end(process: subprocess.Popen[bytes]) -> None:
    """Interrupt a suite, so that it ends its brokers; then kill all that is left of it."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def line(suite: str, outcome: Outcome, seconds: float) -> str:
    """The row of *suite* in the table."""
    counts = f"{outcome.passed} | {outcome.skipped} | {named(outcome.broken)} | {named(outcome.not_run)}"
    return f"| {suite} | {counts} | {seconds:.0f} |"


def named(tests: list[str]) -> str:
    """How many *tests* there are, and the names of a few."""
    names = list(dict.fromkeys(test.rpartition("::")[2].partition("[")[0] for test in tests))
    more = f" and {len(names) - SHOWN} more" * (len(names) > SHOWN)
    return f"{len(tests)}: {', '.join(names[:SHOWN])}{more}" if tests else "0"


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # else the suite that runs is left behind
    sys.exit(main(sys.argv[1:]))
