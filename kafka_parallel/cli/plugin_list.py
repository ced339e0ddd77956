"""The command that lists the installed plugins: where each comes from, and whether a consumer would use it."""

from __future__ import annotations

import importlib.metadata
import inspect
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click

from kafka_parallel._plugins.implementations import mark_of, raw_attribute
from kafka_parallel._plugins.installed import AUTOLOAD_GROUP, InstalledPlugins, distribution_of
from kafka_parallel._plugins.loading import check_settings, imported
from kafka_parallel._plugins.manager import HOOKS, NO_AUTOLOAD_VARIABLE, PLUGINS_VARIABLE, blocked_by, named_by
from kafka_parallel._suggestions import did_you_mean
from kafka_parallel.cli.configuration.flags import Flags
from kafka_parallel.cli.configuration.precedence import load
from kafka_parallel.cli.configuration.run_config import RunConfig
from kafka_parallel.cli.output import printable, show_json, show_table
from kafka_parallel.errors import ConfigurationError, PluginError

__all__ = ()

FAILED = "failed"
# The most characters of an error: all that an error of ours has, and an end to those of others.
LONGEST_REASON = 5_000


@dataclass(frozen=True, slots=True)
class InstalledPlugin:
    """A plugin as it is installed.

    :ivar name: by which it is asked for.
    :ivar distribution: that brings it.
    :ivar version: of that distribution.
    :ivar place: the object, ``"module:name"``.
    :ivar status: ``"active"`` = a consumer of this configuration uses it, ``"blocked"`` = it is left out, ``"failed"``
        = it cannot be used, ``"installed"`` = it can be asked for.
    :ivar reason: why it is active, blocked or failed.
    :ivar hooks: those that it implements; unknown, so empty, of one that is blocked or failed.
    """

    name: str
    distribution: str
    version: str
    place: str
    status: str
    reason: str
    hooks: tuple[str, ...] = ()


@click.command("plugins")
@click.option("-c", "--config", "files", multiple=True, type=click.Path(path_type=Path),
    help="A TOML file with settings; kafka-parallel.toml of the current folder without it.")  # fmt: skip
@click.option("-p", "--plugin", "wanted", multiple=True, metavar="NAME", help="As for run; no:NAME leaves one out.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def plugins(files: tuple[Path, ...], wanted: tuple[str, ...], *, as_json: bool) -> None:
    """List the installed plugins, and say which of them a consumer with this configuration uses.

    One that cannot be imported, or does not take its settings, is listed with its error. The executor and the ordering
    are plugins too, and are chosen by options. Exits with 1 if a plugin that is asked for cannot be used, else with 0.
    """
    try:
        config = load(Flags(files=files, plugins=wanted), os.environ, Path.cwd())
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from None
    choice = Choice.of(config)
    found = list(listed(choice))
    if as_json:
        for plugin in found:
            show_json(asdict(plugin))
    else:
        _show(found)
    sys.exit(int(any(plugin.status == FAILED and plugin.name in choice.used for plugin in found)))


def _show(found: Iterable[InstalledPlugin]) -> None:
    """Write a table, and the errors below it: a sentence in a narrow column has its remedy far down."""
    failed = [plugin for plugin in found if plugin.status == FAILED]
    reasons = {plugin.name: "see below" for plugin in failed}
    rows = [
        (p.name, f"{p.distribution} {p.version}", p.status, reasons.get(p.name, p.reason), " ".join(p.hooks))
        for p in found
    ]
    show_table(["name", "from", "status", "reason", "hooks"], rows)
    for plugin in failed:
        click.echo(f"{printable(plugin.name)}: {printable(plugin.reason, LONGEST_REASON)}")


@dataclass(frozen=True, slots=True)
class Choice:
    """The plugins that were chosen: why each is used, and why others are not.

    :ivar used: by name, the place where it was asked for.
    :ivar blocked: likewise.
    :ivar autoloads: whether those for autoload are used without being asked for.
    :ivar settings: by name, those that a plugin was given; secrets are in it, so ``repr`` does not show it.
    """

    used: dict[str, str]
    blocked: dict[str, str]
    autoloads: bool
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, config: RunConfig) -> Choice:
        """The choice of *config* and the environment."""
        used = {plugin.name: plugin.place for plugin in config.plugins}
        blocked = {name: f"no:{name} of the file or a flag" for name in config.blocked}
        for item in named_by(os.environ):
            name = blocked_by(item)
            if name is None:
                used.setdefault(item, PLUGINS_VARIABLE)
            else:
                blocked.setdefault(name, PLUGINS_VARIABLE)
        settings = {plugin.name: plugin.settings for plugin in config.plugins}
        return cls(used, blocked, not os.environ.get(NO_AUTOLOAD_VARIABLE), settings)


def listed(choice: Choice) -> Iterator[InstalledPlugin]:
    """Each installed plugin by its name, and each that was chosen and is not installed."""
    installed = InstalledPlugins()
    points = {
        (point.name, distribution_of(point), point.value): point for point in (*installed.automatic, *installed.named)
    }
    for _, point in sorted(points.items()):
        yield _listed(point, choice, installed)
    for name in sorted(choice.used.keys() - {name for name, _, _ in points}):
        reason = f"{choice.used[name]}: {_problem(name, installed)}"
        yield InstalledPlugin(name, "-", "-", "-", FAILED, reason)


def _problem(name: str, installed: InstalledPlugins) -> str:
    try:
        installed.find(name)
    except PluginError as error:
        return str(error)
    return ""


def _listed(point: importlib.metadata.EntryPoint, choice: Choice, installed: InstalledPlugins) -> InstalledPlugin:
    distribution = point.dist.name if point.dist is not None else "-"
    version = point.dist.version if point.dist is not None else "-"

    def told(status: str, reason: str, hooks: Iterable[str] = ()) -> InstalledPlugin:
        return InstalledPlugin(point.name, distribution, version, point.value, status, reason, tuple(hooks))

    if point.name in choice.blocked:
        return told("blocked", choice.blocked[point.name])
    place = choice.used.get(point.name)
    try:
        loaded, hooks = _hooks(point, installed)
        if place is not None:
            check_settings(loaded, choice.settings.get(point.name, {}), f"plugin {point.name!r}")
    except (PluginError, ConfigurationError) as error:
        return told(FAILED, str(error) if place is None else f"{place}: {error}")
    if place is not None:
        return told("active", place, hooks)
    if point.group == AUTOLOAD_GROUP and choice.autoloads:
        return told("active", f"installed for {AUTOLOAD_GROUP}", hooks)
    return told("installed", "", hooks)


def _hooks(point: importlib.metadata.EntryPoint, installed: InstalledPlugins) -> tuple[Any, list[str]]:
    """The object of *point*, and the hooks that it implements.

    :raises PluginError: it cannot be used.
    """
    if installed.find(point.name).value != point.value:
        installed.refuse_reserved(point)
    loaded = imported(point, point.name, distribution_of(point))
    marks = {name: mark_of(raw_attribute(loaded, name)) for name in dir(loaded)}
    if inspect.ismodule(loaded):
        marks = {name: mark_of(found) for name, found in vars(loaded).items()}
    hooks = sorted({mark.get("specname") or name for name, mark in marks.items() if mark is not None})
    if unknown := [hook for hook in hooks if hook not in HOOKS]:
        raise PluginError(f"there is no hook {unknown[0]!r}{did_you_mean(unknown[0], HOOKS)}")
    if not hooks:
        raise PluginError("it has no hook: decorate its functions with @hookimpl")
    return loaded, hooks
