"""Does the installed client ask for the ends of logs as a reader does?

kafka-python 3.0.0 to 3.0.11, and 3.1.0.dev of August 2026, leave the number of the asking replica out of ListOffsets,
which then says 0, a broker. A broker is told the end of the log whatever the isolation level is. So with
"read_committed" ``end_offsets()`` and a start at "latest" lie behind the records of transactions that are open.
3.0.12 has mended it.

The request itself is looked at: the client's own method makes it, and nothing is sent.
"""

from __future__ import annotations

import inspect
from copy import copy
from typing import Any

from kafka import TopicPartition
from kafka.consumer.fetcher import Fetcher

# What a reader says in the place of a replica's number.
READER = -1
_LATEST = {TopicPartition("topic", 0): (-1, -1)}  # the time and the leader's epoch of a question for the end


class _RequestMadeError(Exception):
    def __init__(self, request: Any) -> None:
        super().__init__("the request is not sent")
        self.request = request


class _Unsent:
    """Stands for the client's connections, and hands back the request."""

    def send(self, request: Any, **_: Any) -> Any:
        raise _RequestMadeError(request)


def installed_fetcher() -> Any:
    """A fetcher of the installed client without a consumer: it has the attributes that `asks_as_broker` needs."""
    fetcher = object.__new__(Fetcher)
    fetcher._isolation_level = 1
    return fetcher


def asks_as_broker(fetcher: Any) -> bool:
    """Tell whether *fetcher* is told ends behind open transactions, whatever its consumer's ``isolation_level`` says.

    kafka-python 2.x, a fake consumer and a client that makes its request in another way are taken for readers.

    :param fetcher: that of a consumer, or `installed_fetcher`.
    """
    make = getattr(type(fetcher), "_send_list_offsets_request", None)
    if not inspect.iscoroutinefunction(make):
        return False
    asking = copy(fetcher)  # the one in use is left alone
    asking._manager = _Unsent()  # noqa: SLF001
    try:
        make(asking, 0, _LATEST).send(None)
    except _RequestMadeError as made:
        return getattr(made.request, "replica_id", READER) != READER
    except Exception:  # noqa: BLE001 - it is made in another way, and nothing is known of it
        return False
    return False  # it waits for something else first
