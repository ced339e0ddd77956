"""May a signal handler ask and stop the consumer, whatever of it the signal interrupts?

Kind: the holder of a lock waits for itself. A signal comes before every line that is run under the lock, so the handler
is at each of them once; a process of its own has a watchdog for it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import faulthandler, signal, sys
from tests.runtime.app import App
faulthandler.dump_traceback_later(90, exit=True)
app, seen = App(40), []
parallel = app.parallel(workers=3)

def signalled(number, frame):
    {act}

def trace(frame, event, argument):
    if "kafka_parallel/_core" in frame.f_code.co_filename and event == "line" and parallel.state != "new":
        signal.raise_signal(signal.SIGUSR1)
    return trace

signal.signal(signal.SIGUSR1, signalled)
sys.settrace(trace)
parallel.run(lambda record: app.handled.append(record.offset))
sys.settrace(None)
for view in seen:
    assert min(view.processed, view.in_flight, view.waiting, view.buffered, view.buffered_bytes) >= 0, view
    assert view.processed <= 40 and view.in_flight <= 40 and view.buffered <= 40, view
assert app.committed == len(app.handled), (app.committed, app.handled)
print("asked", len(seen))
"""


@pytest.mark.parametrize(
    "act", ["seen.append(parallel.statistics())", "seen.append(parallel.statistics()); parallel.stop()"]
)
def test_a_signal_handler_may_ask_and_stop_at_any_line(act):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(act=act)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 50
