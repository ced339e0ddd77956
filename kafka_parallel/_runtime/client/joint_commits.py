"""How the group's commits for several partitions are asked for by one question.

``committed()`` of kafka-python asks for one partition: a round trip for each. Its coordinator has the method beneath
that, which takes several (2.2 to 3.0), and with which the client itself begins an assignment. The client keeps the
answer to a question that had no time left, and gives it to the next question for the same partitions, its own ones too,
however old it is then: other members may have committed since. So such answers are thrown away when partitions come.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from kafka import OffsetAndMetadata

from kafka_parallel._logs import area_logger
from kafka_parallel._runtime.client.consumer_checks import is_overridden

if TYPE_CHECKING:
    from kafka import TopicPartition

log = area_logger("rebalance")


# see docs/decisions/0104-one-question-for-all-commits.md
class JointCommits:
    """Asks the coordinator of one consumer's group.

    :param consumer: the user's; if its ``committed()`` is the user's too, that is asked instead.
    """

    def __init__(self, consumer: Any) -> None:
        self._coordinator = consumer._coordinator  # noqa: SLF001 - the public method asks for one partition
        self._net = getattr(consumer, "_net", None)
        self._problem = _problem(consumer)
        self._is_told = False

    def of(
        self, partitions: Collection[TopicPartition], timeout: float
    ) -> Mapping[TopicPartition, OffsetAndMetadata] | None:
        """Return the commits of those of *partitions* that have one; wait *timeout* seconds at most.

        :returns: ``None`` if they cannot be had together: each may still be had alone, or tell its error.
        """
        if self._problem:
            self._tell_problem()
            return None
        try:
            answer = self._coordinator.fetch_committed_offsets(list(partitions), timeout_ms=timeout * 1000)
        except Exception as error:  # noqa: BLE001 - whatever it is, each is asked for alone, and may tell it
            log.debug("the commits of %d partitions cannot be had together: %r", len(partitions), error)
            return None
        return _usable(answer, partitions)

    def drop_late_answers(self) -> None:
        """Let the next questions be asked, whatever the client has kept; in a rebalance, while it asks none."""
        kept = getattr(self._coordinator, "_offset_fetch_futures", None)
        if not kept or not isinstance(kept, dict):
            return
        if self._net is None:
            kept.clear()
        else:  # only the I/O thread of 3.x uses it
            self._net.run(kept.clear)

    def _tell_problem(self) -> None:
        """Say once why several questions are asked."""
        if not self._is_told:
            self._is_told = True
            log.info("commits are asked for partition by partition, a round trip each: %s", self._problem)


def _problem(consumer: Any) -> str:
    """Say why the question cannot be asked; empty if it can."""
    if is_overridden(consumer, "committed"):
        return f"{type(consumer).__qualname__} has a committed() of its own"
    ask = getattr(consumer._coordinator, "fetch_committed_offsets", None)  # noqa: SLF001
    try:
        inspect.signature(ask).bind([], timeout_ms=1.0)  # type: ignore[arg-type]
    except (TypeError, ValueError) as error:
        return f"fetch_committed_offsets() of this kafka-python is not the known one ({error})"
    return ""


def _usable(
    answer: object, partitions: Collection[TopicPartition]
) -> Mapping[TopicPartition, OffsetAndMetadata] | None:
    """Return *answer* if it is one that the client's own code would take."""
    if not isinstance(answer, Mapping) or not answer.keys() <= frozenset(partitions):
        return None
    return answer if all(isinstance(commit, OffsetAndMetadata) for commit in answer.values()) else None
