"""The bounds that a plugin sets on records in flight and on their starts, without reaching into the consumer."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

__all__ = ["Throttle"]


class Throttle(Protocol):
    """One plugin's bounds, handed to it by ``on_throttle``. Any thread may use it, also inside of a hook."""

    def limit(self, in_flight: int | None, *, delay_ms: float = 0) -> None:
        """Let at most *in_flight* records be in flight; records that workers have already are not taken away from them.

        :param in_flight: records; 0 starts nothing and pauses all partitions, ``None`` takes the bound back.
        :param delay_ms: milliseconds from now on after which it holds. Until then the bound before it does. There is
            one change to come at most: each call replaces the one made before.
        :raises ConfigurationError: *in_flight* is negative or no integer.
        """

    def limit_retries(self, in_flight: int | None) -> None:
        """Let at most *in_flight* of the records in flight be retries; the others wait although they are due.

        :param in_flight: records, at least 1; ``None`` takes the bound back.
        :raises ConfigurationError: *in_flight* is below 1 or no integer.
        """

    def limit_rate(self, records_per_second: float | None, *, burst: int = 1) -> None:
        """Let records start so fast at most: *burst* + *records_per_second* * t in any t seconds.

        A retry is a start too. A record that has to wait occupies no worker. After another call, earlier starts still
        count. (Generic cell rate algorithm, ITU-T I.371.)

        :param records_per_second: from 1e-9 to 1e9; ``None`` takes the bound back.
        :param burst: how many may start at once after a quiet time, at least 1.
        :raises ConfigurationError: a value is out of range.
        """

    def limit_rate_per_key(self, records_per_second: float | None, *, burst: int = 1) -> None:
        """Let the records of each ordering key of each partition start so fast at most; other keys go on.

        Records without an ordering key are not limited by it. A retry that waits already keeps its time when the rate
        changes.

        :param records_per_second: from 1e-9 to 1e9; ``None`` takes the bound back.
        :param burst: how many records of one key may start at once after a quiet time, at least 1.
        :raises ConfigurationError: a value is out of range.
        """

    def limit_topics(self, in_flight: int | None, topics: Collection[str]) -> None:
        """Let at most *in_flight* records of *topics* together be in flight; other topics go on.

        A record that has to wait occupies no worker, keeps its place among those that wait, and holds its key back.
        Records that are in flight already take no place. Several bounds may cover a topic: each has to allow a start.
        The lists of a batch handler count by their records; one key's may exceed the bound.

        :param in_flight: records, at least 1; ``None`` takes the bound for these *topics* back.
        :param topics: their names, as the consumer reads them; topics of retries have names of their own.
        :raises ConfigurationError: *in_flight* is below 1 or no integer.
        """

    def limit_other_topics(self, in_flight: int | None, topics: Collection[str]) -> None:
        """Do the same for all topics but *topics*, together: the other workers are kept free for these.

        :param in_flight: records, at least 1; ``None`` takes the bound back.
        :param topics: the names of those that the bound does not count.
        :raises ConfigurationError: *in_flight* is below 1 or no integer.
        """
