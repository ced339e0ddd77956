"""Makes the intended consumer of a configuration: imports its objects, loads its plugins, connects nothing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kafka_parallel._options import Options
from kafka_parallel._showing import described
from kafka_parallel._suggestions import did_you_mean
from kafka_parallel.cli.configuration.run_config import RunConfig
from kafka_parallel.cli.configuration.schema import tables
from kafka_parallel.cli.configuration.value_kinds import OBJECT, OBJECTS
from kafka_parallel.cli.preflight.findings import Finding, failure
from kafka_parallel.cli.preflight.intended import Intended, with_plugins
from kafka_parallel.errors import ConfigurationError
from kafka_parallel.values import Batch

__all__ = ()


def intended_by(config: RunConfig) -> tuple[Intended, list[Finding]]:
    """The consumer of *config*; each object that cannot be had is a finding.

    :raises ConfigurationError: options contradict each other.
    """
    findings: list[Finding] = []
    given = {name: _of_client(name, value, findings) for name, value in config.consumer.items()}
    parallel = dict(config.parallel)
    if is_reference(parallel.get("ordering")):
        parallel["ordering"] = _object(str(parallel["ordering"]), "ordering", findings)
    intended = Intended(
        topics=config.topics,
        given={name: value for name, value in given.items() if value is not None},
        options=Options(**parallel, plugins=_plugins(config)),
        handler=_handler(config, findings),
        batch=None if config.batch is None else Batch(**config.batch),
    )
    loaded, problems = with_plugins(intended)
    return loaded, [*findings, *problems]


def _plugins(config: RunConfig) -> list[Any]:
    asked = [(plugin.name, dict(plugin.settings)) for plugin in config.plugins]
    return [*asked, *(f"no:{name}" for name in config.blocked)]


def _handler(config: RunConfig, findings: list[Finding]) -> Any:
    if config.handler is None:
        findings.append(failure("handler", "none is given: write module:function"))
        return None
    return _object(config.handler, "handler", findings)


def _of_client(name: str, value: Any, findings: list[Finding]) -> Any:
    kind = tables()["consumer"].get(name)
    if kind is OBJECT:
        return _object(value, name, findings)
    if kind is OBJECTS:
        found = [_object(each, name, findings) for each in value]
        return None if None in found else found
    return value


def is_reference(value: object) -> bool:
    """Tell whether *value* is ``module:name``."""
    return isinstance(value, str) and ":" in value


def _object(reference: str, setting: str, findings: list[Finding]) -> Any:
    """The object that *reference* names; ``None``, and a finding, if there is none."""
    try:
        return imported(reference)
    except ConfigurationError as error:
        findings.append(failure(setting, str(error)))
        return None


def imported(reference: str, folder: Path | None = None) -> Any:
    """Import ``module:name``; modules of the current folder are found.

    :param folder: the one to look in; ``None`` = the current one.
    :raises ConfigurationError: the module cannot be imported, or has no such name.
    """
    module, _, name = reference.partition(":")
    here = str(folder or Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:
        raise ConfigurationError(f"{reference}: {module} cannot be imported from {here}: {described(error)}") from error
    for part in name.split("."):
        known: Mapping[str, Any] = dict.fromkeys(dir(found))
        if part not in known:
            raise ConfigurationError(f"{reference}: {module} has no {part!r}{did_you_mean(part, list(known))}")
        found = getattr(found, part)
    return found
