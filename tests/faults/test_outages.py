"""A broker goes away for a while and comes back: we resume no later than the bare poll loop beside us."""

from __future__ import annotations

import time

import pytest

from kafka_parallel.testing.pytest_plugin import broker_or_skip, topic_name
from tests.faults.conftest import rounds
from tests.faults.outages import Traffic, apps, end, wait_until_all_resumed

pytestmark = [pytest.mark.broker, pytest.mark.timeout(900)]

# How long the broker is away, and how much later than the bare loop we may resume, in seconds.
AWAY, LATER = 5.0, 1.0
# How long all are at work between two outages: longer than any interval of commits.
WORK = 4.0


def test_a_broker_that_is_away_for_seconds_is_not_missed_longer_than_by_a_bare_loop(tmp_path, record_property):
    resumed = []
    with broker_or_skip("jvm") as broker:
        bootstrap, topic = broker.bootstrap_servers, topic_name("outage")
        broker.create_topic(topic, 4)
        with Traffic(bootstrap, topic) as traffic, apps(bootstrap, topic, tmp_path) as found:
            for _ in range(rounds(1, 5)):
                time.sleep(WORK)
                broker.kill()
                time.sleep(AWAY)
                back = time.monotonic()
                broker.restart()
                resumed.append(wait_until_all_resumed(found, back))
            traffic.stop()
            end(found, traffic.produced)

    later = {kind: [took[kind] - took["bare"] for took in resumed] for kind in ("threads", "asyncio")}
    record_property("resumed_after_seconds", str(resumed))
    record_property("later_than_the_bare_loop", str(later))
    assert {kind: seconds for kind, seconds in later.items() if max(seconds) > LATER} == {}, resumed
