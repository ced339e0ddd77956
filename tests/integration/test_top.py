"""The command top on consumers of a real broker: in a terminal of 80 columns, and after one was killed."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time

import pytest

from kafka_parallel import top_sockets
from tests.integration.kafka_app import KEYS, produce, wait_for

pytestmark = pytest.mark.broker

CONSUMER = """
import sys, time
from kafka import KafkaConsumer
from kafka_parallel import ParallelConsumer

bootstrap, topic, executor = sys.argv[1:]


def handle(record):
    time.sleep(1000 if record.offset == 7 else 0.02)


if __name__ == "__main__":
    consumer = KafkaConsumer(topic, bootstrap_servers=bootstrap, group_id="g-" + topic, auto_offset_reset="earliest")
    ParallelConsumer(consumer, plugins=["top"], executor=executor, workers=4, stop_timeout_ms=1000).run(handle)
"""
TOP = [sys.executable, "-m", "kafka_parallel.cli", "top"]
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def environ(tmp_path):
    return {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}


@pytest.fixture(params=["thread-pool", "process-pool"])
def consumer(request, kafka_broker, topic, tmp_path, environ):
    """A process that consumes; the records at offset 7 are stuck."""
    name, script = topic(2), tmp_path / "consumer.py"
    produce(kafka_broker.bootstrap_servers, name, 4000, keys=KEYS)
    script.write_text(CONSUMER)
    command = [sys.executable, str(script), kafka_broker.bootstrap_servers, name, request.param]
    with subprocess.Popen(command, env=environ) as process:
        try:
            wait_for(lambda: top_sockets.listening(tmp_path / "kafka-parallel", process.pid), "its socket")
            yield process, name
        finally:
            process.kill()


def frames(pid, environ):
    with subprocess.Popen([*TOP, str(pid), "--json"], env=environ, stdout=subprocess.PIPE) as viewer:
        try:
            yield from map(json.loads, viewer.stdout)
        finally:
            viewer.kill()


def test_a_viewer_sees_the_stuck_records_and_the_lag(consumer, environ):
    process, name = consumer
    wanted = {(name, 0, 7), (name, 1, 7)}
    for frame in frames(process.pid, environ):
        stuck = {(each["topic"], each["partition"], each["offset"]) for each in frame.get("running", ())}
        lags = [each["lag"] for each in frame.get("partitions", ())]
        if wanted <= stuck and len(lags) == 2 and all(lags) and frame["topics"][0]["per_second"] > 0:
            break

    places = {each["place"] for each in frame["running"] if each["offset"] == 7}
    assert all("consumer.py:" in place for place in places), places
    assert len({each["worker"] for each in frame["running"]}) == len(frame["running"])
    assert frame["topics"][0]["p99_ms"] > 10


def screen(pid, environ, until):
    """The text that a terminal of 80 columns gets until *until* is in it, and how the command ends at Ctrl-C."""
    pid_of_viewer, terminal = pty.fork()
    if pid_of_viewer == 0:
        os.execve(TOP[0], [*TOP, str(pid)], environ)
    text, deadline = "", time.monotonic() + 60
    while until not in text:
        assert time.monotonic() < deadline, text
        if select.select([terminal], [], [], 0.1)[0]:
            text += os.read(terminal, 65536).decode(errors="replace")
    os.kill(pid_of_viewer, signal.SIGINT)
    while True:
        try:
            text += os.read(terminal, 65536).decode(errors="replace")
        except OSError:  # the terminal has no more writers
            break
    os.close(terminal)
    return text, os.waitstatus_to_exitcode(os.waitpid(pid_of_viewer, 0)[1])


def test_it_fits_a_terminal_and_ends_with_ctrl_c(consumer, environ):
    process, name = consumer

    text, exit_code = screen(process.pid, environ, until="]@7")

    lines = ESCAPES.sub("", text.replace("\x1b[H", "\n")).replace("\r", "").splitlines()
    assert exit_code == 0, text
    assert max(map(len, lines)) <= 80
    assert f"g-{name}"[:60] in ESCAPES.sub("", text)
    assert process.poll() is None


def test_the_socket_of_a_killed_consumer_is_removed_by_the_next(consumer, tmp_path, environ):
    process, _ = consumer
    process.kill()
    process.wait()
    folder = tmp_path / "kafka-parallel"
    [stale] = folder.iterdir()
    assert top_sockets.listening(folder) == []

    done = subprocess.run([*TOP], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "plugin top" in done.stderr

    assert top_sockets.free_path(folder, 1).name == "1.sock"
    assert not stale.exists()
