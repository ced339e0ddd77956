"""How a run ends by itself when its partitions are read to the ends that their logs had at the start."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from kafka import TopicPartition

from kafka_parallel import Settings, hookimpl
from kafka_parallel.errors import ConfigurationError

if TYPE_CHECKING:
    from kafka_parallel.facts import Facts, PartitionProgress

__all__ = ()

# Seconds between two looks.
LOOK = 0.2
# Looks in a row without any partition after which none is expected: one leaves and comes back within a rebalance.
LOOKS_WITHOUT = 5


def ends_of(consumer: Any, topics: Collection[str]) -> dict[TopicPartition, int]:
    """The ends that the logs of *topics* have now; with ``read_committed`` those of what is committed.

    :param consumer: a ``KafkaConsumer`` that nothing uses yet.
    :raises ConfigurationError: one of the topics does not exist.
    :raises kafka.errors.KafkaError: no broker answered.
    """
    if missing := sorted(set(topics) - set(consumer.topics())):
        raise ConfigurationError(f"there is no topic {', '.join(missing)}, or this user may not see it")
    partitions = [
        TopicPartition(topic, number) for topic in topics for number in consumer.partitions_for_topic(topic) or ()
    ]
    return dict(consumer.end_offsets(partitions))


def is_read(ends: Mapping[TopicPartition, int], progress: Mapping[TopicPartition, PartitionProgress]) -> bool:
    """Tell whether all below *ends* is finished in the partitions that are ours; one that is new has no end."""
    return all(
        (found.position or 0) >= ends.get(partition, 0)
        and (found.head_offset is None or found.head_offset >= ends.get(partition, 0))
        for partition, found in progress.items()
    )


# see docs/decisions/0095-once-ends-where-logs-ended.md
class ReadToEnd:
    """A plugin that stops its run once it `is_read`.

    :param ends: of the logs, at the start.
    :param stop: asks the run to stop.
    """

    def __init__(self, ends: Mapping[TopicPartition, int], stop: Callable[[], None]) -> None:
        self._ends = ends
        self._stop = stop
        self._has_ended = threading.Event()
        self._thread: threading.Thread | None = None

    @hookimpl
    def on_start(self, settings: Settings) -> None:
        """Begin to look."""
        arguments = (settings.facts,)
        self._thread = threading.Thread(target=self._watch, args=arguments, name="kafka-parallel-once", daemon=True)
        self._thread.start()

    @hookimpl
    def on_stop(self) -> None:
        """Look no more."""
        self._has_ended.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self, facts: Facts) -> None:
        without = 0
        while not self._has_ended.wait(LOOK):
            if not facts.has_joined or facts.is_rebalancing:
                continue
            progress = facts.progress()
            without = 0 if progress else without + 1
            if is_read(self._ends, progress) and (progress or without >= LOOKS_WITHOUT):
                self._stop()
                return
