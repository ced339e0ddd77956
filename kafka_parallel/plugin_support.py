"""Helpers for plugins beside their hooks: a logger that never raises, values and classes as text, kinds of functions,
settings that cannot work.

A hook runs in the middle of a commit or of a stop, where an error of a logging filter must not come out, nor one of the
metaclass of an error; settings may hold secrets; and a call of a coroutine function or of a generator function runs
nothing of it.
"""

from __future__ import annotations

from collections.abc import Collection

from kafka_parallel._logs import QuietLogger, get_logger
from kafka_parallel._showing import class_name, full_class_name, shown
from kafka_parallel._unfinished import is_async, makes_generator
from kafka_parallel.errors import ConfigurationError

__all__ = [
    "QuietLogger",
    "class_name",
    "exception_classes",
    "full_class_name",
    "get_logger",
    "is_async",
    "makes_generator",
    "shown",
    "wrong_setting",
]


def wrong_setting(plugin: str, name: str, value: object, must_be: str) -> ConfigurationError:
    """Return the error of a setting that cannot work; the caller raises it.

    :param plugin: its name.
    :param name: of the setting.
    :param value: of the setting, which is shown as `shown` does.
    :param must_be: the values that work.
    """
    return ConfigurationError(f"{name} of plugin {plugin} is {shown(value)}: it must be {must_be}")


def exception_classes(plugin: str, name: str, given: object) -> tuple[type[Exception], ...]:
    """Return the classes that a setting such as ``retry_on`` names, one or several.

    :param plugin: its name.
    :param name: of the setting.
    :param given: the value of the setting.
    :raises ConfigurationError: one of them is not a class of exceptions.
    """
    classes = tuple(given) if isinstance(given, Collection) and not isinstance(given, str) else (given,)
    for found in classes:
        if not isinstance(found, type) or not issubclass(found, Exception):
            hint = (
                ", without quotes; a file or a flag of kafka-parallel run cannot hold a class: name a factory as its "
                "handler, which builds the consumer with this plugin"
            ) * isinstance(found, str)
            raise wrong_setting(plugin, name, found, f"one or more classes of exceptions, derived from Exception{hint}")
    return classes
