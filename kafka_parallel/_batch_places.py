"""Places in a batch handler's list: do they still say which record is meant?

The list is the handler's own: it may sort it, filter it, or take records out of it one by one. If it names records by
their place afterwards, the place is one in the changed list, and another record would count as handled. So a handler
that names places has to leave the list as it was, or empty, for then it has counted by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import is_not
from typing import Any

from kafka_parallel._unfinished import is_async
from kafka_parallel.errors import BatchFailed, ConfigurationError

__all__ = ()


def require_places(given: Sequence[Any], left: Sequence[Any], named: str) -> None:
    """Check that places in *given*, the records that a handler got, are those in *left*, its list when it had ended.

    :param named: how the handler named records by their place, for the message.
    :raises ConfigurationError: it has changed its list. That is a fault of the program.
    """
    if left and (len(left) != len(given) or any(map(is_not, given, left))):
        raise ConfigurationError(
            f"the batch handler changed its list, from which it has {len(left)} of {len(given)} records left, and then "
            f"{named}, which names records by their place in it: other records would count as handled; change a copy "
            "of the list, as sorted(records) makes one"
        )


def keeping_places(handler: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Make *handler* one that raises ConfigurationError if its BatchFailed may name other records than it was given.

    It can be pickled if *handler* can.
    """
    return partial(_keeping_places_async if is_async(handler) else _keeping_places, handler)


def _keeping_places(handler: Callable[[Any], Any], records: list[Any]) -> Any:
    given = tuple(records)
    try:
        return handler(records)
    except BatchFailed as error:
        _require_same(given, records, error)
        raise


async def _keeping_places_async(handler: Callable[[Any], Any], records: list[Any]) -> Any:
    given = tuple(records)
    try:
        return await handler(records)
    except BatchFailed as error:
        _require_same(given, records, error)
        raise


def _require_same(given: Sequence[Any], left: Sequence[Any], error: BatchFailed) -> None:
    try:
        require_places(given, left, "raised BatchFailed")
    except ConfigurationError as wrong:
        raise wrong from error
