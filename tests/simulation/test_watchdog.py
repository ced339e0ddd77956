"""A seed that hangs is ended with its stack; one that gets little of the machine is not."""

from __future__ import annotations

import signal
import subprocess
import sys

PROGRAM = """
import signal
from kafka_parallel.testing.simulation import watchdog
watchdog.LONGEST = 0.2
watchdog.watch()
{act}
print("went on")
"""


def run(act):
    return subprocess.run([sys.executable, "-c", PROGRAM.format(act=act)], capture_output=True, text=True)


def test_one_that_computes_for_ever_is_ended_with_its_stack():
    ended = run("while True: pass")

    assert ended.returncode == -signal.SIGVTALRM
    assert "most recent call first" in ended.stderr


def test_time_in_which_it_does_not_run_does_not_count():
    assert run("signal.sigtimedwait([], 0.5)").stdout == "went on\n"


def test_after_the_last_seed_any_time_may_pass():
    act = "watchdog.cancel()\nassert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)"

    assert run(act).stdout == "went on\n"
