"""How a planted bug is looked for: seed after seed, in a process of its own that has it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.simulation.planted.bug import Bug
from tests.simulation.planted.seeds import FOUND, INTERRUPTED

# A planted bug must be found within so many seeds, from 0 on.
ENOUGH = 10_000
# The longest search, in seconds: ten minutes of one core where nothing else runs, and several times that otherwise.
PATIENCE = 3600
ROOT = Path(__file__).parents[3]
# The exit code of a seed that hangs: the signal of its watchdog ends it.
HANGS = -signal.SIGVTALRM


class Outcome(NamedTuple):
    """How a search ended.

    :ivar seed: the seed that found the bug; ``None`` if none did.
    :ivar tried: how many seeds were run.
    :ivar said: the output of the last of them, or why the search ended.
    """

    seed: int | None
    tried: int
    said: str


def search(bug: Bug, folder: Path, most: int = ENOUGH, first: int | None = None, patience: float = PATIENCE) -> Outcome:
    """Look for *bug*, in a process that works in *folder*.

    :param most: how many seeds are run.
    :param first: a seed to begin with, beside those.
    :param patience: the longest it may take, in seconds.
    """
    told, ends = folder / "told", folder / "ends"
    with told.open("w") as stdout, ends.open("w") as stderr:
        seeds = [str(most), *([] if first is None else [str(first)])]
        child = subprocess.Popen(
            [sys.executable, "-m", "tests.simulation.planted.seeds", bug.name, *seeds],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "plugins")])},
            cwd=folder,
            stdout=stdout,
            stderr=stderr,
        )
        try:
            code = child.wait(patience)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            child.kill()
            child.wait()
    return _outcome(code, [int(line) for line in told.read_text().split()], ends.read_text(), patience)


def _outcome(code: int | None, seeds: list[int], said: str, patience: float) -> Outcome:
    if code is None:
        return Outcome(None, len(seeds), f"it was ended after {patience:g} s")
    if said.startswith(FOUND) or code == HANGS:
        return Outcome(seeds[-1], len(seeds), said)
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    if code:
        raise RuntimeError(f"the search did not work: {said}")
    return Outcome(None, len(seeds), "no seed failed")
