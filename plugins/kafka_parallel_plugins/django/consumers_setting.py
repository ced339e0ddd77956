"""The setting ``KAFKA_PARALLEL``: is it right, and which consumers and handlers does it name?"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string
from kafka import KafkaConsumer

from kafka_parallel import Batch, ParallelConsumer
from kafka_parallel.plugin_support import class_name, shown

__all__ = ()

SETTING = "KAFKA_PARALLEL"
KEYS: dict[str, Any] = {"HANDLER": str, "TOPICS": (list, tuple), "CONSUMER": dict, "OPTIONS": dict, "BATCH": dict}
REQUIRED = ("HANDLER", "TOPICS")
EXAMPLE = "{'billing': {'HANDLER': 'shop.handlers.bill', 'TOPICS': ['orders'], 'CONSUMER': {'group_id': 'billing'}}}"


def mistakes(names: Collection[str] = ()) -> list[str]:
    """Return all mistakes of the setting, each as a sentence.

    :param names: the consumers to look at; empty = all of them.
    """
    found = getattr(settings, SETTING, None)
    if not isinstance(found, Mapping) or not found:
        return [f"{SETTING} in the settings is {shown(found)}: it must name consumers, as in {EXAMPLE}"]
    unknown = [f"{SETTING} has no consumer {name!r}{_nearest(name, found)}" for name in names if name not in found]
    return unknown + [
        sentence for name, entry in found.items() if not names or name in names for sentence in _of_entry(name, entry)
    ]


def consumers(names: Collection[str] = ()) -> list[tuple[Any, ...]]:
    """Build the consumers that *names* name, all without names, each with its handler, and its batch if it has one.

    :raises KafkaError: of a ``KafkaConsumer`` that cannot be built.
    :raises ConfigurationError: of an option that cannot work.
    """
    found = getattr(settings, SETTING)
    return [_built(found[name]) for name in names or found]


def _built(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    options = dict(entry.get("OPTIONS", {}))
    plugins = [*options.pop("plugins", ())]
    if not any(plugin in ("django", "no:django") for plugin in plugins):
        plugins.insert(0, "django")
    handler = import_string(entry["HANDLER"])
    source = KafkaConsumer(*entry["TOPICS"], **entry.get("CONSUMER", {}))
    consumer = ParallelConsumer(source, plugins=plugins, **options)
    return (consumer, handler, Batch(**entry["BATCH"])) if "BATCH" in entry else (consumer, handler)


def _of_entry(name: str, entry: object) -> Iterator[str]:
    where = f"{SETTING}[{name!r}]"
    if not isinstance(entry, Mapping):
        yield f"{where} is {shown(entry)}: it must be a dict with the keys {', '.join(KEYS)}"
        return
    for key in entry:
        if key not in KEYS:
            yield f"{where} has the unknown key {shown(key)}{_nearest(key, KEYS)}; known keys: {', '.join(KEYS)}"
    for key in REQUIRED:
        if key not in entry:
            yield f"{where} has no {key!r}"
    for key, kind in KEYS.items():
        if key in entry and not isinstance(entry[key], kind):
            yield f"{where}[{key!r}] is {shown(entry[key])}: it must be {_kind(kind)}"
    if isinstance(entry.get("HANDLER"), str):
        yield from _of_handler(f"{where}['HANDLER']", entry["HANDLER"])
    if isinstance(entry.get("CONSUMER"), dict):
        yield from _of_keys(f"{where}['CONSUMER']", entry["CONSUMER"], KafkaConsumer.DEFAULT_CONFIG)


def _of_handler(where: str, path: str) -> Iterator[str]:
    try:
        handler = import_string(path)
    except ImportError as error:
        yield f"{where} is {path!r}, which cannot be imported: {error}"
        return
    except Exception as error:  # noqa: BLE001 - the module is the user's
        yield f"{where} is {path!r}, whose import raised {class_name(error)}: {error}"
        return
    if not callable(handler):
        yield f"{where} is {path!r}, which is {shown(handler)}: it must be a function of one record"


def _of_keys(where: str, given: Mapping[Any, object], known: Collection[str]) -> Iterator[str]:
    for key in given:
        if key not in known:
            yield f"{where} has the unknown key {shown(key)}{_nearest(key, known)}"


def _nearest(name: object, known: Collection[str]) -> str:
    found = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def _kind(kind: Any) -> str:
    return " or ".join(f"a {each.__name__}" for each in (kind if isinstance(kind, tuple) else (kind,)))
