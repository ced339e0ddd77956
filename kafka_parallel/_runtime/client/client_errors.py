"""The meaning of an error of the client: try again, gone for good, or an error of other code that came through it.

User code runs inside of the client's calls: deserialisers that were left in ``poll()``, callbacks of commits, and
rebalance listeners. An attribute ``retriable`` on an error of theirs says nothing about the call, not even if its class
is one of kafka-python's: a deserialiser may ask a broker itself. So only errors that the client raised itself are tried
again.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import TracebackType

from kafka import TopicPartition
from kafka import errors as kafka_errors

# The modules of the client's code, and of the fake client's.
CLIENT = ("kafka", "kafka_parallel.testing.fake")
FENCED: tuple[type[Exception], ...] = tuple(
    getattr(kafka_errors, name) for name in ("FencedInstanceIdError",) if hasattr(kafka_errors, name)
)
LOST = (kafka_errors.CommitFailedError, kafka_errors.IllegalGenerationError, kafka_errors.UnknownMemberIdError)


def is_lost(error: BaseException) -> bool:
    """Tell whether *error* means that the member was removed or is out of date: its partitions are not ours."""
    return isinstance(error, (*LOST, *FENCED)) and not _is_rebalancing(error)


# see docs/decisions/0062-finish-after-a-fatal-poll.md
def is_retriable(error: BaseException) -> bool:
    """Tell whether the same call may succeed later."""
    if _is_of_a_change(error):
        return True
    if not isinstance(error, kafka_errors.KafkaError) or not _is_clients_own(error):
        return False
    return _is_rebalancing(error) or bool(getattr(error, "retriable", False))


def _is_of_a_change(error: BaseException) -> bool:
    """Tell whether the client looked a partition up that another thread's ``assign()`` took away at that moment."""
    is_lookup = type(error) is KeyError and len(error.args) == 1 and isinstance(error.args[0], TopicPartition)
    return is_lookup and _is_clients_own(error)


def _is_rebalancing(error: BaseException) -> bool:
    """Tell whether the group is being rebalanced; kafka-python wraps the broker's error into CommitFailedError."""
    causes = (error, *error.args)
    return any(isinstance(cause, kafka_errors.RebalanceInProgressError) for cause in causes)


def _is_clients_own(error: BaseException) -> bool:
    """Tell whether no foreign code was called between the client's and the place where it was raised."""
    is_inside = False
    for module in _modules(error.__traceback__):
        if _is_in(module, CLIENT):
            is_inside = True
        elif is_inside and module.partition(".")[0] not in {"kafka_parallel", *sys.stdlib_module_names}:
            return False
    return True


def _modules(traceback: TracebackType | None) -> Iterator[str]:
    while traceback is not None:
        yield str(traceback.tb_frame.f_globals.get("__name__"))
        traceback = traceback.tb_next


def _is_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)
