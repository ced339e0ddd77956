"""A worker of a real local Dask and Ray is killed in the middle: nothing is lost, and no key is mixed up.

They take minutes to install: ``make clusters`` does that, and without it these tests are skipped.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager

import pytest

from kafka_parallel import Retry, hookimpl
from kafka_parallel.errors import WorkerDied
from tests.clusters.ray_executor import RayExecutor
from tests.plugins import cpu_handlers
from tests.plugins.cpu_handlers import noted, pids
from tests.runtime.app import TOPIC, App

RECORDS, KEYS = 60, 6
# Libraries of clusters leave sockets to the garbage collector, and warn of each other.
pytestmark = pytest.mark.filterwarnings("ignore")


@contextmanager
def dask():
    distributed = pytest.importorskip("distributed")
    import dask as settings

    with settings.config.set({"distributed.scheduler.allowed-failures": 0}):
        options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "memory_limit": 0}
        with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
            yield client.get_executor()


@contextmanager
def ray():
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        yield RayExecutor()
    finally:
        ray.shutdown()


class NoteDeaths:
    def __init__(self):
        self.errors = []

    @hookimpl
    def on_error(self, error):
        self.errors.append(error)
        return Retry(1)


@pytest.mark.parametrize("cluster", [dask, ray])
def test_a_worker_is_killed_in_the_middle(cluster, tmp_path, monkeypatch):
    log = tmp_path / "log"
    log.touch()
    monkeypatch.setenv(cpu_handlers.LOG, str(log))
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["plugins", "."]))
    app, deaths = App(0), NoteDeaths()
    for number in range(RECORDS):
        app.cluster.append(TOPIC, b"%d" % number, b"key-%d" % (number % KEYS), partition=0)

    with cluster() as executor:
        parallel = app.parallel(executor=("futures", {"executor": executor}), plugins=[deaths])
        parallel.start(cpu_handlers.handle_for_a_while)
        until(lambda: len(noted("end")) > RECORDS // 4)
        os.kill(max(pids(), key=lambda pid: last_of(log, pid)), signal.SIGKILL)
        parallel.join()

    assert {type(error) for error in deaths.errors} <= {WorkerDied}
    assert len(deaths.errors) <= 2
    assert set(noted("end")) == set(range(RECORDS))
    assert len(noted("end")) <= RECORDS + len(deaths.errors)
    for key in range(KEYS):
        ended = [offset for offset in noted("end") if offset % KEYS == key]
        assert ended == sorted(ended)
    assert app.committed == RECORDS


def last_of(log, pid):
    """The place of the last line of a process."""
    lines = log.read_text().splitlines()
    return max(place for place, line in enumerate(lines) if int(line.split()[3]) == pid)


def until(condition):
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
