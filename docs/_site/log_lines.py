"""The lines that the library writes to the log, found in its source: logger, level, text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
# The modules of the library and of its plugins; the simulation is a tool of its own.
SOURCES = {"kafka_parallel": ROOT / "kafka_parallel", "kafka_parallel_plugins": ROOT / "plugins/kafka_parallel_plugins"}
LEVELS = {"debug": "DEBUG", "info": "INFO", "warning": "WARNING", "error": "ERROR", "exception": "ERROR"}
GETTERS = {"get_logger", "getLogger"}


class LogLine(NamedTuple):
    """One call that logs.

    :ivar logger: the name of the logger.
    :ivar level: such as ``"INFO"``.
    :ivar text: the message before its values are put in; ``"%s"`` if all of it is computed.
    """

    logger: str
    level: str
    text: str


def log_lines() -> list[LogLine]:
    """Every call that logs, in the order of the sources."""
    return [line for module, path in _modules() for line in in_module(module, path.read_text())]


def loggers() -> list[str]:
    """The names of all loggers, in the order of the sources."""
    return [module for module, path in _modules() if _logger_names(ast.parse(path.read_text()))]


def _modules() -> Iterator[tuple[str, Path]]:
    for package, folder in SOURCES.items():
        for path in sorted(folder.rglob("*.py")):
            if "simulation" not in path.parts:
                parts = path.relative_to(folder).with_suffix("").parts
                yield ".".join([package, *(part for part in parts if part != "__init__")]), path


def in_module(module: str, source: str) -> list[LogLine]:
    """Every call that logs in the *source* of *module*."""
    tree = ast.parse(source)
    names = _logger_names(tree)
    calls = [
        (node.lineno, LogLine(module, LEVELS[node.func.attr], _text(node.args)))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in names
        and node.func.attr in LEVELS
    ]
    return [line for _, line in sorted(calls, key=lambda call: call[0])]


def _logger_names(tree: ast.Module) -> set[str]:
    return {
        target.id
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        and isinstance(node.value, ast.Call)
        and _called(node.value) in GETTERS
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _text(arguments: list[ast.expr]) -> str:
    first = arguments[0]
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else "%s"


def public_parent(logger: str) -> str:
    """The logger to name in a configuration: a plugin's, or the one of the whole library."""
    parts = logger.split(".")
    return ".".join(parts[: 2 if parts[0] == "kafka_parallel_plugins" else 1])
