"""How handlers get the interpreter while the thread that fetches decodes records.

kafka-python decodes the records of a poll() without a break: 500 records take 3 ms, less than the 5 ms after which the
interpreter is passed on. A handler that wakes up meanwhile waits for all of them. But if this thread has waited for
workers and they still have enough to do, they do not wait for it. So it decodes a few records at a time then, and
sleeps for a moment after each few, which passes the interpreter on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kafka_parallel._runtime.client import fetcher_patch

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

# The number of records decoded at a time: a third of a millisecond.
SLICE = 50
# The sleep after them, in seconds. If it were nothing, this thread would have the interpreter again before another one
# had woken up.
REST = 0.00005


class SlicedRecords(fetcher_patch.StandIn):
    """The base class before the client's ``PartitionRecords`` in a class made of both.

    :ivar rest: called between two slices.
    """

    rest: Callable[[], None]

    def take(self: Any, n: int | None = None) -> list[ConsumerRecord]:
        """Do as the client does. The records before an error are handed out first, the error by the next call."""
        records: list[ConsumerRecord] = []
        while True:
            wanted = SLICE if n is None else min(SLICE, n - len(records))
            try:
                found: list[ConsumerRecord] = super().take(wanted)  # type: ignore[misc]
            except Exception as error:
                if not records:
                    raise
                self._next_inline_exception = error
                return records
            records += found
            if len(found) < wanted or len(records) == n or not self:
                return records
            self.rest()


# see docs/decisions/0044-decode-in-slices.md
class Slices:
    """Decodes in slices.

    :param sleep: sleeps so many seconds.
    :ivar are_wanted: whether it shall; set by the thread that polls, before it does.
    """

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self.are_wanted = False
        self._sleep = sleep

    def put(self, fetcher: Any) -> str:
        """Let *fetcher* decode in slices until it is taken back, or leave it as it is and return why."""
        return fetcher_patch.put(fetcher, SlicedRecords, rest=staticmethod(self._rest))

    def _rest(self) -> None:
        if self.are_wanted:
            self._sleep(REST)
