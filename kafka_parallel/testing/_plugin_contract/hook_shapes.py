"""Mistakes in the functions of a plugin as implementations of hooks, each with the nearest right name."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from kafka_parallel._plugins.implementations import mark_of, raw_attribute
from kafka_parallel._plugins.manager import HOOKS, NO_AUTOLOAD_VARIABLE, Plugins
from kafka_parallel._suggestions import did_you_mean
from kafka_parallel.errors import PluginError
from kafka_parallel.testing._plugin_contract.plugin_under_test import PluginUnderTest

__all__: list[str] = []


def mistakes_in(under_test: PluginUnderTest) -> list[str]:
    """Say what is wrong with the hooks of a plugin; nothing if all are right."""
    found = [*_mistakes(under_test)]
    if found:
        return found
    try:
        Plugins([under_test.item], {NO_AUTOLOAD_VARIABLE: "1"})
    except PluginError as error:
        return [str(error)]
    return []


def _mistakes(under_test: PluginUnderTest) -> Iterator[str]:
    plugin, marked = under_test.plugin, under_test.hooks()
    for name, mark in marked.items():
        hook = mark.get("specname") or name
        if hook not in HOOKS:
            if not mark.get("optionalhook"):
                yield f"there is no hook {hook}; known hooks: {', '.join(sorted(HOOKS))}{did_you_mean(hook, HOOKS)}"
            continue
        for argument in _arguments(getattr(plugin, name)):
            if argument not in HOOKS[hook]:
                known = ", ".join(HOOKS[hook])
                yield f"{hook} has no argument {argument}; it has {known}{did_you_mean(argument, HOOKS[hook])}"
    yield from _unmarked(plugin, marked)


def _arguments(function: Any) -> list[str]:
    """The arguments that a call has to give."""
    parameters = inspect.signature(function).parameters.values() if callable(function) else ()
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [found.name for found in parameters if found.kind in kinds and found.default is found.empty]


def _unmarked(plugin: object, marked: dict[str, Any]) -> Iterator[str]:
    for name in HOOKS:
        raw = raw_attribute(plugin, name)
        if name not in marked and raw is not None and mark_of(raw) is None and callable(getattr(raw, "__func__", raw)):
            yield f"the function {name} is called like a hook and is not marked: put @hookimpl above it"
