"""Tells "there is no such broker here" from "the broker failed".

The first lets :func:`~kafka_parallel.testing.broker.start_broker` try another kind of broker. The second never does: to
fall back would hide a fault.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from kafka_parallel.errors import BrokerError

__all__ = ["NotAvailableError"]

Started = TypeVar("Started")

LOG_TAIL_LINES = 15
PORT_TRIES = 3
PORT_TAKEN = ("Address already in use", "address already in use", "port is already allocated")


class NotAvailableError(BrokerError):
    """This kind of broker is not available here: nothing is wrong, but something is missing."""


@contextmanager
def needs_extra(package: str) -> Iterator[None]:
    """Around an import of *package*, which the extra ``testing`` brings.

    :raises NotAvailableError: the package is not installed.
    """
    try:
        yield
    except ImportError as error:
        raise NotAvailableError(
            f"the test broker needs the package {package!r} ({error}); "
            "install it with: pip install 'kafka-parallel[testing]'"
        ) from error


def needs_posix() -> None:
    """Stop where Kafka has no scripts and sockets no files.

    :raises NotAvailableError: this is Windows.
    """
    if sys.platform == "win32":
        raise NotAvailableError("no broker can be started on Windows; name a running one in KAFKA_BOOTSTRAP_SERVERS")


def broker_failed(what: str, log: str) -> BrokerError:
    """Make the error of a broker that failed, with the event and the end of its *log*."""
    lines = log.splitlines()[-LOG_TAIL_LINES:]
    return BrokerError(f"{what}; the last lines of its log:\n" + "\n".join(f"    {line}" for line in lines))


def with_free_port(start: Callable[[], Started]) -> Started:
    """Call *start*, again if another process took the port between its choice and its use.

    :raises BrokerError: *start* failed for another reason, or three times for this one.
    """
    for _ in range(PORT_TRIES - 1):
        try:
            return start()
        except BrokerError as error:
            if not any(text in str(error) for text in PORT_TAKEN):
                raise
    return start()
