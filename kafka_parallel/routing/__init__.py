"""`Router`: the handler of a consumer that has a handler for each topic or kind of records.

Every mistake that can be known before the first record is reported before it: by `Router.on`, or when the run starts.
The router uses nothing that other handlers may not use: its ``on_start`` is a hook, and a record that it cannot hand
over fails with `kafka_parallel.errors.NotHandedOver`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

from kafka_parallel._runtime.handlers.compatibility import check_handler
from kafka_parallel._showing import shown
from kafka_parallel._unfinished import is_async
from kafka_parallel.consumer_types import AsyncHandler, Handler
from kafka_parallel.errors import ConfigurationError, NotHandedOver
from kafka_parallel.hookspecs import hookimpl
from kafka_parallel.routing._routes import Route, Routes
from kafka_parallel.routing._value_decoders import decoder_of

if TYPE_CHECKING:
    import re

    from kafka.consumer.fetcher import ConsumerRecord
    from typing_extensions import Self  # a checker has it; Python has one from 3.11 on

    from kafka_parallel.values import Settings

__all__ = ["AsyncRouter", "Router", "Routing"]

SKIP, FAIL = "skip", "fail"

H = TypeVar("H", bound=Callable[..., Any])


def _explains_calls(on: H) -> H:
    """Decorate ``on`` so that a call with other arguments than it has is a `ConfigurationError` with the line to write.

    Type checkers see the method as it is written.
    """
    signature = inspect.signature(on)

    @functools.wraps(on)
    def explained(*given: Any, **named: Any) -> Any:
        try:
            signature.bind(*given, **named)
        except TypeError as error:
            raise ConfigurationError(
                f"on({', '.join(map(shown, given[1:]))}): {error}: write router.on(topic, handler), with value=, "
                "headers= or when= if they are needed; it is no decorator"
            ) from None
        return on(*given, **named)

    return cast("H", explained)


class Routing(Generic[H]):
    """A handler that gives each record to the handler that is for it: a `Router` or an `AsyncRouter`.

    It is built before the run, and holds nothing of it: it may serve several runs, and processes. A record goes to
    the first of its topic's handlers whose conditions hold, in the order in which `on` was called. A topic that is
    named has its own handlers; those of patterns are for all other topics.

    At the start of a run the topics of the consumer are looked at: each needs a handler, and each name a topic.
    """

    _makes_coroutines = False

    def __init__(self) -> None:
        self._routes = Routes()

    @_explains_calls
    def on(
        self,
        topic: str | re.Pattern[str],
        handler: H,
        *,
        value: Any = None,
        headers: Mapping[str, str | bytes] | None = None,
        when: Callable[[ConsumerRecord], bool] | None = None,
    ) -> Self:
        """Let *handler* have the records of *topic*; return the router, so that calls can be chained.

        :param topic: its name, or a pattern that its whole name matches.
        :param handler: a function of one record.
        :param value: what becomes of ``record.value`` before *handler* gets the record: a function of its bytes, or a
            class: a dataclass, a pydantic model or a msgspec struct, made from JSON. Fields of a dataclass are not
            checked and not converted. A value of ``None`` (a tombstone) stays one.
        :param headers: only records that have all of these headers; text is taken for UTF-8.
        :param when: only records for which this returns true. It gets them before *value* is applied.
        :raises ConfigurationError: one of them cannot work, or no record would ever come here.
        """
        self._require_kind(handler)
        self._routes.add_route(topic, Route(handler, decoder_of(value), _encoded(headers), _predicate(when)))
        return self

    def otherwise(self, handler: H | Literal["skip", "fail"]) -> Self:
        """Say what becomes of the records that no other handler is for; return the router.

        :param handler: a function of one record; ``"skip"``: they count as handled; ``"fail"``, as without this call:
            they fail with `NoRoute`, and ``on_error`` decides.
        :raises ConfigurationError: it cannot work, or this was called before.
        """
        if handler == SKIP:
            self._routes.set_fallback(Route(self._skip))
        elif handler == FAIL:
            self._routes.set_fallback(None)
        elif isinstance(handler, str):
            raise ConfigurationError(f"otherwise({shown(handler)}): give 'skip', 'fail' or a function of one record")
        else:
            self._require_kind(handler)
            self._routes.set_fallback(Route(handler))
        return self

    def _handed_over(self, record: Any) -> tuple[Callable[[Any], Any], Any]:
        try:
            route = self._routes.route_of(record)
            return route.handler, route.prepared(record)
        except ConfigurationError:  # a fault of the program: each record of the topic would fail
            raise
        except Exception as error:
            raise NotHandedOver(error) from error

    @hookimpl
    def on_start(self, settings: Settings) -> None:
        """Compare the handlers with the topics of the consumer.

        :raises ConfigurationError: they do not fit.
        """
        if settings.batch is not None:
            raise ConfigurationError(
                f"a {type(self).__name__} hands single records over, and batch= gives it lists: leave batch= out"
            )
        if settings.consumer_config.get("value_deserializer") is not None and (name := self._routes.with_decoder):
            raise ConfigurationError(
                f"the value= of route {name} and the consumer's value_deserializer would both decode: leave one out"
            )
        self._routes.check_topics(settings.topics, settings.pattern)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self._routes.names)})"

    @classmethod
    def _require_kind(cls, handler: Callable[[Any], Any]) -> None:
        if callable(handler):
            check_handler(handler)
        if not callable(handler) or isinstance(handler, (Routing, type)):
            raise ConfigurationError(f"the handler {shown(handler)} of a route: give a function of one record")
        if is_async(handler) != cls._makes_coroutines:
            kind, other = ("a plain function", "Router") if cls._makes_coroutines else ("async def", "AsyncRouter")
            raise ConfigurationError(
                f"the handler {shown(handler)} is {kind}, and all handlers of a {cls.__name__} have to be of the other "
                f"kind, for they share an executor: use {other} for all, or change this one"
            )

    @staticmethod
    def _skip(_: Any) -> Any:
        """Do nothing: the record counts as handled."""


class Router(Routing[Handler]):
    """Gives records to plain functions."""

    def __call__(self, record: ConsumerRecord) -> Any:
        """Give *record* to its handler, and return its result.

        :raises NotHandedOver: there is none, or the record could not be made ready for it.
        """
        handler, record = self._handed_over(record)
        return handler(record)


class AsyncRouter(Routing[AsyncHandler]):
    """The same for ``async def`` functions; ``value`` and ``when`` run on the event loop."""

    _makes_coroutines = True

    async def __call__(self, record: ConsumerRecord) -> Any:
        """Give *record* to its handler, and return its result.

        :raises NotHandedOver: there is none, or the record could not be made ready for it.
        """
        handler, record = self._handed_over(record)
        return await handler(record)

    @staticmethod
    async def _skip(_: Any) -> Any:
        """Do nothing: the record counts as handled."""


def _encoded(headers: object) -> dict[str, bytes]:
    if headers is None:
        return {}
    if not isinstance(headers, Mapping) or not headers:
        raise ConfigurationError(
            f"headers={shown(headers)}: give {{name: value}} of the headers that a record must have"
        )
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, (str, bytes)):
            raise ConfigurationError(f"headers: {shown(name)}: {shown(value)} is no name with a text or bytes")
    return {name: value.encode() if isinstance(value, str) else value for name, value in headers.items()}


def _predicate(when: Any) -> Callable[[Any], bool] | None:
    if when is None:
        return None
    if not callable(when) or is_async(when):
        raise ConfigurationError(f"when={shown(when)}: give a plain function from a record to True or False")
    check_handler(when)
    return when  # type: ignore[no-any-return]
