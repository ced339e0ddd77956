"""The user's own functions by their names, ``"module:name"``: imported, and checked before the first record."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kafka_parallel._showing import class_name, kind_of
from kafka_parallel._suggestions import did_you_mean
from kafka_parallel.errors import ConfigurationError

__all__ = ()

# Folders of code that is not the user's.
PACKAGE = str(Path(__file__).parents[1])
OTHERS = ("<frozen ", PACKAGE, str(Path(importlib.__file__).parent))


def use_folder(folder: Path) -> None:
    """Let modules of *folder* be imported, as ``python -m`` does with the current one."""
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def load_object(reference: str, place: str) -> Any:
    """Import the object that *reference* names.

    :param place: where it was given, for messages.
    :raises ConfigurationError: it cannot be imported; names the line of the user's file.
    """
    module_name, _, name = reference.partition(":")
    found = _module(module_name, reference, place)
    for part in name.split("."):
        found = _attribute(found, part, f"{place}: {reference} cannot be imported")
    return found


def _attribute(holder: Any, name: str, problem: str) -> Any:
    """The attribute *name* of *holder*: a property or a lazy module runs code of the user's for it."""
    try:
        return getattr(holder, name)
    except AttributeError:
        known = [each for each in dir(holder) if not each.startswith("_")]
        raise ConfigurationError(f"{problem}: {_where(holder)} has no {name!r}{did_you_mean(name, known)}") from None
    except (Exception, SystemExit) as error:
        raise ConfigurationError(f"{problem}: {line_of(error)}") from error


def _where(found: Any) -> str:
    return str(getattr(found, "__file__", None) or getattr(found, "__name__", None) or kind_of(found))


def _module(name: str, reference: str, place: str) -> Any:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        problem = _missing(name, error) or line_of(error)
        raise ConfigurationError(f"{place}: {reference} cannot be imported: {problem}") from error


def _missing(name: str, error: BaseException) -> str | None:
    """Say that there is no module *name*, if that is the *error*."""
    missing = error.name if isinstance(error, ModuleNotFoundError) else None
    if missing is None or not (name == missing or name.startswith(f"{missing}.")):
        return None
    if name.endswith(".py"):
        return f"{name} is a file: write {name.removesuffix('.py')}:NAME, without .py"
    known = [module.name for module in pkgutil.iter_modules([str(Path.cwd())])]
    return f"there is no module {missing!r} in {Path.cwd()} or elsewhere on sys.path{did_you_mean(missing, known)}"


def line_of(error: BaseException) -> str:
    """Tell an *error* of the user's code with its line, in one line."""
    text = "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}: {text}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(OTHERS)]
    mine = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    return f"{mine[-1].filename}, line {mine[-1].lineno}: {text}" if mine else text


def is_factory(found: Any) -> bool:
    """Tell whether *found* is called without arguments, and cannot be called with a record."""
    if inspect.isclass(found) or (signature := _signature(found)) is None:
        return False
    return _binds(signature) and not _binds(signature, object())


def check_handler(handler: Any, reference: str, place: str) -> None:
    """Check that *handler* can be called with one record, or one list of them.

    :raises ConfigurationError: it cannot.
    """
    if inspect.isclass(handler) or not callable(handler):
        what = f"the class {handler.__name__}" if inspect.isclass(handler) else kind_of(handler)
        raise ConfigurationError(f"{place}: {reference} is {what}: give a function that takes one record")
    signature = _signature(handler)
    if signature is not None and not _binds(signature, object()):
        raise ConfigurationError(
            f"{place}: {reference}{signature} cannot be called with one argument: a handler takes one record, or with "
            "--batch one list of records"
        )


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (TypeError, ValueError):  # it has none to ask, or cannot be called
        return None


def _binds(signature: inspect.Signature, *arguments: object) -> bool:
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True


def called(factory: Callable[[], Any], reference: str, place: str) -> Any:
    """Call the user's *factory*.

    :raises ConfigurationError: it raised an error, or ended the process; names its line.
    """
    from kafka.errors import KafkaError

    try:
        return factory()
    except KafkaError:
        raise
    except (Exception, SystemExit) as error:
        raise ConfigurationError(f"{place}: {reference} failed with a {class_name(error)}: {line_of(error)}") from error
