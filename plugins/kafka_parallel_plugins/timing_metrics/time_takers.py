"""At which partitions and keys were the handlers, in some seconds?

Time is sampled, as a profiler does: in each millisecond of a worker's handling there is one point, at random, and the
attempt under it is charged with that millisecond. A handler of a second has a thousand of them. A thousand handlers of
a microsecond have one, and cost a thousandth: all that is done for the others is to add up their durations.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING

from kafka_parallel.errors import FATAL
from kafka_parallel_plugins.heavy_hitters import HeavyHitters
from kafka_parallel_plugins.key_names import name_of

if TYPE_CHECKING:
    from kafka_parallel import Handled

__all__ = ()

# Seconds of handling for each point.
TICK = 0.001


class Ticks:
    """The points in the time of one worker, one at random in each `TICK`; one thread at a time."""

    __slots__ = ("_at", "_point", "_random")

    def __init__(self) -> None:
        # by chance, or handlers that take turns in step with the points would all be charged to one of them; always the
        # same chance, so that a run can be repeated
        self._random = Random(0).random  # noqa: S311 - no secret
        self._at = 0.0
        self._point = self._random()

    def pass_over(self, seconds: float) -> int:
        """Go on by *seconds*, and return how many points were passed."""
        before, at = self._at, self._at + seconds / TICK
        if at < 1:
            self._at = at
            return before <= self._point < at
        whole = int(at)
        passed = (before <= self._point) + whole - 1
        self._at = at - whole
        self._point = self._random()
        return passed + (self._point < self._at)

    def skips(self, seconds: float) -> bool:
        """Go on by *seconds* if there is no point in them; tell whether it did."""
        at = self._at + max(seconds, 0.0) / TICK
        if at >= 1 or self._at <= self._point < at:
            return False
        self._at = at
        return True


class TimeTakers:
    """Seconds of handling of one topic, by partition and by key. One thread writes, any other may read meanwhile."""

    __slots__ = ("keys", "partitions")

    def __init__(self) -> None:
        self.partitions: dict[int, float] = {}
        self.keys = HeavyHitters()

    def charge(self, partition: int, key: bytes | str | None, seconds: float) -> None:
        """Add *seconds* to *partition*, and to the record key of the name *key* if there is one."""
        self.partitions[partition] = self.partitions.get(partition, 0.0) + seconds
        if key is not None:
            self.keys.weigh((partition, key), seconds)


def sample(
    handled: Iterable[Handled],
    batches: Mapping[float, int] | None,
    ticks: Ticks,
    takers: TimeTakers,
    *,
    with_keys: bool,
) -> None:
    """Charge the attempts at which there is a point with its time.

    :param batches: how many records began together, by the time at which they began; ``None`` = each by itself.
    :param with_keys: whether keys are kept as they are, or only their hash.
    """
    for record, _, _, started, ended, error in handled:
        if isinstance(error, FATAL):
            continue
        seconds = max(ended - started, 0.0)
        points = ticks.pass_over(seconds if batches is None else seconds / batches[started])
        if points:
            takers.charge(record.partition, name_of(record.key, whole=with_keys), points * TICK)


def batch_sizes(handled: Iterable[Handled]) -> Mapping[float, int]:
    """Count the attempts that began at the same time, as those of one batch do."""
    return Counter(started for _, _, _, started, _, _ in handled)


def has_batch(handled: Sequence[Handled]) -> bool:
    """Tell whether there is a batch at the beginning or at the end of *handled*."""
    return len(handled) > 1 and (handled[0][3] == handled[1][3] or handled[-1][3] == handled[-2][3])
