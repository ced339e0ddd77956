"""Does a Kafka broker answer at an address.

An open port is not enough: a broker may accept connections before it serves, and something else may listen there. So
one metadata request is sent, by hand: a client would bring threads, retries and time-outs of its own, and differ by
version.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable

__all__ = ()

# Metadata, version 4, correlation id 1, no client id; no topics, none to be created. Spoken by Kafka 0.11 and later.
_HEADER = struct.pack(">hhih", 3, 4, 1, -1)
_REQUEST = _HEADER + struct.pack(">ib", 0, 0)

ATTEMPT_S = 2.0
PAUSE_S = 0.05


def brokers_at(address: str, timeout_s: float = ATTEMPT_S) -> int:
    """How many brokers the one at *address* (``host:port``) knows of, itself included.

    :raises OSError: no broker answers there within *timeout_s*, or not as a Kafka broker does.
    """
    host, port = split_address(address)
    with socket.create_connection((host, port), timeout_s) as connection:
        connection.settimeout(timeout_s)
        connection.sendall(struct.pack(">i", len(_REQUEST)) + _REQUEST)
        with connection.makefile("rb") as stream:
            # size of the answer, correlation id, throttle time, number of brokers
            head = stream.read(16)
    if len(head) < 16:
        raise OSError(f"{address} closed the connection instead of answering a metadata request")
    _, correlation_id, _, brokers = struct.unpack(">iiii", head)
    if correlation_id != 1:
        raise OSError(f"{address} answers, but not as a Kafka broker: {head!r}")
    return int(brokers)


def split_address(address: str) -> tuple[str, int]:
    """Host and port of ``host:port``; the port is 9092 if none is given, as kafka-python has it."""
    host, separator, port = address.strip().rpartition(":")
    if not separator or not port.isdigit():
        return address.strip(), 9092
    return host.strip("[]"), int(port)


def wait_until_ready(addresses: str, timeout_s: float, check: Callable[[], None] = lambda: None) -> str | None:
    """Wait until a broker at one of *addresses* serves; None if it does, or why none did in *timeout_s*.

    :param addresses: one or more ``host:port``, with commas between them.
    :param check: called before each round; its error ends the waiting, for example because the process is gone.
    """
    deadline = time.monotonic() + timeout_s
    reason = None
    while (left := deadline - time.monotonic()) > 0:
        check()
        for address in addresses.split(","):
            reason = why_not_ready(address, min(left, ATTEMPT_S))
            if reason is None:
                return None
        time.sleep(PAUSE_S)
    return reason or "there was no time to ask"


def why_not_ready(address: str, timeout_s: float = ATTEMPT_S) -> str | None:
    """Why no broker serves at *address*; None if one does."""
    try:
        return None if brokers_at(address, timeout_s) > 0 else "it answers but knows of no broker yet"
    except OSError as error:
        return str(error)
