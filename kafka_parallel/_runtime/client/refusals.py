"""The calls that are refused while a consumer is run: each error names the call to write instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from kafka_parallel.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kafka import OffsetAndMetadata, TopicPartition


def refuse_change(name: str) -> NoReturn:
    """Refuse to change the subscription.

    :raises StateError: always.
    """
    raise StateError(
        f"consumer.{name}() while a ParallelConsumer runs: its subscription cannot change during a run; call stop() of "
        "the ParallelConsumer, and start a new one with a new KafkaConsumer"
    )


def refuse_closing() -> NoReturn:
    """Refuse to close the client under the feet of the run, which was asked to stop.

    :raises StateError: always.
    """
    raise StateError(
        "close() of a KafkaConsumer that a ParallelConsumer runs, by a method bound before the run or by a detour: the "
        "run was asked to stop, and will close the consumer; write consumer.close() where it is called"
    )


def refuse_offsets(name: str, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> NoReturn:
    """Refuse to commit *offsets*.

    :raises StateError: always.
    """
    raise StateError(
        f"consumer.{name}({offsets!r}) while a ParallelConsumer runs: chosen offsets would pass records that are not "
        f"finished, or go back behind those that are; remove the line (offsets of finished records are committed every "
        f"auto_commit_interval_ms), or write consumer.{name}() to commit finished records now"
    )


def refuse_reading(what: str) -> NoReturn:
    """Refuse to hand records out.

    :raises StateError: always.
    """
    raise StateError(
        f"{what} of a KafkaConsumer that a ParallelConsumer runs: its records would never reach the handler; remove "
        "the loop, the handler given to run() gets every record (to read beside it, build another KafkaConsumer)"
    )
