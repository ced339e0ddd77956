"""The command that looks, before the deploy, whether a consumer will start and work."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import closing

import click
from kafka.errors import KafkaError

from kafka_parallel.cli.configuration.run_config import RunConfig
from kafka_parallel.cli.connection import NO_BROKER, Connection, NoBroker, servers_of
from kafka_parallel.cli.preflight.buffer_findings import worker_findings
from kafka_parallel.cli.preflight.cluster_facts import ClusterFacts
from kafka_parallel.cli.preflight.cluster_questions import ask_cluster
from kafka_parallel.cli.preflight.combination_findings import combination_findings, handler_findings
from kafka_parallel.cli.preflight.finding_lines import show
from kafka_parallel.cli.preflight.findings import FAIL, Finding, failure, good, has_failed
from kafka_parallel.cli.preflight.from_config import intended_or_usage
from kafka_parallel.cli.preflight.group_findings import group_findings
from kafka_parallel.cli.preflight.installation import PythonFacts, ends_findings, installation_findings, look
from kafka_parallel.cli.preflight.intended import Intended
from kafka_parallel.cli.preflight.need_findings import need_findings
from kafka_parallel.cli.preflight.time_findings import Circumstances, heartbeat_findings, time_findings
from kafka_parallel.cli.preflight.topic_findings import source_findings
from kafka_parallel.cli.run_options import with_run_config

__all__ = ()


@click.command("check")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line: level, subject, text.")
@with_run_config
def check_command(config: RunConfig, *, as_json: bool) -> None:
    """Look whether a consumer would start and work: its handler, its plugins, its topics, its group.

    It connects, and joins, consumes, produces and creates nothing. Each line is ok, note, warn or fail, with what to
    change. Exit codes: 0, 1 (a line is fail), 2 (called wrongly), 3 (no broker answers).
    """
    intended, findings = intended_or_usage(config)
    installed = look()
    shown = show([*findings, *_without_cluster(intended, installed)], as_json=as_json)
    cluster = _facts(intended)
    shown += show(cluster_findings(intended, cluster, installed), as_json=as_json)
    sys.exit(NO_BROKER if cluster.silence is not None else int(has_failed(shown)))


def _without_cluster(intended: Intended, installed: PythonFacts) -> Iterator[Finding]:
    yield from installation_findings(installed)
    yield from ends_findings(installed, intended.config.get("isolation_level"))
    yield from handler_findings(intended)
    yield from combination_findings(intended)
    yield from (found for found in time_findings(intended, Circumstances()) if found.level == FAIL)
    yield from heartbeat_findings(intended)


def _facts(intended: Intended) -> ClusterFacts:
    """Ask the cluster of the *intended* consumer.

    :raises click.UsageError: its client does not take the settings.
    """
    servers = servers_of(intended.config)
    topics = {*intended.topics, *(need.topic for _, need in intended.needs)}
    try:
        connection = Connection({"bootstrap_servers": servers, **intended.given}, "[consumer]")
        with closing(connection.admin()) as admin:
            return ask_cluster(admin, servers, topics, intended.group_id)
    except NoBroker as error:
        return ClusterFacts(servers=servers, silence=error.message)
    except KafkaError as error:
        return ClusterFacts(servers=servers, silence=f"failed with {error!r}")


def cluster_findings(intended: Intended, cluster: ClusterFacts, installed: PythonFacts) -> Iterator[Finding]:
    """Judge the *intended* consumer beside its cluster."""
    subject = f"broker {cluster.servers}"
    if cluster.silence is not None:
        yield failure(subject, f"{cluster.silence}; topics and group were not looked at")
        return
    yield good(subject, f"answers; the cluster has {cluster.brokers} brokers")
    yield from source_findings(intended, cluster, installed)
    yield from need_findings(intended, cluster)
    yield from group_findings(intended, cluster)
    partitions = sum(cluster.topics[name].partitions for name in intended.topics)
    yield from worker_findings(intended, Circumstances(partitions=partitions or None))
