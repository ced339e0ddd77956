"""The table of names before each block of directives in the reference. `write_tables.py` writes it.

A forge runs no directive: without the tables, a page that documents names would show none of them there. The site
shows the whole descriptions instead, and leaves the tables out.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from docs._site.public_names import resolved
from docs._site.settings_tables import PAGES, cell, markdown

if TYPE_CHECKING:
    from sphinx.application import Sphinx

HEAD = "| Name | Meaning |\n|---|---|\n"
TABLE = re.compile(rf"^{re.escape(HEAD)}(?:\|.*\n)*\n", re.MULTILINE)
BLOCK = re.compile(r"^```\{eval-rst\}\n.*?^```$", re.MULTILINE | re.DOTALL)
DIRECTIVE = re.compile(r"^\.\. ([\w:-]+):: (.+?)(?:\(\))?\n((?:(?:   .*)?\n)*)", re.MULTILINE)
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`*])")


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("source-read", _leave_out)


def _leave_out(_app: Sphinx, _name: str, source: list[str]) -> None:
    source[0] = TABLE.sub("", source[0])


def pages() -> list[Path]:
    """The pages with tables of names; the page of a plugin has a table of its settings."""
    return [page for page in sorted(PAGES.glob("*.md")) if not page.name.startswith("plugins-")]


def with_tables(text: str) -> str:
    """The *text* of a page with a table before each block that documents names, in the place of older ones."""
    return BLOCK.sub(lambda block: table(block[0]) + block[0], TABLE.sub("", text))


def table(block: str) -> str:
    """The table of the names in a *block* of directives; empty if it has none."""
    rows = [f"| `{name}` | {cell(markdown(meaning))} |\n" for name, meaning in _meanings(block)]
    return f"{HEAD}{''.join(rows)}\n" if rows else ""


def _meanings(block: str) -> Iterator[tuple[str, str]]:
    """Each name that *block* documents, with the first sentence about it."""
    for directive, name, content in DIRECTIVE.findall(block):
        if directive == "click-command":
            yield name, _first_sentence(_commands()[name])
        elif directive in {"py:data", "autodata"}:
            yield name, _first_sentence(_below(content) or _after_assignment(name))
        elif directive.startswith("auto") and directive != "automodule":
            yield name, _first_sentence(inspect.getdoc(resolved(name)) or "")


def _first_sentence(text: str) -> str:
    return SENTENCE_END.split(" ".join(text.partition("\n\n")[0].split()))[0]


def _below(content: str) -> str:
    """The text below a directive, without its options."""
    return "\n".join(line.strip() for line in content.splitlines() if not line.startswith("   :")).strip()


@cache
def _commands() -> dict[str, str]:
    from docs._site.commands import commands

    return {path: command.help or "" for path, command in commands().items()}


def _after_assignment(path: str) -> str:
    """The text behind the assignment of a variable of a module, as Sphinx takes it for its description."""
    module, _, name = path.rpartition(".")
    for node, following in pairwise(ast.parse(inspect.getsource(importlib.import_module(module))).body):
        match node, following:
            case (
                ast.AnnAssign(target=ast.Name(id=found)) | ast.Assign(targets=[ast.Name(id=found)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ) if found == name:
                return text
    return ""
