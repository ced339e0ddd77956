"""Measures runners on workloads: each measurement in a process of its own, all runners in turn, round after round."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

from kafka import KafkaProducer

from benchmarks.environments import ROOT, Missing, last_words, prepare
from benchmarks.job import Job
from benchmarks.results import Result
from benchmarks.runners.table import Runner
from benchmarks.workloads import PARTITIONS, Workload
from kafka_parallel.testing.broker import Broker

# No single measurement may take longer, in seconds.
PATIENCE = 180


class NotMeasured(Exception):  # noqa: N818 - it ends in a table, not in a traceback
    """Says why."""


class Session:
    """One broker, and how each environment's programs are started.

    :param environments: names of those that will be needed; they are made here, not between measurements.
    """

    def __init__(self, broker: Broker, environments: Iterable[str]) -> None:
        self._broker = broker
        self._commands: dict[str, list[str]] = {}
        self._missing: dict[str, str] = {}
        for name in environments:
            try:
                self._commands[name] = prepare(name)
            except Missing as reason:
                self._missing[name] = f"not installed: {reason}"

    def measure(
        self, workload: Workload, runners: Sequence[Runner], rounds: int, did: Callable[[], None]
    ) -> list[Result]:
        """Measure *runners* in turn: A B C A B C, so that a drift hits all of them. One that fails is not tried again.

        :param did: called after each measurement.
        """
        topic = fill(workload, self._broker)
        results = [Result(workload, runner, self._records(workload, runner)) for runner in runners]
        for result in results:
            result.reason = self._missing.get(result.runner.environment, "")
        for _ in range(rounds):
            for result in results:
                if not result.reason:
                    self._measure_once(result, topic)
                did()
        return results

    @staticmethod
    def _records(workload: Workload, runner: Runner) -> int:
        return (
            min(workload.records, runner.most or workload.records) if workload.kind == "nothing" else workload.records
        )

    def _measure_once(self, result: Result, topic: str) -> None:
        kind, workers = result.workload.kind, result.workload.workers
        group = f"bench-{time.time_ns()}"
        job = Job(kind, result.records, workers, self._broker.bootstrap_servers, topic, group)
        try:
            result.rounds.append(_run(self._command(result.runner, job)))
        except NotMeasured as reason:
            result.reason = str(reason)

    def _command(self, runner: Runner, job: Job) -> list[str]:
        command = self._commands[runner.environment]
        if runner.environment == "java":
            numbers = [str(job.records), str(job.workers)]
            return [*command, runner.entry, job.kind, *numbers, job.bootstrap_servers, job.topic, job.group]
        return [*command, "-m", "benchmarks.runners", runner.entry, job.to_json()]


def fill(workload: Workload, broker: Broker) -> str:
    """Produce the workload's records into a topic of their own."""
    topic = f"bench-{time.time_ns()}"
    broker.create_topic(topic, PARTITIONS)
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers, acks="all", linger_ms=20)
    for number in range(workload.produced):
        sample = number % workload.records  # those that only wait are like the others
        producer.send(topic, key=b"key-%d" % workload.key(sample), value=workload.value(sample))
    producer.flush()
    producer.close()
    return topic


def _run(command: Sequence[str]) -> Mapping[str, float]:
    """Measure once; whatever the program started ends with it.

    :raises NotMeasured: it failed, skipped the work, or took too long.
    """
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    ) as process:
        try:
            output, errors = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            raise NotMeasured(f"it took longer than {PATIENCE} s") from None
        finally:
            _end(process.pid)
    if process.returncode:
        raise NotMeasured(f"failed: {last_words(errors)}")
    return _figures(output)


def _end(session: int) -> None:
    """Kill the rest of the program's session: its own children too."""
    with suppress(ProcessLookupError):  # the usual case: everything has ended
        os.killpg(session, signal.SIGKILL)


def _figures(output: str) -> Mapping[str, float]:
    found: dict[str, float | str | None] = json.loads(output.splitlines()[-1])
    if "skipped" in found:
        raise NotMeasured(f"skipped: {found['skipped']}")
    return {name: float(figure) for name, figure in found.items() if figure is not None}
