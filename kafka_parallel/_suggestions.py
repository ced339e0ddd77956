"""The right name in place of one that does not exist."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar, cast

from kafka_parallel.errors import ConfigurationError

C = TypeVar("C", bound=type)

# The names that other libraries have for options of ours.
_CALLED_ELSEWHERE = {
    "max_workers": "workers",
    "num_workers": "workers",
    "n_workers": "workers",
    "threads": "workers",
    "num_threads": "workers",
    "max_threads": "workers",
    "processes": "workers",
    "pool_size": "workers",
    "concurrency": "workers",
    "max_concurrency": "workers",
    "parallelism": "workers",
    "order": "ordering",
    "key": "ordering",
    "timeout_ms": "handler_timeout_ms",
    "max_in_flight": "max_buffered_records",
    "batch_size": "max_records",
    "max_size": "max_records",
    "delay": "delay_ms",
}

CONSUMER = "ParallelConsumer"
# Options of a consumer that stand elsewhere, and where.
_ELSEWHERE = {
    "batch": "give it to run(handler, batch=Batch(...))",
    "handler": "give it to run(handler)",
    "commit_interval_ms": "it is auto_commit_interval_ms of the KafkaConsumer",
    "topic": "topics belong to the KafkaConsumer: KafkaConsumer('topic', ...)",
    "topics": "topics belong to the KafkaConsumer: KafkaConsumer('topic', ...)",
}


def did_you_mean(name: str, known: Collection[str], others: Mapping[str, str] = _CALLED_ELSEWHERE) -> str:
    """Return ``"; did you mean ...?"`` where one of *known* is near *name*, else nothing: the end of a sentence."""
    import difflib  # needed after a mistake only

    meant = others.get(name)
    if meant not in known:
        folded = {found.lower().replace("_", "-"): found for found in known}
        near = difflib.get_close_matches(name.lower().replace("_", "-"), folded, n=1)
        meant = folded[near[0]] if near else None
    return "" if meant is None else f"; did you mean {meant!r}?"


def explains_options(made: C) -> C:
    """Decorate a class so that an option it does not have is a `ConfigurationError` that suggests the right one.

    Type checkers see the class as it is written, and find the same mistake.
    """
    made.__init__ = _explained(made.__init__, made.__name__)  # type: ignore[misc]
    return made


def _explained(init: Callable[..., None], who: str) -> Callable[..., None]:
    known = list(inspect.signature(init).parameters)[1:]

    @functools.wraps(init)
    def explained(self: Any, *args: Any, **options: Any) -> None:
        if who == CONSUMER and len(args) > 1:
            raise ConfigurationError(
                f"{who}() takes the KafkaConsumer and options by name: give the handler to run(), as in "
                f"{who}(consumer).run(handler)"
            )
        for name in options:
            if name not in known:
                raise ConfigurationError(_unknown(who, name, known))
        init(self, *args, **options)

    return cast("Callable[..., None]", explained)


def _unknown(who: str, name: str, known: Collection[str]) -> str:
    if who == CONSUMER and name in _ELSEWHERE:
        return f"{who} has no option {name!r}: {_ELSEWHERE[name]}"
    if who == CONSUMER and name in _options_of_the_client():
        return (
            f"{who} has no option {name!r}, KafkaConsumer has: write "
            f"{who}(KafkaConsumer('topic', {name}=...), workers=...)"
        )
    return f"{who} has no option {name!r}; it has {', '.join(known)}{did_you_mean(name, known)}"


def _options_of_the_client() -> Collection[str]:
    from kafka import KafkaConsumer  # needed after a mistake only

    options: Collection[str] = KafkaConsumer.DEFAULT_CONFIG
    return options
