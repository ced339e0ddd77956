"""How a handler is called in another process, inside of the wrappers that plugins have sent there.

Without such wrappers a record travels as the tuple of its fields. With them the facts about its attempt go along, and
the program that is sent makes a context of them again; the executor in between knows nothing of it. It is imported in
the other process, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, TypeAlias

from kafka_parallel._showing import shown
from kafka_parallel.errors import PluginError
from kafka_parallel.values import BatchContext, RecordContext

if TYPE_CHECKING:
    from kafka_parallel.values import ChildWrapper

Make: TypeAlias = "Callable[[tuple[Any, ...]], Any]"
PlacedWrapper: TypeAlias = "tuple[str, ChildWrapper, int | None]"
# The fields of a context that mean something elsewhere: those between the raw record and the assignment.
SENT = slice(RecordContext._fields.index("raw") + 1, RecordContext._fields.index("assignment"))


# see docs/decisions/0070-child-wrappers.md
class SentRecord:
    """A record on its way with the facts about its attempt: what is sent is ``tuple()`` of this.

    :param record: the raw record that is made anew there; for one of a delayed topic that of its source.
    :param context: of the attempt.
    :param told: the facts that plugins tell their wrappers there, see `tellers`.
    """

    __slots__ = ("_context", "_record", "_told")

    def __init__(self, record: Any, context: RecordContext, told: tuple[object, ...] = ()) -> None:
        self._record = record
        self._context = context
        self._told = told

    def __iter__(self) -> Iterator[object]:
        raw = self._context.raw
        yield tuple(self._record)
        yield None if raw is self._record else tuple(raw)
        yield self._context[SENT]
        yield self._told

    @property
    def topic(self) -> str:
        """The topic of the record that is sent."""
        return self._record.topic  # type: ignore[no-any-return]

    @property
    def partition(self) -> int:
        """Its partition."""
        return self._record.partition  # type: ignore[no-any-return]

    @property
    def offset(self) -> int:
        """Its offset."""
        return self._record.offset  # type: ignore[no-any-return]


def wrapped(
    handler: Callable[[Any], Any],
    prepare: Make,
    make_raw: Make,
    wrappers: Mapping[str, ChildWrapper],
    *,
    is_batch: bool,
) -> tuple[Callable[[Any], Any], Make]:
    """Make the handler and the function that makes its record ones for a `SentRecord`; both can be pickled.

    The wrappers are unpickled before the handler: importing it may be what they have to prepare for.

    :param prepare: makes of the fields of a raw record the one that the handler gets.
    :param make_raw: makes of them the raw record again.
    :param wrappers: by the name of their plugins, the innermost first.
    """
    outermost_first = _with_places(wrappers)[::-1]
    call = _call_with_list if is_batch else _call_with_record
    return partial(call, outermost_first, handler), partial(_prepared, prepare, make_raw)


def tellers(wrappers: Mapping[str, ChildWrapper]) -> list[Callable[[RecordContext], object]]:
    """The functions ``tell`` of those *wrappers* that have one; they are called here, and their answers are sent."""
    return [tell for wrapper in wrappers.values() if (tell := getattr(wrapper, "tell", None)) is not None]


def _with_places(wrappers: Mapping[str, ChildWrapper]) -> tuple[PlacedWrapper, ...]:
    """Each wrapper with its plugin and the place of its fact among those told; ``None`` if it is told none."""
    places = count()
    return tuple(
        (name, wrapper, next(places) if getattr(wrapper, "tell", None) is not None else None)
        for name, wrapper in wrappers.items()
    )


def _prepared(prepare: Make, make_raw: Make, sent: tuple[Any, ...]) -> tuple[Any, RecordContext, tuple[object, ...]]:
    fields, raw, facts, told = sent
    return prepare(fields), RecordContext(make_raw(fields if raw is None else raw), *facts), told


def _call_with_record(
    wrappers: tuple[PlacedWrapper, ...],
    handler: Callable[[Any], Any],
    given: tuple[Any, RecordContext, tuple[object, ...]],
) -> Any:
    return _call(wrappers, handler, *given)


def _call_with_list(
    wrappers: tuple[PlacedWrapper, ...],
    handler: Callable[[Any], Any],
    given: list[tuple[Any, RecordContext, tuple[object, ...]]],
) -> Any:
    records, contexts, told = zip(*given, strict=True)
    return _call(wrappers, handler, [*records], BatchContext(contexts), [*zip(*told, strict=True)])


def _call(
    wrappers: tuple[PlacedWrapper, ...],
    handler: Callable[[Any], Any],
    given: Any,
    context: object,
    told: Sequence[object],
) -> Any:
    with ExitStack() as entered:
        for plugin, wrapper, place in wrappers:
            manager = wrapper(given, context) if place is None else wrapper(given, context, told[place])
            if not isinstance(manager, AbstractContextManager):
                raise PluginError(
                    f"the child wrapper of plugin {plugin!r} returned {shown(manager)}, which is no context manager: "
                    "return one for each record, contextlib.nullcontext() if there is nothing to do"
                )
            entered.enter_context(manager)
        return handler(given)
    return None  # type: ignore[unreachable] # a wrapper has made a failure a success
