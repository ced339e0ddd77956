"""Attempts and their durations, counted by each worker thread without waiting for the others.

Durations go straight into the buckets that are exported, so a scrape only adds numbers up. Each thread has counts of
its own for each topic, and only that thread writes to them: there is no lock per record, and no lost count on a
free-threaded build either. They are kept by thread id: a new thread that gets the id of one that ended goes on with
its counts.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from threading import get_ident
from typing import TYPE_CHECKING

from kafka_parallel.errors import FATAL
from kafka_parallel_plugins.prometheus.exemplars import Example, newest, trace_of

if TYPE_CHECKING:
    from kafka_parallel import Handled


class DurationCounts:
    """How many durations fell into each bucket. One thread writes; any thread may read.

    :param bounds: the upper bounds of the buckets, in seconds, rising.
    :ivar counts: the durations of each bucket, and at the end those above the last bound.
    :ivar total: the sum of all durations, in seconds.
    :ivar examples: the last example of each bucket.
    """

    __slots__ = ("bounds", "counts", "examples", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.examples: list[Example | None] = [None] * (len(bounds) + 1)
        self.total = 0.0

    def count_all(self, durations: Iterable[float]) -> None:
        """Count *durations*, which are in seconds; one below 0, of clocks that differ, counts as 0.

        Sorted, those of one bucket stand together, and sorting costs less than to find a bucket for each.
        """
        ordered = sorted(durations)
        if ordered and ordered[0] < 0:
            ordered = [max(0.0, duration) for duration in ordered]
        begin, end, bounds = 0, len(ordered), self.bounds
        while begin < end:
            bucket = bisect_left(bounds, ordered[begin])
            above = end if bucket == len(bounds) else bisect_right(ordered, bounds[bucket], begin)
            self.counts[bucket] += above - begin
            begin = above
        self.total += sum(ordered)

    def keep_example(self, example: Example) -> None:
        """Keep *example* for the bucket of its duration."""
        self.examples[bisect_left(self.bounds, example.seconds)] = example


class AttemptCounts:
    """The attempts of one thread at records of one topic.

    :param bounds: as of `DurationCounts`.
    :ivar ok: how many returned.
    :ivar failed: how many raised.
    """

    __slots__ = ("end_to_end", "failed", "ok", "process", "queue")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.ok = 0
        self.failed = 0
        self.process = DurationCounts(bounds)
        self.queue = DurationCounts(bounds)
        self.end_to_end = DurationCounts(bounds)

    def count_attempts(self, handled: Sequence[Handled], since_epoch: float) -> None:
        """Count attempts; those that were only interrupted are left out.

        :param since_epoch: seconds from the Unix epoch to the zero of the clock that the attempts were timed with.
        """
        process: list[float] = []
        queue: list[float] = []
        end_to_end: list[float] = []
        failed = 0
        for record, attempt, queued_at, started, ended, error in handled:
            if error is None:
                if (timestamp := record.timestamp) is not None and timestamp >= 0:
                    end_to_end.append(ended + since_epoch - timestamp / 1000)
            elif isinstance(error, FATAL):
                continue
            else:
                failed += 1
            if attempt == 1:
                queue.append(started - queued_at)
            process.append(ended - started)
        self.ok += len(process) - failed
        self.failed += failed
        self.process.count_all(process)
        self.queue.count_all(queue)
        self.end_to_end.count_all(end_to_end)
        if process and handled[0][0].headers:  # producers that trace do so for every record, so one look tells
            self._keep_slowest(handled, max(process), since_epoch)

    def _keep_slowest(self, handled: Sequence[Handled], seconds: float, since_epoch: float) -> None:
        """Keep the slowest attempt as an example: to read the headers of every record would cost more than the rest."""
        for record, _, _, started, ended, _ in handled:
            if ended - started == seconds:
                if record.headers and (trace_id := trace_of(record.headers)) is not None:
                    self.process.keep_example(Example(ended + since_epoch, max(0.0, seconds), trace_id))
                return


class ThreadCounts:
    """The counts of all threads. Any thread may call every method.

    :param bounds: as of `DurationCounts`.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self._counts: dict[tuple[int, str], AttemptCounts] = {}

    def count_handled(self, handled: Sequence[Handled], since_epoch: float) -> None:
        """Count attempts for the topics of their records, which is nearly always one.

        :param since_epoch: as of `AttemptCounts.count_attempts`.
        """
        topics = {attempt[0].topic for attempt in handled}
        if len(topics) == 1:
            self._mine(topics.pop()).count_attempts(handled, since_epoch)
            return
        for topic in topics:
            attempts = [attempt for attempt in handled if attempt[0].topic == topic]
            self._mine(topic).count_attempts(attempts, since_epoch)

    def _mine(self, topic: str) -> AttemptCounts:
        key = get_ident(), topic
        try:
            return self._counts[key]
        except KeyError:
            return self._counts.setdefault(key, AttemptCounts(self.bounds))

    def by_topic(self) -> dict[str, list[AttemptCounts]]:
        """The counts of all threads for each topic."""
        found: dict[str, list[AttemptCounts]] = {}
        for (_, topic), counts in self._counts.copy().items():
            found.setdefault(topic, []).append(counts)
        return found


def last_examples(parts: Sequence[DurationCounts]) -> list[Example | None]:
    """The last example of each bucket over all *parts*."""
    return newest([part.examples for part in parts])


def added_up(parts: Sequence[DurationCounts]) -> tuple[list[int], float]:
    """The counts of each bucket over all *parts*, and the sum of their durations in seconds."""
    counts = [sum(column) for column in zip(*[list(part.counts) for part in parts], strict=True)]
    return counts, sum(part.total for part in parts)
