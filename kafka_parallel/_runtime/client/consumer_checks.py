"""Checks that an object can be run: a KafkaConsumer by its type, whose methods accept a run's arguments.

An object around a consumer cannot be guarded, for its own class is not where the consumer's methods are looked up. And
its own answers cannot be trusted: ``isinstance`` and ``hasattr`` ask the object, ``type`` does not.
"""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

from kafka import KafkaConsumer, TopicPartition

from kafka_parallel._showing import kind_of
from kafka_parallel.errors import ConfigurationError

# The classes whose objects, and those of subclasses, can be run.
_classes: list[type] = [KafkaConsumer]
PARTS = ("_coordinator", "_fetcher", "_subscription", "_closed")
_PARTITION = TopicPartition("topic", 0)
# The arguments with which a run calls methods that a subclass may have overridden.
CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "poll": ((), {"timeout_ms": 0, "max_records": 1}),
    "commit": (({},), {"timeout_ms": 1.0}),
    "commit_async": (({}, print), {}),
    "close": ((), {"autocommit": False, "timeout_ms": 1.0}),
    "pause": ((_PARTITION,), {}),
    "resume": ((_PARTITION,), {}),
    "seek": ((_PARTITION, 0), {}),
    "seek_to_beginning": ((_PARTITION,), {}),
    "committed": ((_PARTITION,), {"timeout_ms": 1.0}),
}

Kind = TypeVar("Kind", bound=type)


def usable(kind: Kind) -> Kind:
    """Let objects of the class *kind* be run, too: a fake."""
    _classes.append(kind)
    return kind


def require_consumer(consumer: Any) -> None:
    """Refuse an object that is no consumer by its type.

    :raises ConfigurationError: it is not.
    """
    if isinstance(consumer, str):  # it is not shown: it may be more than a topic
        raise ConfigurationError("a str is not a kafka-python KafkaConsumer: pass KafkaConsumer('topic', ...)")
    if not issubclass(type(consumer), tuple(_classes)):
        around = "; an object around a KafkaConsumer cannot be guarded: pass the one inside, or let its class be a "
        hint = f"{around}subclass of KafkaConsumer" * _answers_for_another(consumer)
        raise ConfigurationError(f"{kind_of(consumer)} is not a kafka-python KafkaConsumer by its type: pass one{hint}")
    if missing := [name for name in PARTS if name not in vars(consumer)]:
        raise ConfigurationError(
            f"this {type(consumer).__qualname__} is not a complete KafkaConsumer (it has no {', '.join(missing)} of "
            "its own): its __init__() must call super().__init__(), or if it is an object around a "
            "KafkaConsumer: pass the one inside"
        )


def _answers_for_another(consumer: Any) -> bool:
    try:
        return hasattr(consumer, "poll")
    except Exception:  # noqa: BLE001 - a proxy's own code
        return True


def require_signatures(consumer: Any) -> None:
    """Refuse a *consumer* whose methods do not accept a run's arguments.

    :raises ConfigurationError: one does not; names it, and the line to write.
    """
    for name, (arguments, options) in CALLS.items():
        method = getattr(consumer, name)
        try:
            signature = inspect.signature(method)
        except (TypeError, ValueError):  # it has none to ask
            continue
        try:
            signature.bind(*arguments, **options)
        except TypeError as error:
            expected = inspect.signature(getattr(KafkaConsumer, name))
            raise ConfigurationError(
                f"{name}{signature} of this {type(consumer).__qualname__} does not accept a run's arguments as "
                f"kafka-python's does ({error}): write def {name}{expected}, and pass all of them on"
            ) from error


def is_overridden(consumer: Any, name: str) -> bool:
    """Tell whether the method *name* of a *consumer* is the user's, replaced in a subclass or on the object."""
    owners = [kind for kind in type(consumer).__mro__ if name in vars(kind)]
    return name in vars(consumer) or not owners or owners[0] not in _classes
