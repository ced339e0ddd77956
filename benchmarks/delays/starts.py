"""The costs of a start: an import, and the way from the start of a program to its first record."""

from __future__ import annotations

import resource
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.delays.arrivals import Arrivals
from benchmarks.delays.entrants import Entrant
from benchmarks.delays.life import Life
from benchmarks.delays.programs.setup import Setup
from benchmarks.environments import ROOT, last_words, prepare
from benchmarks.runners.table import OWN
from benchmarks.session import NotMeasured
from kafka_parallel.testing.broker import Broker

# The statement of each import, and the environment that it needs; kafka-parallel imports kafka-python too.
IMPORTS = {
    "kafka-python": ("from kafka import KafkaConsumer", OWN),
    "kafka-parallel": ("from kafka_parallel import ParallelConsumer", OWN),
    "aiokafka": ("from aiokafka import AIOKafkaConsumer", "aiokafka"),
}


@dataclass(frozen=True)
class ColdStart:
    """From the start of the process to the first handler: seconds on the wall, and of the processor."""

    wall: float
    cpu: float


def measure_import(name: str) -> float:
    """Processor seconds of a Python that imports *name* and ends.

    :raises NotMeasured: it failed.
    """
    statement, environment = IMPORTS[name]
    command = [*prepare(environment), "-c", statement]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise NotMeasured(f"failed: {last_words(done.stderr)}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measure_start(broker: Broker, entrant: Entrant, folder: Path) -> ColdStart:
    """A program that finds records waiting.

    :raises NotMeasured: it failed or was too slow.
    """
    topic = f"start-{time.time_ns()}"
    broker.create_topic(topic, 4)
    arrivals = Arrivals(broker.bootstrap_servers, topic, (0, 1, 2, 3))
    arrivals.send_for(0.1, 100)
    arrivals.close()
    setup = Setup(broker.bootstrap_servers, (topic,), topic, str(folder / topic))
    with Life(entrant, setup) as life:
        first, *_ = life.wait_for(bool, "its first record")
        return ColdStart((first.at - life.began) / 1e9, first.cpu / 1e9)
