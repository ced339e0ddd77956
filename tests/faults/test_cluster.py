"""Nodes of a cluster go away one after the other: nothing is lost or repeated, and we stand still no longer than a bare
poll loop beside us.

A single broker that is away is an outage for all. In a cluster others take over: the clients meet new leaders of their
partitions, and their group a new coordinator, while records go on coming.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest

from kafka_parallel.testing.cluster import NODES, Cluster, start_cluster
from kafka_parallel.testing.faults import NotAvailableError
from kafka_parallel.testing.history import judge, read
from kafka_parallel.testing.pytest_plugin import in_ci, topic_name
from tests.faults.conftest import IS_LONG
from tests.faults.outages import App, Traffic, apps, end, wait_until_all_handled

pytestmark = [
    pytest.mark.broker,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not IS_LONG, reason="takes minutes and three brokers: KAFKA_PARALLEL_FAULTS=long"),
]

# How long a node is away, and how much longer than the bare loop we may stand still, in seconds.
AWAY, LONGER = 5.0, 1.0
# How long all are at work between two faults: longer than any interval of commits.
WORK = 4.0


@dataclass
class Fault:
    """The longest time, in seconds, that each app stood still on some partition while one node was away."""

    node: int
    how: str
    gaps: dict[str, float]

    def __str__(self) -> str:
        return f"node {self.node} {self.how}: " + ", ".join(f"{kind} {gap:.2f} s" for kind, gap in self.gaps.items())


@pytest.fixture
def cluster():
    try:
        found = start_cluster()
    except NotAvailableError as error:
        if in_ci():
            raise
        pytest.skip(f"no cluster: {error}")
    with found:
        yield found


def strike(cluster: Cluster, node: int, how: str, traffic: Traffic, found: list[App]) -> Fault:
    """Take *node* away for a while, and wait until all apps have handled the records of that time and a while after."""
    began = time.monotonic()
    (cluster.kill if how == "killed" else cluster.shut_down)(node)
    time.sleep(AWAY)
    cluster.start(node)
    time.sleep(WORK)
    wait_until_all_handled(found, traffic.produced)
    return Fault(node, how, {app.kind: app.longest_gap(began) for app in found})


def test_nodes_that_go_away_in_turn_lose_and_repeat_nothing(cluster, tmp_path, record_property):
    bootstrap, topic = cluster.bootstrap_servers, topic_name("cluster")
    cluster.create_topic(topic, 6)
    with Traffic(bootstrap, topic) as traffic, apps(bootstrap, topic, tmp_path) as found:
        time.sleep(WORK)
        faults = [strike(cluster, node, how, traffic, found) for how in ("shut down", "killed") for node in NODES]
        traffic.stop()
        end(found, traffic.produced)

    verdicts = {app.kind: judge(read(app.history), traffic.produced) for app in found}
    record_property("gaps", "; ".join(map(str, faults)))
    record_property("verdicts", str(verdicts))
    assert all(verdict.is_good for verdict in verdicts.values()), verdicts
    for app in found:
        # An app that was forgotten begins again at its last commit, whatever it is made of.
        assert app.was_forgotten() or verdicts[app.kind].repeated == 0, (app.kind, verdicts[app.kind])
    longest = {kind: max(fault.gaps[kind] for fault in faults) for kind in faults[0].gaps}
    later = {kind: gap for kind, gap in longest.items() if gap > longest["bare"] + LONGER}
    assert later == {}, "\n".join(map(str, faults))
