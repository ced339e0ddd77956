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
# The functions that make a logger, and how its name begins where it is not the module's.
GETTERS = {"get_logger": "", "getLogger": "", "area_logger": "kafka_parallel."}


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


def loggers() -> set[str]:
    """The names of all loggers."""
    return {name for module, path in _modules() for name in _loggers(module, ast.parse(path.read_text())).values()}


def _modules() -> Iterator[tuple[str, Path]]:
    for package, folder in SOURCES.items():
        for path in sorted(folder.rglob("*.py")):
            if "simulation" not in path.parts:
                parts = path.relative_to(folder).with_suffix("").parts
                yield ".".join([package, *(part for part in parts if part != "__init__")]), path


def in_module(module: str, source: str) -> list[LogLine]:
    """Every call that logs in the *source* of *module*."""
    tree = ast.parse(source)
    names = _loggers(module, tree)
    calls = [
        (node.lineno, LogLine(names[node.func.value.id], LEVELS[node.func.attr], _text(node.args)))
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in names
        and node.func.attr in LEVELS
    ]
    return [line for _, line in sorted(calls, key=lambda call: call[0])]


def _loggers(module: str, tree: ast.Module) -> dict[str, str]:
    """The loggers of *module*: the name of the variable -> the name of the logger."""
    return {
        target.id: _named(module, node.value)
        for node in tree.body
        if isinstance(node, (ast.Assign, ast.AnnAssign))
        and isinstance(node.value, ast.Call)
        and _called(node.value) in GETTERS
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }


def _named(module: str, call: ast.Call) -> str:
    (argument,) = call.args
    return GETTERS[_called(call)] + argument.value if isinstance(argument, ast.Constant) else module


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _text(arguments: list[ast.expr]) -> str:
    first = arguments[0]
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else "%s"
