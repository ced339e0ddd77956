"""Is every planted bug found, within a bounded number of seeds?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import kafka_parallel
import kafka_parallel_plugins
from tests.simulation.planted import BUGS

# A planted bug must be found within so many seeds, from 0 on.
ENOUGH = 10_000
# The longest run of one seed, in seconds: one that takes longer hangs, shows where, and fails.
WATCHDOG = 60
# The longest search, in seconds: most of a minute where nothing else runs, and many times that where much does.
PATIENCE = 900
ROOT = Path(__file__).parents[2]
SOURCES = [Path(package.__file__).parent for package in (kafka_parallel, kafka_parallel_plugins)]
SEARCH = f"""
import faulthandler, logging, sys
from dataclasses import replace
from pathlib import Path
from kafka_parallel.testing.simulation.plan import draw
from kafka_parallel.testing.simulation.scenario import Simulation
from tests.cli.replaying import Replaying
logging.disable(logging.CRITICAL)
for seed in range({ENOUGH}):
    faulthandler.dump_traceback_later({WATCHDOG}, exit=True)
    try:
        if sys.argv[1] == "replay":
            Replaying(seed, Path.cwd()).run()
        else:
            Simulation(seed, replace(draw(seed), executor=sys.argv[1])).run()
    except BaseException as error:  # what a handler raises to end the process must not get out either
        sys.exit(f"found by seed {{seed}}: {{type(error).__name__}}: {{error}}")
"""


@pytest.mark.timeout(PATIENCE + 60)
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_a_planted_bug_is_found(bug, tmp_path):
    for source in SOURCES:
        shutil.copytree(source, tmp_path / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    copy = tmp_path / ("" if bug.file.startswith("kafka_parallel_plugins/") else "kafka_parallel")
    text = (copy / bug.file).read_text()
    assert text.count(bug.old) == 1, f"{bug.name}: its place in {bug.file} is gone, plant it anew"
    (copy / bug.file).write_text(text.replace(bug.old, bug.new))

    search = subprocess.run(
        [sys.executable, "-c", SEARCH, bug.executor],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert "found by seed" in search.stderr, f"{ENOUGH} seeds did not notice: {bug.name}\n{search.stderr}"
