"""Run seeds in a process that has one planted bug, until one of them fails: ``python -m ...planted.seeds NAME MOST``.

Each seed is printed before it runs. The exit code is 1, and `FOUND` is printed, if one failed. Numbers after *MOST* are
seeds to try first. A bug that no simulation can show (a forked process, a closed standard error) names a test that has
to fail; that is run once.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Callable
from itertools import chain
from pathlib import Path

from tests.planting.hook import plant
from tests.simulation.planted import BUGS, Bug
from tests.simulation.planted.plans import PLANS

FOUND = "the bug is found: "
INTERRUPTED = 130


def main(name: str, most: str, *first: str) -> None:
    """Look for the bug called *name* with the seeds *first*, and *most* more from 0 on."""
    (bug,) = (bug for bug in BUGS if bug.name == name)
    plant(bug.change)
    run = _runner(bug)
    watch = _watch()
    logging.disable(logging.CRITICAL)
    # Else the end of the whole search would be taken for a bug, or this would go on without it.
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    parent = os.getppid()
    is_shown_by_test = "::" in bug.executor
    for seed in range(1) if is_shown_by_test else chain(map(int, first), range(int(most))):
        if os.getppid() != parent:
            sys.exit(INTERRUPTED)
        print(seed, flush=True)
        watch()  # one that hangs shows where, and the bug is found
        try:
            run(seed)
        except BaseException as error:  # an error that a handler raises to end the process must not get out either
            sys.exit(f"{FOUND}{type(error).__name__}: {error}")


def _watch() -> Callable[[], None]:
    """The watchdog of one seed; imported after the bug is planted."""
    from kafka_parallel.testing.simulation.watchdog import watch

    return watch


def _runner(bug: Bug) -> Callable[[int], object]:
    """The function that runs one seed; imported after the bug is planted."""
    executor = bug.executor
    if "::" in executor:
        return lambda _: _require_success(executor)
    from kafka_parallel.testing.simulation.scenario import Simulation
    from tests.cli.replaying import Replaying
    from tests.simulation import transacting
    from tests.simulation.changed_plans import changed
    from tests.simulation.incidents import judge

    if executor == "incident":
        return judge
    if executor == "exactly-once":
        return transacting.judge
    if executor == "replay":
        return lambda seed: Replaying(seed, Path.cwd()).run()
    return lambda seed: Simulation(seed, changed(seed, executor=executor, **PLANS.get(bug.name, {}))).run()


def _require_success(test: str) -> None:
    """Run *test* in this very process, in silence.

    :raises AssertionError: it failed.
    """
    import pytest

    root = Path(__file__).parents[3]
    logging.disable(logging.NOTSET)
    place, kept = os.open(os.devnull, os.O_WRONLY), [os.dup(1), os.dup(2)]
    for stream in (1, 2):
        os.dup2(place, stream)
    try:
        silent = ["-q", "-n0", "-W", "ignore::pytest.PytestAssertRewriteWarning", "-p", "no:cacheprovider"]
        code = pytest.main([*silent, "-c", str(root / "pyproject.toml"), f"--rootdir={root}", str(root / test)])
    except Exception:  # it could not be run: see below
        code = pytest.ExitCode.INTERNAL_ERROR
    finally:
        for stream, before in enumerate(kept, 1):
            os.dup2(before, stream)
    if code == pytest.ExitCode.TESTS_FAILED:
        raise AssertionError(f"{test} failed")
    if code != pytest.ExitCode.OK:
        os._exit(INTERRUPTED + 1)  # it could not be run, which must not be taken for a find


if __name__ == "__main__":
    main(*sys.argv[1:])
