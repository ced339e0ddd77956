"""The values that a handler returns to be produced: `Result`, `producing`, and the judgement about them.

The values are judged where the handler ran, in another process too, and travel from there as tuples of `Result`. How
they are handed to the broker stands in ``_runtime/handlers/result_delivery.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, NoReturn, TypeAlias, TypeVar, overload

from kafka import KafkaProducer

from kafka_parallel._batch_places import require_places
from kafka_parallel._showing import kind_of, name_of, shown
from kafka_parallel._unfinished import Results, is_async, require_finished
from kafka_parallel.errors import BatchFailed, ConfigurationError, InvalidResult, StateError
from kafka_parallel.outbox import check_overrides

__all__ = ["Producing", "ProducingAsync", "Result", "ReturnedResults", "producing"]

NAME = "producing"


class _RecordKey:
    """The key of a result that names none: that of the record it was made from. There is one object of it."""

    def __repr__(self) -> str:
        return "RECORD_KEY"

    def __reduce__(self) -> str:
        return "RECORD_KEY"


RECORD_KEY: Any = _RecordKey()

Header: TypeAlias = tuple[str, bytes]
RIGHT = (
    "return None for no result, bytes, a Result(value, ...), or a list of these; text has to be encoded, an object "
    "serialised"
)

# The largest numbers that Kafka's protocol has room for. One above ends the thread of the producer, and other results
# with it, so it is refused where it is made.
MOST_PARTITION, MOST_TIMESTAMP_MS = 2**31 - 1, 2**63 - 1


@dataclass(frozen=True, slots=True)
class Result:
    """A record to be produced, as a handler returns it.

    :ivar value: its bytes; ``None`` = a tombstone.
    :ivar key: its bytes, ``None`` for no key. Without it, the result has the key of its record, as bytes.
    :ivar topic: where to; ``None`` = the topic of `kafka_parallel.producing`.
    :ivar headers: names and values.
    :ivar partition: its partition; ``None`` = by its key, as a ``KafkaProducer`` does.
    :ivar timestamp_ms: in milliseconds since the Unix epoch; ``None`` = the time at which it is sent.
    :raises InvalidResult: one of them is of a kind that Kafka cannot store.
    """

    value: bytes | bytearray | memoryview | None
    key: bytes | bytearray | memoryview | None = RECORD_KEY
    topic: str | None = None
    headers: Sequence[tuple[str, bytes]] = ()
    partition: int | None = None
    timestamp_ms: int | None = None

    def __post_init__(self) -> None:
        if self._is_value_alone:
            return
        for name in ("value", "key"):
            found = getattr(self, name)
            if not (found is None or found is RECORD_KEY or isinstance(found, (bytes, bytearray, memoryview))):
                raise InvalidResult(f"Result({name}={shown(found)}): give bytes or None; encode a text")
            if isinstance(found, (bytearray, memoryview)):  # its owner may use it for something else meanwhile
                object.__setattr__(self, name, bytes(found))
        if not (self.topic is None or isinstance(self.topic, str)):
            raise InvalidResult(f"Result(topic={shown(self.topic)}): give the name of a topic")
        for name, most in (("partition", MOST_PARTITION), ("timestamp_ms", MOST_TIMESTAMP_MS)):
            number = getattr(self, name)
            if number is not None and (type(number) is bool or not isinstance(number, int) or not 0 <= number <= most):
                raise InvalidResult(f"Result({name}={shown(number)}): give an integer from 0 to {most}")
        object.__setattr__(self, "headers", _headers(self.headers))

    @property
    def _is_value_alone(self) -> bool:
        """True if there is nothing to look at but bytes, as in most results."""
        rest = (self.topic, self.partition, self.timestamp_ms)
        is_bare = self.key is RECORD_KEY and rest == (None, None, None) and type(self.headers) is tuple
        return type(self.value) is bytes and is_bare and not self.headers


# The argument of a handler: a record, or a list of them.
Argument_contra = TypeVar("Argument_contra", contravariant=True)
ReturnedResults: TypeAlias = "bytes | bytearray | memoryview | Result | list[Any] | None"
"""A value that a handler that is producing may return: no result, one, or a list of them."""


NO_RESULTS = Results()


class Producing(Generic[Argument_contra]):
    """A handler whose results are produced; made by `kafka_parallel.producing`.

    It holds no connection, and may serve several runs.

    :param handler: the function that returns results.
    :param topic: the topic of results that name none.
    :param timeout_ms: most milliseconds that the results of one call may take.
    :param overrides: settings of ``KafkaProducer``.
    :param make_producer: makes the producer.
    :ivar handler: the same.
    :ivar topic: the same.
    :ivar timeout_ms: the same, in milliseconds.
    :ivar overrides: the same.
    :ivar make_producer: the same.
    :ivar sets_producer: whether one of these two differs from its default.
    """

    def __init__(
        self,
        handler: Callable[[Argument_contra], Any],
        topic: str | None,
        timeout_ms: float,
        overrides: Mapping[str, Any],
        make_producer: Callable[..., Any],
    ) -> None:
        self.handler = handler
        self.topic = topic
        self.timeout_ms = timeout_ms
        self.overrides = overrides
        self.make_producer = make_producer
        self.sets_producer: bool = bool(overrides) or make_producer is not KafkaProducer

    def __repr__(self) -> str:
        return f"producing({name_of(self.handler)}, topic={self.topic!r})"

    def __call__(self, _: Argument_contra) -> Any:
        """Refuse to be called: without a run there is no producer.

        :raises StateError: always.
        """
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise StateError(
            f"{self!r} was called outside of a run, which has the producer: give it to run(), or call its .handler"
        )

    def judged(self, *, is_batch: bool) -> Callable[[Any], Any]:
        """The handler as one that returns tuples of `Result`; it can be pickled if the handler can.

        For a batch handler it returns a list with such a tuple, or the record's error, for each record.

        :param is_batch: whether it gets lists of records.
        """
        if is_async(self.handler):
            return partial(_judged_list_async if is_batch else _judged_async, self.handler)
        return partial(_judged_list if is_batch else _judged, self.handler)


class ProducingAsync(Producing[Argument_contra]):
    """An ``async def`` handler whose results are produced; made by ``producing()``."""

    async def __call__(self, _: Argument_contra) -> Any:
        """Refuse to be called.

        :raises StateError: always.
        """
        self._refuse()


@overload
def producing(
    handler: Callable[[Argument_contra], Awaitable[ReturnedResults]],
    topic: str | None = None,
    *,
    timeout_ms: float = 30_000,
    producer_config: Mapping[str, Any] | None = None,
    make_producer: Callable[..., Any] = KafkaProducer,
) -> ProducingAsync[Argument_contra]: ...
@overload
def producing(
    handler: Callable[[Argument_contra], ReturnedResults],
    topic: str | None = None,
    *,
    timeout_ms: float = 30_000,
    producer_config: Mapping[str, Any] | None = None,
    make_producer: Callable[..., Any] = KafkaProducer,
) -> Producing[Argument_contra]: ...
def producing(
    handler: Callable[[Any], Any],
    topic: str | None = None,
    *,
    timeout_ms: float = 30_000,
    producer_config: Mapping[str, Any] | None = None,
    make_producer: Callable[..., Any] = KafkaProducer,
) -> Producing[Any]:
    """Make a handler of *handler* whose results are produced before their record counts as handled.

    *handler* returns ``None``, bytes, a `Result`, or a list of these; a batch handler returns ``None``, or a list with
    one of these for each record, in their order, or the error of a record that failed. It may sort or filter a copy of
    its list only. The broker has acknowledged all
    of them when the record counts; without that, the record has failed. A record that is tried again may have results
    in the topic already. The producer belongs to the run: it is opened with the consumer's connection and closed at
    the end. ``linger_ms`` is 5 unless *producer_config* says otherwise.

    :param handler: the function, plain or ``async def``, of one record or of a list.
    :param topic: the topic of results that name none.
    :param timeout_ms: most milliseconds that the results of one call may take until the broker's answer.
    :param producer_config: settings of ``KafkaProducer`` that differ from the consumer's connection and security
        settings, which are taken over.
    :param make_producer: called with the producer's settings; for tests and for instrumented producers.
    :raises ConfigurationError: one of them cannot work.
    """
    if not callable(handler) or isinstance(handler, Producing):
        hint = f"; the handler comes first: producing(handler, topic={handler!r})" if isinstance(handler, str) else ""
        hint = "; it is producing already: leave one out" if isinstance(handler, Producing) else hint
        raise ConfigurationError(
            f"producing({shown(handler)}): give a function of one record, or of a list of records{hint}"
        )
    if not (topic is None or (isinstance(topic, str) and topic)):
        raise ConfigurationError(f"producing(topic={shown(topic)}): give the name of a topic")
    is_number = isinstance(timeout_ms, (int, float)) and not isinstance(timeout_ms, bool)
    if not is_number or not 0 < timeout_ms < float("inf"):
        raise ConfigurationError(f"producing(timeout_ms={shown(timeout_ms)}): set a finite number above 0")
    check_overrides(NAME, producer_config or {})
    kind = ProducingAsync if is_async(handler) else Producing
    return kind(handler, topic, timeout_ms, dict(producer_config or {}), make_producer)


# The judgement, where the handler ran


def _judged(handler: Callable[[Any], Any], record: Any) -> Results:
    return _results_of(handler(record))


async def _judged_async(handler: Callable[[Any], Any], record: Any) -> Results:
    return _results_of(await handler(record))


def _judged_list(handler: Callable[[Any], Any], records: list[Any]) -> list[Results | Exception]:
    given = tuple(records)
    try:
        return _of_each(handler(records), given, records)
    except BatchFailed as error:
        raise _without_results() from error


async def _judged_list_async(handler: Callable[[Any], Any], records: list[Any]) -> list[Results | Exception]:
    given = tuple(records)
    try:
        return _of_each(await handler(records), given, records)
    except BatchFailed as error:
        raise _without_results() from error


def _results_of(returned: Any) -> Results:
    """The results of one record.

    :raises InvalidResult: *returned* is none.
    :raises HandlerUnfinished: it is work that has yet to be done.
    """
    if returned is None:
        return NO_RESULTS
    _require_finished(returned)
    found = returned if isinstance(returned, list) else (returned,)
    return Results([_traced(_result_of(each)) for each in found if each is not None])


def _require_finished(returned: Any) -> None:
    """Refuse work that has yet to be done. A `Result` counts as undone work everywhere but here."""
    if type(returned) in (list, tuple):
        returned = [each for each in returned if not isinstance(each, Result)]
    if not isinstance(returned, Result):
        require_finished(returned)


def _result_of(returned: Any) -> Result:
    if isinstance(returned, Result):
        return returned
    if isinstance(returned, (bytes, bytearray, memoryview)):
        return Result(returned)
    if isinstance(returned, tuple):
        raise InvalidResult(
            "a handler that is producing returned a tuple: write Result(value, key=key) for a value and its key, or a "
            "list of several results"
        )
    raise InvalidResult(f"a handler that is producing returned {kind_of(returned)}: {RIGHT}")


def _of_each(returned: Any, given: Sequence[Any], left: Sequence[Any]) -> list[Results | Exception]:
    """The results of each of the records that a handler was given, or its error.

    :param left: the handler's list as it has left it.
    :raises InvalidResult: *returned* is not a list with an item for each.
    :raises ConfigurationError: the handler has changed its list, so it is not known which item is whose.
    """
    count = len(given)
    if returned is None:
        return [NO_RESULTS] * count
    _require_finished(returned)
    if not isinstance(returned, list) or len(returned) != count:
        size = f" of {len(returned)}" if isinstance(returned, (list, tuple)) else ""
        raise InvalidResult(
            f"a batch handler that is producing returned {kind_of(returned)}{size} for {count} records: return None, "
            "or a list with an item for each record: None, bytes, a Result, a list of these, or the record's error"
        )
    require_places(given, left, "returned a list of results")
    return [each if isinstance(each, Exception) else _results_of(each) for each in returned]


def _without_results() -> InvalidResult:
    return InvalidResult(
        "a batch handler that is producing raised BatchFailed, which has no results of the other records: return a "
        "list with the error in the place of each failed record"
    )


def _headers(given: Any) -> tuple[Header, ...]:
    if isinstance(given, Mapping) or not isinstance(given, Sequence) or isinstance(given, (str, bytes)):
        hint = ": write list(headers.items())" if isinstance(given, Mapping) else ""
        raise InvalidResult(f"Result(headers={shown(given)}): give a list of (name, bytes) pairs{hint}")
    for header in given:
        is_pair = isinstance(header, tuple) and len(header) == 2
        if not is_pair or not isinstance(header[0], str) or not isinstance(header[1], bytes):
            raise InvalidResult(f"Result(headers=...) has {shown(header)}: {_wrong_with(header)}")
        try:
            header[0].encode()
        except UnicodeEncodeError as error:
            raise InvalidResult(f"Result(headers=...) has the name {shown(header[0])}: {error}") from None
    return tuple(given)


def _wrong_with(header: Any) -> str:
    if not (isinstance(header, tuple) and len(header) == 2):
        return "give (name, bytes) pairs"
    name, value = header
    if not isinstance(name, str):
        return f"its name is {kind_of(name)}: give a str"
    if value is None:
        return f"kafka-python cannot send {name!r}, a header without a value"
    return f"the value of {name!r} is {kind_of(value)}: encode it, for values are bytes"


def _traced(result: Result) -> Result:
    """Let *result* continue the trace that is current where the handler ran, if OpenTelemetry is in use there."""
    if "opentelemetry" not in sys.modules:
        return result
    try:
        from opentelemetry import propagate
    except ImportError:
        return result
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    if not carrier:
        return result
    return replace(result, headers=(*result.headers, *((name, text.encode()) for name, text in carrier.items())))
