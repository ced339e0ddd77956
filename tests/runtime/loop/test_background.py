"""How a run that start() began ends with its program. Kind: a process that does not end, or ends without a commit."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys

import pytest

from kafka_parallel import Batch, StateError, hookimpl
from tests.runtime.app import App

PROGRAM = """
import signal, sys, threading, time
from kafka_parallel import ParallelConsumer
from kafka_parallel.testing import FakeCluster, FakeConsumer
from tests.runtime.app import App, GROUP, PARTITION
import atexit, logging  # what is registered here runs last
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell ignores it in what it starts with "&"
logging.basicConfig(level=logging.INFO)
app = App(3)
atexit.register(lambda: print("committed", app.committed, flush=True))
handled = threading.Semaphore(0)
parallel = app.parallel({{"consumer_timeout_ms": float("inf"), "auto_commit_interval_ms": 3_600_000}})
parallel.start(lambda record: handled.release())
for _ in range(3):
    assert handled.acquire(timeout=600)
{end}
"""

INTERRUPT = """
main = threading.main_thread().ident

def is_joining():
    frame = sys._current_frames()[main]
    while frame is not None and frame.f_code.co_name != "join":
        frame = frame.f_back
    return frame is not None

def interrupt():
    while not is_joining():
        time.sleep(0.01)
    signal.pthread_kill(main, signal.SIGINT)

threading.Thread(target=interrupt, daemon=True).start()
"""
STOPPED_AFTER_CTRL_C = (
    INTERRUPT
    + """
try:
    parallel.join()
except KeyboardInterrupt:
    parallel.stop()
    print(parallel.join(), parallel.state)
"""
)

ENDS = {
    "Ctrl-C": ("signal.raise_signal(signal.SIGINT)", "the end of the main thread by KeyboardInterrupt"),
    "Ctrl-C in join()": (INTERRUPT + "parallel.join()", "the end of the main thread by KeyboardInterrupt"),
    "Ctrl-C in join() and a stop after it": (STOPPED_AFTER_CTRL_C, "stop()"),
    "an error": ("raise ValueError('on purpose')", "the end of the main thread by ValueError"),
    "Ctrl-C after a main thread that ended well": (
        (
            "import os; after = lambda: (threading.main_thread().join(), os.kill(os.getpid(), signal.SIGINT))\n"
            "threading.Thread(target=after, daemon=True).start()"
        ),
        "the end of the interpreter",
    ),
}


@pytest.mark.parametrize("how", ENDS)
def test_a_program_that_ends_without_a_stop_ends_in_good_order(how):
    code, why = ENDS[how]

    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(end=code)], capture_output=True, text=True, timeout=600, check=False
    )

    assert f"stopping because of {why}" in ended.stderr
    assert "committed 3" in ended.stdout, ended.stderr


def test_a_program_whose_last_line_starts_the_consumer_goes_on():
    end = (
        "threading.Thread(target=lambda: (threading.main_thread().join(), app.cluster.append('t', b'3', b'key',"
        " partition=0), handled.acquire(timeout=600), parallel.stop()), daemon=True).start()"
    )

    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(end=end)], capture_output=True, text=True, timeout=600, check=False
    )

    assert ended.returncode == 0
    assert "the main thread has ended and the consumer goes on" in ended.stderr
    assert "committed 4" in ended.stdout, ended.stderr


def test_a_run_that_joins_itself_is_told_so():
    class Joins:
        @hookimpl
        def on_start(self):
            parallel.join()

    parallel = App(1).parallel(plugins=[Joins()])
    parallel.start(lambda _: None)

    with pytest.raises(StateError, match="waits for its own end"):
        parallel.join()


def joins_itself(kind, parallel, errors):
    """A handler of this kind that joins its own run, and keeps the answer."""

    def join():
        try:
            parallel().join()
        except StateError as error:
            errors.append(str(error))
            parallel().stop()

    async def handle_async(_):
        join()
        await asyncio.sleep(0)
        join()  # on a later step of its task

    return handle_async if kind == "asyncio" else lambda _: join()


@pytest.mark.parametrize("batch", [None, Batch(max_records=2)])
@pytest.mark.parametrize("kind", ["thread-pool", "asyncio"])
def test_a_handler_that_joins_its_own_run_is_told_so(kind, batch):
    errors = []
    parallel = App(1).parallel(executor=kind)
    handler = joins_itself(kind, lambda: parallel, errors)
    parallel.start(handler, batch)

    assert parallel.join(timeout_ms=60_000), "it waits for itself"
    assert len(errors) == (2 if kind == "asyncio" else 1)
    assert "waits for this very handler" in errors[0]


def test_a_handler_may_join_another_run():
    inner, ended = App(3), []

    def handle(_):
        other = inner.parallel()
        other.start(inner.handle(lambda _: None))
        ended.append(other.join(timeout_ms=60_000))

    assert App(1).run(handle) is None

    assert ended == [True]
    assert inner.committed == 3


FORKED = """
child = os.fork()
if child == 0:
    try:
        parallel.join()
    except Exception as error:
        print(type(error).__name__, error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
parallel.stop()
print(parallel.join(), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_child_that_joins_the_run_of_its_parent_is_told_so():
    program = PROGRAM.format(end="import os\n" + FORKED)

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)

    assert "StateError join() in process" in ended.stdout, ended.stderr
    assert "to which the run belongs" in ended.stdout
    assert "True" in ended.stdout
