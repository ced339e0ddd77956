"""The example services as processes, and the questions that their tests ask: what was done, what is committed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kafka_parallel.testing.history import Produced
from tests.integration.kafka_app import KEYS, PATIENCE, committed, ends, produce, wait_for

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"

Place = tuple[int, int]


class Service:
    """A program that consumes a topic, and the effects by which its work is checked.

    :param command: its arguments after those of the interpreter.
    :param environment: its environment variables, beside those of the tests.
    :param done: the partitions and offsets of all effects so far, repeated ones as often as they are there.
    :param folder: where it runs.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str],
        done: Callable[[], list[Place]],
        folder: Path = EXAMPLES,
    ) -> None:
        self.command = [sys.executable, *command]
        self.environment = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
        self.done = done
        self._folder = folder

    @contextmanager
    def running(self, **environment: str) -> Any:
        """Run it; it is killed at the end if it has not ended before."""
        environment = {**self.environment, **environment}
        process = subprocess.Popen(self.command, cwd=self._folder, env=environment, preexec_fn=_heed_ctrl_c)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def _heed_ctrl_c() -> None:
    """Take SIGINT as in a terminal: a shell lets jobs in the background ignore it, and their children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def ended(process: subprocess.Popen[bytes], number: int) -> int:
    """Send a signal, wait for the end, and return the exit code."""
    process.send_signal(number)
    return process.wait(PATIENCE)


class Topic:
    """A topic of a service, what was produced to it, and what its group has committed."""

    def __init__(self, bootstrap: str, name: str, group: str, count: int = 300) -> None:
        self.bootstrap, self.name, self.group = bootstrap, name, group
        self.produced = produce(bootstrap, name, count, keys=KEYS, value=b"20")
        self.places = {(partition, offset) for partition, keys in self.produced.keys.items() for offset in keys}

    def add(self, count: int) -> None:
        """Produce *count* more records."""
        more, before = produce(self.bootstrap, self.name, count, keys=KEYS, value=b"20").keys, self.produced.keys
        both = {partition: {**before.get(partition, {}), **more.get(partition, {})} for partition in {*before, *more}}
        self.produced = Produced(self.name, both)
        self.places |= {(partition, offset) for partition, keys in more.items() for offset in keys}

    @property
    def environment(self) -> dict[str, str]:
        return {"BOOTSTRAP_SERVERS": self.bootstrap, "TOPIC": self.name, "GROUP": self.group}

    def uncommitted(self) -> int:
        """How many records have no commit above them."""
        found = committed(self.bootstrap, self.group, self.produced)
        return sum(end - found[partition] for partition, end in ends(self.produced).items())

    def wait_until_committed(self) -> None:
        wait_for(lambda: self.uncommitted() == 0, f"the commits of all records of {self.name}")


def check_restart_and_sigterm(service: Service, topic: Topic, exit_code: int = 0) -> None:
    """Stop *service* with SIGTERM in the middle of its work, start it again, and stop it when all is done.

    Every record has its effect once: a stop in good order repeats nothing and loses nothing. A quick machine may have
    done all before the signal, so more records come before the second start.
    """
    with service.running() as process:
        wait_for(lambda: len(service.done()) >= 20, "the first effects")
        assert ended(process, signal.SIGTERM) == exit_code
    first = service.done()
    assert topic.uncommitted() == len(topic.places) - len(first)
    topic.add(50)
    with service.running() as process:
        wait_for(lambda: topic.places <= set(service.done()), "the effects of all records")
        assert ended(process, signal.SIGTERM) == exit_code
    assert topic.uncommitted() == 0
    assert sorted(service.done()) == sorted(topic.places)
