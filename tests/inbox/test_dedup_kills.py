"""A process with the plugin dedup is killed: only records that ran are repeated, although nothing was committed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.inbox.dedup_worker import EFFECTS, WORKERS
from tests.integration.kafka_app import PATIENCE, produce, wait_for

pytestmark = pytest.mark.broker

WORKER = Path(__file__).with_name("dedup_worker.py")
KILLS, RECORDS = 2, 3000
# The interval of commits: a kill leaves all of the work to be repeated.
NEVER_MS = 600_000


@contextmanager
def member(*arguments):
    process = subprocess.Popen([sys.executable, str(WORKER), *map(str, arguments)])
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_kill_repeats_only_what_ran(kafka_broker, topic, redis_port):
    redis = pytest.importorskip("redis")
    bootstrap, name = kafka_broker.bootstrap_servers, topic(2)
    produced = produce(bootstrap, name, RECORDS)
    with redis.Redis(port=redis_port, socket_timeout=30) as client:
        client.flushall()
        for number in range(1, KILLS + 1):
            with member(bootstrap, name, redis_port, NEVER_MS) as process:
                wait_for(lambda least=800 * number: client.llen(EFFECTS) >= least, "effects")
                process.send_signal(signal.SIGKILL)
                process.wait()
        with member(bootstrap, name, redis_port, 200) as process:
            assert process.wait(PATIENCE) == 0
        effects = Counter(place.decode() for place in client.lrange(EFFECTS, 0, -1))

    expected = {f"{partition}/{offset}" for partition, keys in produced.keys.items() for offset in keys}
    assert effects.keys() == expected
    assert sum(effects.values()) - len(expected) <= KILLS * WORKERS
