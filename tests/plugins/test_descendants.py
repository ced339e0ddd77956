"""Processes that the app or a handler starts have nothing of the process pool: no signals, no pipes, no duties.

The kind: a process inherits a thing that was meant for its parent alone.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from kafka_parallel_plugins.process_pool import process
from tests.plugins import cpu_handlers
from tests.runtime.app import App

TOLD = "PROCESS_POOL_TOLD"
PATIENCE = 60
PROGRAM = """
import json, os, signal, sys
told = {
    "term": signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,
    "int": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
    "blocked": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
    "files": [fd for fd in range(3, 200) if os.path.exists(f"/proc/self/fd/{fd}")
              and os.readlink(f"/proc/self/fd/{fd}").startswith(("socket", "pipe"))],
}
open(sys.argv[1], "w").write(json.dumps(told))
"""


@pytest.fixture(autouse=True)
def told(tmp_path, monkeypatch):
    log = tmp_path / "log"
    log.touch()
    monkeypatch.setenv(cpu_handlers.LOG, str(log))
    monkeypatch.setenv(TOLD, str(tmp_path / "told"))
    yield tmp_path / "told"
    assert multiprocessing.active_children() == []


def start_program(record):
    subprocess.run([sys.executable, "-c", PROGRAM, os.environ[TOLD]], check=True)


def test_a_program_that_a_handler_starts_inherits_nothing(told):
    assert App(1).run_coroutine(start_program, executor="process-pool") is None

    from_the_pool = json.loads(told.read_text())
    start_program(None)  # SIGINT is ignored in what a shell starts with "&"
    assert from_the_pool == json.loads(told.read_text())
    assert from_the_pool["term"]


def fork_and_terminate(record):
    ours, theirs = os.pipe()
    waits_for, held = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(held)
        os.write(theirs, b"forked")
        os.read(waits_for, 1)  # until the other end is closed, which comes after the signal
        os._exit(0)
    os.read(ours, 6)
    os.kill(pid, signal.SIGTERM)
    os.close(held)
    Path(os.environ[TOLD]).write_text(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))


def test_a_process_that_a_handler_forks_answers_its_own_signals(told):
    assert App(1).run_coroutine(fork_and_terminate, executor="process-pool") is None

    assert told.read_text() == str(-signal.SIGTERM)


FORKING = """
import multiprocessing, os, sys, threading
from kafka_parallel_plugins.process_pool import process
from tests.plugins import cpu_handlers
from tests.plugins.cpu_handlers import noted
from tests.runtime.app import TOPIC, App

if __name__ == "__main__":
    app = App(1)
    parallel = app.parallel(consumer={"consumer_timeout_ms": 1e6}, executor="process-pool")
    parallel.start(cpu_handlers.handle)
    while len(noted("end")) < 1:
        threading.Event().wait(0.01)
    before = {child.pid for child in multiprocessing.active_children()}
    if os.fork() == 0:
        sys.exit(0)
    os.wait()
    for number in range(1, 20):
        app.cluster.append(TOPIC, b"1", b"key", partition=0)
    while len(noted("end")) < 20:
        threading.Event().wait(0.01)
    print({child.pid for child in multiprocessing.active_children()} == before and len(before) == 2)
    parallel.stop()
    parallel.join()
"""


def test_a_child_of_the_app_that_ends_normally_leaves_the_processes_alone(tmp_path):
    path = tmp_path / "forking.py"
    path.write_text(FORKING)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}

    done = subprocess.run(
        [sys.executable, path], env=environment, capture_output=True, text=True, check=False, timeout=2 * PATIENCE
    )

    assert done.stdout == "True\n", done.stderr


def leave_one_running(record):
    """Start a program that outlives this process, and has copies of what it inherited."""
    child = os.fork()
    if child == 0:
        os.setsid()
        os.execvp("sleep", ["sleep", "1000"])
    Path(os.environ[cpu_handlers.LOG]).write_text(str(child))


def test_a_program_that_outlives_the_process_does_not_hold_the_end_up(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "END_TIMEOUT", 10_000.0)
    monkeypatch.setattr(process, "KILL_TIMEOUT", 10_000.0)
    app = App(1)

    error = app.run_coroutine(leave_one_running, executor="process-pool", workers=1)

    os.kill(int((tmp_path / "log").read_text()), signal.SIGKILL)
    assert error is None
    assert app.committed == 1


IGNORING = """
import os, signal
from tests.plugins import test_descendants
from tests.runtime.app import App

if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    app = App(4)
    options = {"plugins": [("retry", {"max_attempts": 3, "delay_ms": 1})], "workers": 1}
    print(repr(app.run_coroutine(test_descendants.die_once, executor="process-pool", **options)), app.committed)
"""


def die_once(record):
    """Die at the first record, the first time."""
    log = Path(os.environ[cpu_handlers.LOG])
    if record.offset == 0 and not log.read_text():
        log.write_text("died")
        os._exit(1)


def test_a_process_is_replaced_where_the_application_ignores_the_end_of_children():
    done = subprocess.run([sys.executable, "-c", IGNORING], capture_output=True, text=True, timeout=PATIENCE)

    assert done.stdout.splitlines()[-1:] == ["None 4"], done.stderr
