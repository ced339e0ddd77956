"""A consumer of another process is refused, and one of this process is not."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from kafka_parallel import ConfigurationError
from kafka_parallel._runtime.client.forks import require_own_process


def consumer_3(*, is_alive):
    """A consumer of 3.x, whose I/O thread does not outlive a fork."""
    return SimpleNamespace(_net=SimpleNamespace(_io_thread=SimpleNamespace(is_alive=lambda: is_alive)))


def consumer_2(last_reset):
    """A consumer of 2.x, which notes the time of its last heartbeat by the wall clock."""
    return SimpleNamespace(_coordinator=SimpleNamespace(heartbeat=SimpleNamespace(last_reset=last_reset)))


@pytest.mark.parametrize("consumer", [consumer_3(is_alive=True), consumer_2(0), consumer_2(1.0), SimpleNamespace()])
def test_a_consumer_of_this_process_is_taken(consumer):
    require_own_process(consumer, os.getpid())


def test_one_that_was_wrapped_in_another_process_is_refused():
    with pytest.raises(ConfigurationError, match=rf"built in another process \(7, this is {os.getpid()}\)"):
        require_own_process(consumer_3(is_alive=True), 7)


def test_one_whose_thread_is_gone_is_refused():
    with pytest.raises(ConfigurationError, match="build the KafkaConsumer in the process that calls run"):
        require_own_process(consumer_3(is_alive=False), os.getpid())


PROGRAM = """
import os, sys
from types import SimpleNamespace
from kafka_parallel import ConfigurationError
from kafka_parallel._runtime.client.forks import require_own_process

if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
heartbeat = SimpleNamespace(last_reset=float(sys.argv[1]))
try:
    require_own_process(SimpleNamespace(_coordinator=SimpleNamespace(heartbeat=heartbeat)), os.getpid())
except ConfigurationError:
    sys.exit(3)
"""


@pytest.mark.parametrize(("last_reset", "code"), [(1.0, 3), (float("inf"), 0), (0.0, 0)])
def test_in_a_forked_child_one_that_is_older_than_the_fork_is_refused(last_reset, code):
    assert subprocess.run([sys.executable, "-c", PROGRAM, str(last_reset)], check=False).returncode == code
