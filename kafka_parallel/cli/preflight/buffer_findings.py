"""Do workers, buffers and fetches fit together?"""

from __future__ import annotations

from collections.abc import Iterator

from kafka_parallel.cli.preflight.findings import Finding, warning
from kafka_parallel.cli.preflight.intended import Intended
from kafka_parallel.cli.preflight.time_findings import Circumstances

__all__ = ()

# A pool of processes with more than so many for each core only makes them wait for each other.
PROCESSES_PER_CPU = 2


def buffer_findings(intended: Intended, given: Circumstances) -> Iterator[Finding]:
    """Judge the sizes of the *intended* consumer."""
    yield from _fetches(intended)
    yield from _records(intended)
    yield from worker_findings(intended, given)


def _fetches(intended: Intended) -> Iterator[Finding]:
    config, room = intended.config, intended.options.max_buffered_bytes
    for name in ("fetch_max_bytes", "max_partition_fetch_bytes"):
        if config[name] > room:
            yield warning(
                name,
                f"{config[name]} is more than max_buffered_bytes={room}: one fetch fills the buffer, and the rest "
                f"waits in the client's memory; set {name} to {room} at most, or raise max_buffered_bytes",
            )


def _records(intended: Intended) -> Iterator[Finding]:
    options, most = intended.options, intended.config["max_poll_records"]
    if most < options.workers:
        yield warning(
            "max_poll_records",
            f"{most} is below workers={options.workers}: no poll brings work for all of them; set it to "
            f"{max(500, options.workers)} (the default is 500)",
        )
    if options.buffered_records < options.workers:
        yield warning(
            "max_buffered_records",
            f"{options.buffered_records} is below workers={options.workers}: some never have a record; leave it out, "
            "or set it to four times the workers",
        )
    if options.max_uncommitted < options.workers:
        yield warning(
            "max_uncommitted",
            f"{options.max_uncommitted} is below workers={options.workers}: one slow record pauses its partition while "
            "workers are idle; set it to ten times the workers at least",
        )


def worker_findings(intended: Intended, given: Circumstances) -> Iterator[Finding]:
    """Judge the number of workers alone."""
    options, partitions = intended.options, given.partitions
    if options.ordering == "partition" and partitions is not None and options.workers > partitions:
        yield warning(
            "workers",
            f"{options.workers}, and ordering='partition' runs one record of each of the {partitions} partitions at a "
            f"time: {options.workers - partitions} are always idle; set workers={partitions}, or ordering='key'",
        )
    is_pool = options.executor_name == "process-pool"
    if is_pool and given.cpus is not None and options.workers > PROCESSES_PER_CPU * given.cpus:
        yield warning(
            "workers",
            f"{options.workers} processes on {given.cpus} cores: each costs memory, and they wait for each other; set "
            f"workers={given.cpus} for handlers that compute",
        )
