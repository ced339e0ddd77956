"""Look for planted bugs, and note which seed found each: ``make planted``, or ``python -m tests.simulation.planted``.

Words choose the bugs whose names have all of them. The notes are written after each bug, so a run that was interrupted
goes on with ``--missing``. The exit code is 1 if a bug was not found, 2 if no bug was chosen.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tests.simulation.planted import BUGS, Bug
from tests.simulation.planted.notes import NOTES, Notes
from tests.simulation.planted.search import ENOUGH, Outcome, search


def main(arguments: list[str] | None = None) -> int:
    """Look for the chosen bugs, and tell the result."""
    options = _parser().parse_args(arguments)
    notes = Notes(options.notes)
    notes.forget(notes.names - {bug.name for bug in BUGS})
    named = [bug for bug in BUGS if all(word in bug.name for word in options.words)]
    chosen = [bug for bug in named if not (options.missing and bug.name in notes.found)]
    if not chosen:
        _say(f"there is nothing to look for: {len(named)} of {len(BUGS)} bugs have {options.words} in their names")
        return 2
    is_noted = len(named) == len(BUGS) or notes.exist
    _say(f"{len(chosen)} of {len(BUGS)} planted bugs, {options.seeds} seeds for each, {options.jobs} at once")
    if not is_noted:
        _say(f"nothing is noted: {options.notes} is begun when all bugs are looked for")
    missed = _look_for_all(chosen, notes if is_noted else None, options)
    _say(
        f"{len(chosen) - len(missed)} of {len(chosen)} were found" + "".join(f"\nNOT FOUND: {name}" for name in missed)
    )
    return 1 if missed else 0


def _look_for_all(chosen: list[Bug], notes: Notes | None, options: argparse.Namespace) -> list[str]:
    """Look for *chosen*; return the names of those that were not found."""
    missed = []
    for bug, outcome, seconds in _searches(chosen, notes, options):
        if notes is not None:
            notes.note(bug.name, outcome.seed, outcome.tried)
        if outcome.seed is None:
            missed.append(bug.name)
        found = f"NOT FOUND by {outcome.tried} seeds: {outcome.said}"
        _say(f"{seconds:6.1f} s  {bug.name}: {found if outcome.seed is None else f'found by seed {outcome.seed}'}")
    return missed


def _searches(
    chosen: list[Bug], notes: Notes | None, options: argparse.Namespace
) -> Iterator[tuple[Bug, Outcome, float]]:
    """Run the searches side by side; yield each that ends. An interruption ends those that run, and begins no more."""
    first = {} if notes is None else notes.found.copy()

    def look_for(bug: Bug) -> tuple[Bug, Outcome, float]:
        started = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            outcome = search(bug, Path(folder), options.seeds, first.get(bug.name))
        return bug, outcome, time.monotonic() - started

    with ThreadPoolExecutor(options.jobs) as pool:
        try:
            for done in as_completed([pool.submit(look_for, bug) for bug in chosen]):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.planted", description=__doc__)
    parser.add_argument("words", nargs="*", help="words in the names of the bugs (default: all bugs)")
    parser.add_argument("--seeds", type=int, default=ENOUGH, help="the most seeds for a bug (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="searches at once (default: %(default)s)")
    parser.add_argument("--missing", action="store_true", help="only bugs that no seed is noted for")
    parser.add_argument("--notes", type=Path, default=NOTES, help="the file of notes (default: %(default)s)")
    return parser


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
