"""How a planted bug is looked for: seed after seed on a copy of the source that has it, in a process of its own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.planting.change import planted
from tests.planting.scopes import FOLDERS, package_of, path_of
from tests.simulation.planted.bug import Bug

# A planted bug must be found within so many seeds, from 0 on.
ENOUGH = 10_000
# The longest run of one seed, in seconds: one that takes longer hangs, shows where, and counts as found.
WATCHDOG = 60
# The longest search, in seconds: most of a minute where nothing else runs, and many times that where much does.
PATIENCE = 900
ROOT = Path(__file__).parents[3]
# Which seed found each bug the last time all were looked for: it is tried first, and mostly finds it again.
NOTES = Path(__file__).with_name("found_by.txt")
SEARCH = f"""
import faulthandler, itertools, logging, sys
from dataclasses import replace
from pathlib import Path
from kafka_parallel.testing.simulation.plan import draw
from kafka_parallel.testing.simulation.scenario import Simulation
from tests.cli.replaying import Replaying
logging.disable(logging.CRITICAL)
for seed in itertools.chain(map(int, sys.argv[2:]), range({ENOUGH})):
    faulthandler.dump_traceback_later({WATCHDOG}, exit=True)
    try:
        if sys.argv[1] == "replay":
            Replaying(seed, Path.cwd()).run()
        else:
            Simulation(seed, replace(draw(seed), executor=sys.argv[1])).run()
    except BaseException as error:  # what a handler raises to end the process must not get out either
        sys.exit(f"found by seed {{seed}}: {{type(error).__name__}}: {{error}}")
"""


def noted() -> dict[str, str]:
    """The notes: the name of each bug, and the seed that found it."""
    return dict(line.rsplit("\t", 1) for line in NOTES.read_text().splitlines()) if NOTES.exists() else {}


def search(bug: Bug, folder: Path) -> tuple[int | None, str]:
    """Plant *bug* in a copy of the source in *folder* and look for it.

    :returns: the seed that found it, ``None`` if none did or the search hung, and what the search said.
    """
    for package, above in FOLDERS.items():
        shutil.copytree(above / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    path = path_of(bug.change.module)
    (folder / path.relative_to(FOLDERS[package_of(bug.change.module)])).write_text(planted(bug.change))
    first = noted().get(bug.name)
    ended = subprocess.run(
        [sys.executable, "-c", SEARCH, bug.executor, *([] if first is None else [first])],
        env={**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    found = re.search(r"found by seed (\d+)", ended.stderr)
    return (None if found is None else int(found[1])), ended.stderr
