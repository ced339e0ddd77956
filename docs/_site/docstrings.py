"""Makes reference text of docstrings: defaults beside parameters, fields as attributes, a hook's contract as a list.

The docstrings stay plain: ``:param name:``, ``:ivar name:`` and the lines "Runs on:" and "If it raises:".
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from docs._site.public_names import public_names
from docs._site.settings_tables import without_parameters

if TYPE_CHECKING:
    from sphinx.application import Sphinx

FIELD = re.compile(r"^:(\w+) (\w+): ?(.*)$")
WORD = re.compile(r"[A-Za-z]\w+")
CONTRACT = re.compile(r"^(Runs on|If it raises): ", re.MULTILINE)


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("autodoc-process-docstring", _docstring)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-skip-member", _is_left_out)


def _docstring(_app: Sphinx, what: str, _name: str, found: Any, _options: Any, lines: list[str]) -> None:
    if what in {"class", "exception", "function", "method"}:
        lines[:] = rewritten(found, lines)
    elif what == "module" and "" in lines:
        lines[:] = lines[lines.index("") :]  # the first sentence is for those who look for a file


def _signature(_app: Sphinx, what: str, _name: str, found: Any, *_: Any) -> tuple[str, str | None] | None:
    if what not in {"class", "exception", "function", "method"} or getattr(found, "_is_protocol", False):
        return ("", None) if what == "class" else None
    try:
        return signature(found, is_method=what == "method"), None
    except (TypeError, ValueError):
        return None


def _is_left_out(_app: Sphinx, _what: str, _name: str, found: Any, _skip: Any, _options: Any) -> bool | None:
    """Leave out NamedTuple's own lines about fields: the docstring says more."""
    return True if type(found).__name__ == "_tuplegetter" else None


def rewritten(found: Any, lines: Iterable[str]) -> list[str]:
    """The docstring *lines* of the class or function *found* as they are shown."""
    defaults = default_texts(found)
    kept: list[str] = []
    attributes: list[str] = []
    for kind, name, block in without_parameters(found, _blocks(lines)):
        if kind == "ivar":
            attributes += _attribute(found, name, block)
        elif kind == "param":
            kept += [*block[:-1], block[-1] + (f" Default: ``{defaults[name]}``." if name in defaults else "")]
            kept += [f":type {name}: {text}" for text in spelt_out(found, name)]
        else:
            kept += [CONTRACT.sub(r":\1: ", line) for line in block]
    return [*kept, "", *attributes]


def spelt_out(found: Any, name: str) -> list[str]:
    """The type of the parameter *name*, if it is written with an alias that is not public; else nothing."""
    function = found.__init__ if isinstance(found, type) else found
    written = getattr(function, "__annotations__", {}).get(name)
    if not isinstance(written, str):
        return []
    names = vars(sys.modules[function.__module__])
    public = {each.rpartition(".")[2] for each in public_names()}
    aliases = {alias: text for alias, text in names.items() if isinstance(text, str) and alias not in public}
    text = WORD.sub(lambda word: aliases.get(word[0], word[0]), written)
    return [] if text == written else [text]


def _blocks(lines: Iterable[str]) -> list[tuple[str, str, list[str]]]:
    """Lines and fields of a docstring, one after the other: kind ("" for a line), name, lines of it."""
    found: list[tuple[str, str, list[str]]] = []
    for line in lines:
        if start := FIELD.match(line):
            found.append((start[1], start[2], [line]))
        elif found and found[-1][0] and line.startswith(" "):
            found[-1][2].append(line)
        else:
            found.append(("", "", [line]))
    return found


def _attribute(owner: Any, name: str, block: list[str]) -> list[str]:
    first = FIELD.match(block[0])
    assert first is not None
    kind = annotations(owner).get(name)
    default = field_defaults(owner).get(name)
    return [
        f".. attribute:: {name}",
        *([f"   :type: {kind}"] if kind else []),
        *([f"   :value: {default}"] if default else []),
        "",
        *(f"   {line.strip()}" for line in (first[3][:1].upper() + first[3][1:], *block[1:])),
        "",
    ]


def annotations(owner: type) -> dict[str, str]:
    """The type of each field of *owner*, as it is written; that of the argument of its name if only that has one."""
    found = {name: _written(kind) for name, kind in getattr(owner.__init__, "__annotations__", {}).items()}
    for base in reversed(owner.__mro__):
        found.update({name: _written(kind) for name, kind in vars(base).get("__annotations__", {}).items()})
    return found


def _written(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__forward_arg__", None)
    return text or inspect.formatannotation(annotation)


def field_defaults(owner: type) -> dict[str, str]:
    """The default of each field of a dataclass or a NamedTuple that has one."""
    if is_dataclass(owner):
        return {field.name: shown(field.default) for field in fields(owner) if field.default is not MISSING}
    return {name: shown(value) for name, value in getattr(owner, "_field_defaults", {}).items()}


def default_texts(found: Any) -> dict[str, str]:
    """The default of each parameter of *found* that has one."""
    try:
        parameters = inspect.signature(found).parameters
    except (TypeError, ValueError):
        return {}
    return {name: shown(each.default) for name, each in parameters.items() if each.default is not each.empty}


def signature(found: Any, *, is_method: bool) -> str:
    """The parameters of *found* with their defaults and without their types, which their descriptions show."""
    parameters = list(inspect.signature(found).parameters.values())
    if is_method and parameters and parameters[0].name in {"self", "cls"}:
        parameters = parameters[1:]
    bare = [
        each.replace(annotation=each.empty, default=each.empty if each.default is each.empty else _Text(each.default))
        for each in parameters
    ]
    return str(inspect.Signature(bare))


class _Text:
    """A default as it is shown in a signature."""

    def __init__(self, value: object) -> None:
        self._value = value

    def __repr__(self) -> str:
        return shown(self._value)


def shown(value: object) -> str:
    """A default value as a reader would write it."""
    if isinstance(value, Mapping):
        return repr(dict(value))
    if isinstance(value, (tuple, list)):
        items = ", ".join(map(shown, value))
        return f"({items},)" if len(value) == 1 else f"({items})"
    if getattr(value, "__name__", "") == "<lambda>" or type(value).__name__ == "_HAS_DEFAULT_FACTORY_CLASS":
        return "..."
    if inspect.ismodule(value):
        return value.__name__
    if isinstance(value, type) or callable(value):
        return _name(value)
    return repr(value)


def _name(found: Any) -> str:
    owner = getattr(found, "__self__", None)
    module = getattr(found, "__module__", None) or type(owner).__module__
    name = getattr(found, "__name__", type(found).__name__)
    return name if module in {None, "builtins"} or isinstance(found, type) else f"{module}.{name}"
