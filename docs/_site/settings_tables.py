"""The table of settings on the page of each plugin, and of the consumer, made of the docstring; see `write_tables.py`.

A forge shows the page as it is written and runs no directive. So the table stands in the page, and the site shows it in
the place of the parameters of the class.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

PAGES = Path(__file__).parents[1] / "reference"
HEADING = "## Settings\n"
CLASS = re.compile(r"^\.\. autoclass:: (kafka_parallel\S+)$", re.MULTILINE)
PARAMETER = re.compile(r"^:param (\w+): (.*?)(?=^:|^\s*$|\Z)", re.MULTILINE | re.DOTALL)
HEAD = ("| Setting | Type | Default | Meaning |", "|---|---|---|---|")


@cache
def pages() -> dict[Path, type]:
    """Each page with settings, and their class, the first one under the heading."""
    found = {page: text for page in sorted(PAGES.glob("*.md")) if HEADING in (text := page.read_text())}
    owners = {page: _owner(text) for page, text in found.items()}
    return {page: owner for page, owner in owners.items() if table(owner)}


def _owner(text: str) -> Any:
    first = CLASS.search(text, text.index(HEADING))
    assert first is not None
    module, _, name = first[1].rpartition(".")
    return getattr(importlib.import_module(module), name)


def table(owner: type) -> list[str]:
    """The lines of the table of *owner*; none if it has no settings."""
    rows = [*_rows(owner)]
    return [*HEAD, *rows] if rows else []


def _rows(owner: type) -> Iterator[str]:
    from docs._site.docstrings import annotations, default_texts, spelt_out

    types, defaults = annotations(owner), default_texts(owner)
    for name, text in PARAMETER.findall(inspect.getdoc(owner) or ""):
        default = f"`{defaults[name]}`" if name in defaults else "needed"
        kind = next(iter(spelt_out(owner, name)), types[name])
        yield "| " + " | ".join(map(cell, (f"`{name}`", f"`{kind}`", default, markdown(text)))) + " |"


def markdown(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def with_table(text: str, owner: type) -> str:
    """The *text* of a page with the table of *owner* below the heading, in the place of an older one."""
    before, _, behind = text.partition(HEADING)
    rest = behind.lstrip("\n").splitlines(keepends=True)
    while rest and rest[0].startswith("|"):
        rest.pop(0)
    lines = "".join(f"{line}\n" for line in table(owner))
    return f"{before}{HEADING}\n{lines}\n{''.join(rest).lstrip(chr(10))}"


def without_parameters(found: Any, blocks: Iterable[tuple[str, str, list[str]]]) -> list[tuple[str, str, list[str]]]:
    """The *blocks* of the docstring of *found* without those that a table on its page shows."""
    has_table = any(owner is found for owner in pages().values())
    return [block for block in blocks if not (has_table and block[0] == "param")]
