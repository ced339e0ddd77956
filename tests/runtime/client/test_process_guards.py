"""A process in which a run cannot work, or works badly, is told when it starts."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from kafka_parallel._runtime.client.process_guards import check_process, chosen_loop, green_threads, patched_by

ROOT = Path(__file__).parents[3]


def built(backend, **config):
    """A consumer as kafka-python 3.x builds it, on a *backend* by the name of its class."""
    return SimpleNamespace(_net=type(backend, (), {})(), config=config)


def test_a_usual_process_is_not_warned_of(caplog):
    caplog.set_level(logging.DEBUG)

    check_process(built("NetworkSelector", net=None))

    assert caplog.messages == []
    assert patched_by() is None


@pytest.mark.parametrize(
    "consumer",
    [
        built("NetworkSelector"),  # of 3.0, which has no such setting
        built("NetworkSelector", net=None),
        built("AsyncioBackend", net="asyncio"),
        SimpleNamespace(config={}),  # of 2.x
    ],
)
def test_a_backend_that_was_asked_for_is_left_alone(consumer):
    assert chosen_loop(consumer) is None


def test_a_backend_that_the_client_chose_by_the_running_loop_is_warned_of(caplog):
    check_process(built("AsyncioBackend", net=None))

    [line] = caplog.messages
    assert "built inside of a running event loop" in line
    assert "write KafkaConsumer(..., net='selector')" in line


def test_the_client_that_is_installed_chooses_as_is_known(caplog):
    """Fails with the first kafka-python whose backends are called otherwise."""
    backend = pytest.importorskip("kafka.net.backend", reason="kafka-python before 3.1 has one backend")

    async def choose():
        return backend.resolve_backend(None, {})

    chosen, asked = asyncio.run(choose()), backend.resolve_backend("selector", {})

    with closing(chosen), closing(asked):
        assert chosen_loop(SimpleNamespace(_net=chosen, config={"net": None})) is not None
        assert chosen_loop(SimpleNamespace(_net=asked, config={"net": None})) is None


def test_green_threads_are_no_reason_to_refuse():
    hazard = green_threads("gevent")

    assert hazard is not None
    assert not hazard.is_fatal
    assert "run the consumer in a process that is not patched" in hazard.text
    assert green_threads(None) is None


PATCHES = {
    "gevent": "from gevent import monkey; monkey.patch_all()",
    "gevent without threads": "from gevent import monkey; monkey.patch_all(thread=False)",
    "eventlet": "import eventlet; eventlet.monkey_patch()",
}
PROGRAM = """
import logging
from tests.runtime.app import App

def handle(record): pass

if __name__ == "__main__":
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    app = App()
    print(app.run_coroutine(handle, executor=EXECUTOR), app.committed)
"""


def run_patched(patch, executor):
    library = patch.split()[0]
    pytest.importorskip(library)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PATCHES[patch] + PROGRAM.replace("EXECUTOR", repr(executor))],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return done.stdout.strip(), done.stderr


@pytest.mark.parametrize("patch", ["gevent", "eventlet"])
def test_a_run_on_green_threads_works_and_is_warned_of_once(patch):
    told, warned = run_patched(patch, None)

    assert told == "None 6"
    assert warned.count(f"{patch} has patched this process: the threads of workers take turns") == 1


def test_green_sockets_with_real_threads_are_not_warned_of():
    assert run_patched("gevent without threads", None) == ("None 6", "")


@pytest.mark.parametrize("patch", ["gevent", "eventlet"])
def test_processes_are_refused_where_threads_are_green(patch):
    told, _ = run_patched(patch, "process-pool")

    assert told.startswith(f"{patch} has patched this process, and the processes of executor")
    assert told.endswith(" 0")
