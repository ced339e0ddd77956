"""Whatever happens to the process that started a broker, the broker goes with it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kafka_parallel.errors import BrokerError
from kafka_parallel.testing.guarded import Guarded
from kafka_parallel.testing.probe import why_not_ready
from kafka_parallel.testing.pytest_plugin import broker_or_skip

GONE_S = 20.0

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]

# Starts a child that sleeps, says its id, and waits.
PARENT = """
import signal, sys, threading
from pathlib import Path
# whoever runs the tests in the background of a shell has it ignored
signal.signal(signal.SIGINT, signal.default_int_handler)
from kafka_parallel.errors import BrokerError
from kafka_parallel.testing.guarded import Guarded
guarded = Guarded()
print(guarded.run([sys.executable, "-c", "import time; time.sleep(600)"], guarded.directory / "log"), flush=True)
{then}
threading.Event().wait()
"""


@pytest.fixture
def own_tmp(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@contextlib.contextmanager
def started(*command):
    process = subprocess.Popen(
        [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def assert_soon(condition):
    deadline = time.monotonic() + GONE_S
    while not condition():
        assert time.monotonic() < deadline, f"not so after {GONE_S} s"
        time.sleep(0.05)


def is_gone(pid):
    state = Path(f"/proc/{pid}/stat")
    try:
        os.kill(pid, 0)
        # one that was not reaped yet does nothing any more
        return state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z"
    except ProcessLookupError:  # it may be reaped between any two of these steps
        return True


def is_empty(directory):
    return list(directory.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_child_goes_with_its_killed_parent(own_tmp, number):
    with started("-c", PARENT.format(then="")) as parent:
        child = int(parent.stdout.readline())
        parent.send_signal(number)

        assert_soon(lambda: is_gone(child) and is_empty(own_tmp))


def test_a_child_goes_although_a_fork_of_the_parent_lives_on(own_tmp):
    then = "import os\nprint(os.fork() or 'fork', flush=True)"
    with started("-c", PARENT.format(then=then)) as parent:
        child = int(parent.stdout.readline())
        parent.stdout.readline()
        parent.kill()

        assert_soon(lambda: is_gone(child) and is_empty(own_tmp))


def test_a_fork_of_the_parent_cannot_end_the_child(own_tmp):
    then = (
        "import os\nfork = os.fork()\nguarded.close() if fork == 0 else os.waitpid(fork, 0)\nif fork == 0: os._exit(0)"
    )
    with started("-c", PARENT.format(then=f"{then}\nprint(guarded.exit_code(), flush=True)")) as parent:
        child = int(parent.stdout.readline())

        assert parent.stdout.readline() == "None\n"
        assert not is_gone(child)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills a child whose parent is killed")
def test_a_child_goes_with_its_killed_guard(own_tmp):
    guarded = Guarded()
    child = guarded.run(SLEEPER, guarded.directory / "log")

    os.kill(guarded._process.pid, signal.SIGKILL)

    assert_soon(lambda: is_gone(child))
    with pytest.raises(BrokerError, match="guard process of the broker ended with exit code -9"):
        guarded.exit_code()
    guarded.close()


def test_an_ended_child_tells_its_exit_code(own_tmp):
    guarded = Guarded()
    guarded.run([sys.executable, "-c", "raise SystemExit(3)"], guarded.directory / "log")

    assert_soon(lambda: guarded.exit_code() == 3)
    guarded.close()


def test_what_the_parent_set_for_its_own_java_is_not_passed_on(own_tmp, monkeypatch):
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Xmx1m")
    guarded = Guarded()
    log = guarded.directory / "log"
    guarded.run([sys.executable, "-c", "import os; print(os.environ.get('JAVA_TOOL_OPTIONS'))"], log)

    assert_soon(lambda: guarded.exit_code() == 0)
    assert log.read_text() == "None\n"
    guarded.close()


@pytest.fixture(scope="module")
def _a_broker_is_to_be_had():
    broker_or_skip(kind="jvm").stop()


@pytest.mark.broker
@pytest.mark.usefixtures("_a_broker_is_to_be_had")
@pytest.mark.parametrize("end", ["kill", "terminate", "stdin"])
def test_the_broker_of_the_command_goes_with_it(own_tmp, end):
    with started("-m", "kafka_parallel.testing.broker", "--kind", "jvm", "--stdin") as command:
        name, _, address = command.stdout.readline().strip().partition("=")
        assert name == "bootstrap_servers"
        assert why_not_ready(address) is None

        command.stdin.close() if end == "stdin" else getattr(command, end)()

        assert_soon(lambda: "refused" in (why_not_ready(address) or "") and is_empty(own_tmp))
        assert command.wait(GONE_S) == (-signal.SIGKILL if end == "kill" else 0)


@pytest.mark.broker
@pytest.mark.usefixtures("_a_broker_is_to_be_had")
def test_a_command_that_is_killed_while_it_starts_leaves_nothing(own_tmp):
    with started("-m", "kafka_parallel.testing.broker", "--kind", "jvm") as command:
        assert_soon(lambda: list(own_tmp.glob("*/broker.log")))
        command.kill()

        assert_soon(lambda: is_empty(own_tmp))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--kind", "podman"], 1, "error: unknown kind of broker 'podman'"),
        (["--config", "num.partitions"], 2, "'num.partitions' is not of the form NAME=VALUE"),
    ],
)
def test_the_command_says_what_is_wrong_and_fails(arguments, code, said):
    command = [sys.executable, "-m", "kafka_parallel.testing.broker", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)

    assert result.returncode == code
    assert said in result.stderr
    assert result.stdout == ""
