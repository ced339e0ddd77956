"""How a commit is sent without waiting, and its answer heard in all the ways in which kafka-python gives it.

Callbacks wait for the next ``poll()``, which raises instead of calling them once a static member is fenced. The future
is another one where the client has to look for the coordinator first, and then it has the coordinator in it. So both
are listened to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from kafka.errors import CoordinatorNotAvailableError

from kafka_parallel._runtime.client.client_errors import FENCED

if TYPE_CHECKING:
    from kafka import OffsetAndMetadata, TopicPartition


# see docs/decisions/0048-commits-do-not-stop-the-loop.md
def send_commit(
    consumer: Any,
    coordinator: Any,
    offsets: Mapping[TopicPartition, OffsetAndMetadata],
    answered: Callable[[BaseException | None], None],
) -> None:
    """Commit *offsets* with *consumer*.

    :param answered: called with ``None`` or the error, on any thread and perhaps twice; never if no answer comes.
    """
    if coordinator.coordinator_unknown():  # poll() looks for it, and it is asked again
        answered(CoordinatorNotAvailableError())
        return

    def called_back(_: object, answer: object) -> None:
        answered(answer if isinstance(answer, BaseException) else None)

    try:
        future = consumer.commit_async(dict(offsets), called_back)
    except FENCED as error:
        answered(error)
        return
    if future is None:  # the method of a subclass that returns nothing: the callback has to do
        return
    future.add_callback(lambda value: answered(None) if value is None else None)
    future.add_errback(answered)
