"""How the cluster is asked for the ends of logs without waiting for its answer.

``end_offsets()`` of kafka-python waits, and the loop must not: without an answer it would poll no more. So the request
is sent that it sends, by the method that it calls (2.2.9 to 3.0.12): 2.x returns a future, and takes the answer in with
a later ``poll()``; 3.x has a coroutine, which is run by its own thread.

The answer is the high watermark whatever ``isolation_level`` says, as a fetch tells it: with "read_committed" the
client would ask for the last stable offset, below which a transaction that hangs keeps it for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from typing import TYPE_CHECKING, Any, TypeAlias

from kafka_parallel._logs import area_logger

if TYPE_CHECKING:
    from kafka import TopicPartition

log = area_logger("poll")

Answered: TypeAlias = "Callable[[Mapping[TopicPartition, int]], None]"

# The codes of the protocol for the end of the log, and for a reader who sees all records.
LATEST, READ_UNCOMMITTED = -1, 0


def ask_for_ends(consumer: Any, partitions: Iterable[TopicPartition], answered: Answered) -> None:
    """Ask where the logs of *partitions* end, each broker for those that it leads: the others wait for none of them.

    :param answered: called once for each broker, on any thread, with the ends, or without any if there was an error;
        never if no answer comes, or for partitions without a leader.
    """

    def succeeded(value: tuple[Mapping[TopicPartition, Any], Any]) -> None:
        answered({partition: found.offset for partition, found in value[0].items()})

    def failed(error: BaseException) -> None:
        log.debug("the ends of some logs are not known, and are asked for again: %r", error)
        answered({})

    try:
        fetcher = copy(consumer._fetcher)  # noqa: SLF001 - it has the client's connections, and an isolation of its own
        fetcher._isolation_level = READ_UNCOMMITTED  # noqa: SLF001
        by_leader = fetcher._group_list_offset_requests(dict.fromkeys(partitions, LATEST))  # noqa: SLF001
    except Exception as error:  # noqa: BLE001 - a number that is not known must not stop the run
        failed(error)
        return
    for led in by_leader.values():
        try:
            future = _send(fetcher, dict.fromkeys(led, LATEST))
        except Exception as error:  # noqa: BLE001 - as above
            failed(error)
            continue
        future.add_callback(succeeded)
        future.add_errback(failed)


def _send(fetcher: Any, timestamps: Mapping[TopicPartition, int]) -> Any:
    manager = getattr(fetcher, "_manager", None)
    send = fetcher._send_list_offsets_requests  # noqa: SLF001
    return send(timestamps) if manager is None else manager.call_soon(send, timestamps)
