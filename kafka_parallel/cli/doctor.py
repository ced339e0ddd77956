"""The command that computes which settings of a consumer fight each other; it asks no broker."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping

import click

from kafka_parallel.cli.configuration.run_config import RunConfig
from kafka_parallel.cli.preflight.buffer_findings import buffer_findings
from kafka_parallel.cli.preflight.combination_findings import combination_findings, handler_findings, speed_findings
from kafka_parallel.cli.preflight.finding_lines import show
from kafka_parallel.cli.preflight.findings import OK, Finding, good, has_failed
from kafka_parallel.cli.preflight.from_config import intended_or_usage
from kafka_parallel.cli.preflight.installation import PythonFacts, ends_findings, look
from kafka_parallel.cli.preflight.intended import Intended
from kafka_parallel.cli.preflight.time_findings import Circumstances, time_findings
from kafka_parallel.cli.run_options import with_run_config

__all__ = ()

GRACE_VARIABLE = "TERMINATION_GRACE"


@click.command()
@click.option("--rate", type=click.FloatRange(0, min_open=True), help="Records a second that the consumer reads.")
@click.option("--handler-ms", type=click.FloatRange(0, min_open=True), help="Milliseconds of the slowest handler.")
@click.option("--partitions", type=click.IntRange(1), help="Partitions that the consumer reads when it is alone.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line: level, subject, text.")
@with_run_config
def doctor(
    config: RunConfig, *, rate: float | None, handler_ms: float | None, partitions: int | None, as_json: bool
) -> None:
    """Compute which settings fight each other; each line has the number and the setting to change.

    It asks no broker, unless HANDLER is a factory whose consumer connects; check does. The environment variable
    TERMINATION_GRACE tells the seconds that the platform grants between SIGTERM and SIGKILL. Exit codes: 0, 1 (a line
    is fail), 2 (called wrongly).
    """
    circumstances = Circumstances(
        grace_ms=grace_ms(os.environ), handler_ms=handler_ms, rate=rate, partitions=partitions, cpus=cpus()
    )
    intended, findings = intended_or_usage(config)
    shown = show([*findings, *settings_findings(intended, circumstances, look())], as_json=as_json)
    if not shown:
        show([looked_at(intended)], as_json=as_json)
    sys.exit(int(has_failed(shown)))


def looked_at(intended: Intended) -> Finding:
    """The parts of the *intended* consumer that were compared, where none of them is to be changed."""
    pattern = "none, and none is needed here" if intended.pattern is None else intended.pattern.pattern
    topics = ", ".join(sorted(intended.topics)) or pattern
    plugins = ", ".join(name for name, _ in intended.loaded())
    return good(
        "settings",
        f"times, buffers, workers and plugins fit together: group {intended.group_id}, topics ({topics}), "
        f"{intended.options.workers} workers, plugins ({plugins}), and {len(intended.given)} settings of the "
        "KafkaConsumer beside its defaults",
    )


def settings_findings(intended: Intended, given: Circumstances, installed: PythonFacts) -> Iterator[Finding]:
    """Judge the settings of the *intended* consumer; all that is well is left out."""
    yield from ends_findings(installed, intended.config.get("isolation_level"))
    yield from (finding for finding in handler_findings(intended) if finding.level != OK)
    yield from combination_findings(intended)
    yield from time_findings(intended, given)
    yield from buffer_findings(intended, given)
    yield from speed_findings(intended, given.rate)


def grace_ms(environment: Mapping[str, str]) -> float | None:
    """The milliseconds from SIGTERM to SIGKILL that *environment* tells.

    :raises click.UsageError: it is not a number of seconds.
    """
    found = environment.get(GRACE_VARIABLE)
    if not found:
        return None
    try:
        return float(found.removesuffix("s")) * 1000
    except ValueError:
        raise click.UsageError(f"{GRACE_VARIABLE}={found!r} is not a number of seconds") from None


def cpus() -> int | None:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
