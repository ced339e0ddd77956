"""Finds facts about this Python process that stop a run, or are warned of when it starts.

Two packages that write kafka-python's files, threads that are not threads, an event loop that the client chose by
itself, and a client that is told wrong ends of logs. The commands ``check`` (all but the loop) and ``doctor`` (the
ends) say them by the same functions.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from kafka_parallel._client_files import FORK, imported_version, mixture, version_of
from kafka_parallel._logs import area_logger
from kafka_parallel._runtime.client.stable_ends import asks_as_broker
from kafka_parallel.errors import ConfigurationError

log = area_logger("run")


class Hazard(NamedTuple):
    """A fact that harms a run.

    :ivar subject: the package that it is about.
    :ivar text: the harm, and the change that helps.
    :ivar is_fatal: whether a run is refused.
    """

    subject: str
    text: str
    is_fatal: bool


def check_process(consumer: Any) -> None:
    """Look at the process in which *consumer* is about to run: warn of what harms the run.

    :raises ConfigurationError: a run cannot work here.
    """
    found = mixed_files(version_of("kafka-python"), version_of(FORK), imported_version())
    ends = unstable_ends(
        consumer.config.get("isolation_level"), as_broker=asks_as_broker(getattr(consumer, "_fetcher", None))
    )
    for hazard in (found, green_threads(patched_by()), chosen_loop(consumer), ends):
        if hazard is None:
            continue
        if hazard.is_fatal:
            raise ConfigurationError(f"{hazard.subject} {hazard.text}")
        log.warning("%s %s", hazard.subject, hazard.text)


def mixed_files(client: str | None, fork: str | None, imported: str | None) -> Hazard | None:
    """Judge kafka-python-ng: see `mixture`."""
    found = mixture(client, fork, imported)
    return None if found is None else Hazard(FORK, *found)


def patched_by() -> str | None:
    """The library that has replaced this process's threads; neither is imported to find out."""
    gevent, eventlet = sys.modules.get("gevent.monkey"), sys.modules.get("eventlet.patcher")
    if gevent is not None and gevent.is_module_patched("threading"):
        return "gevent"
    if eventlet is not None and eventlet.is_monkey_patched("thread"):
        return "eventlet"
    return None


# see docs/decisions/0099-guards-of-the-process.md
def green_threads(library: str | None) -> Hazard | None:
    """Judge a process whose threads *library* has replaced: handlers that wait work, those that compute do not."""
    if library is None:
        return None
    return Hazard(
        library,
        "has patched this process: the threads of workers take turns on one, and a handler that computes or calls into "
        "C holds up all of them, heartbeats as well: the group takes the partitions away and their records come again; "
        "run the consumer in a process that is not patched",
        is_fatal=False,
    )


def chosen_loop(consumer: Any) -> Hazard | None:
    """Judge the backend of kafka-python 3.1 and later, which it chooses by where the *consumer* was built."""
    backend = type(getattr(consumer, "_net", None)).__name__
    if backend != "AsyncioBackend" or consumer.config.get("net") is not None:
        return None
    return Hazard(
        "kafka-python",
        "chose its asyncio backend for this KafkaConsumer, because it was built inside of a running event loop, and "
        "kafka-parallel is tested with the other: write KafkaConsumer(..., net='selector'), or net='asyncio' if you "
        "mean that one",
        is_fatal=False,
    )


def unstable_ends(isolation_level: str | None, *, as_broker: bool) -> Hazard | None:
    """Judge a consumer that means to read committed records only, and is told ends behind open transactions.

    :param isolation_level: that of the consumer.
    :param as_broker: whether its client asks for ends as a broker does.
    """
    if isolation_level != "read_committed" or not as_broker:
        return None
    return Hazard(
        "kafka-python",
        f"{imported_version()} asks for the ends of logs as a broker does: with isolation_level='read_committed', "
        "end_offsets() and a start at auto_offset_reset='latest' lie behind the records of open transactions, and such "
        "a start does not read them; pip install kafka-python==3.0.12, or a later one",
        is_fatal=False,
    )
