"""The page of a plugin shows its settings also where no site is built: its table is the one of the docstring."""

from __future__ import annotations

import inspect
import re
import threading
from pathlib import Path
from typing import Any

import pytest

from docs._site import settings_tables
from docs._site.docstrings import rewritten

PAGES = settings_tables.pages()
DOCS = Path(__file__).parents[2] / "docs"


class Plugin:
    """Does it.

    :param wait_ms: milliseconds, ``0`` = none;
        or more.
    :param topic: where to.
    :raises ValueError: never.
    """

    def __init__(self, topic: str, *, wait_ms: float | None = None) -> None: ...


class PluginOfAModule:
    """Does it.

    :param threads: whose threads.
    """

    def __init__(self, threads: Any = threading) -> None: ...


def test_a_module_is_shown_by_its_name_and_not_by_its_place():
    assert settings_tables.table(PluginOfAModule)[2:] == ["| `threads` | `Any` | `threading` | whose threads. |"]


def test_a_table_has_type_default_and_meaning():
    assert settings_tables.table(Plugin)[2:] == [
        "| `wait_ms` | `float \\| None` | `None` | milliseconds, `0` = none; or more. |",
        "| `topic` | `str` | needed | where to. |",
    ]


def test_a_table_takes_the_place_of_an_older_one():
    page = "# P\n\n## Settings\n\n| old |\n|---|\n\nText.\n"
    table = "\n".join(settings_tables.table(Plugin))

    assert settings_tables.with_table(page, Plugin) == f"# P\n\n## Settings\n\n{table}\n\nText.\n"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_the_table_of_its_plugin(page):
    text = page.read_text()

    assert text == settings_tables.with_table(text, PAGES[page]), "run python -m docs._site.write_tables"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_table_has_all_settings(page):
    named = {line.split("`")[1] for line in settings_tables.table(PAGES[page])[2:]}

    assert named == {name for name in inspect.signature(PAGES[page]).parameters if not name.startswith("_")}


def test_the_site_shows_the_settings_once():
    owner = next(iter(PAGES.values()))

    assert not [line for line in rewritten(owner, (inspect.getdoc(owner) or "").splitlines()) if ":param" in line]
    assert [line for line in rewritten(Plugin, (inspect.getdoc(Plugin) or "").splitlines()) if ":param" in line]


def test_settings_on_a_command_line_are_those_of_the_plugin():
    signatures = {page.stem: inspect.signature(made).parameters for page, made in PAGES.items()}
    written = [
        found.groups()
        for page in sorted(DOCS.rglob("*.md"))
        for found in re.finditer(r"-p ([a-z-]+):([a-z_]+)=", page.read_text())
    ]

    assert ("dlq", "topic") in written
    assert [(name, setting) for name, setting in written if setting not in signatures[f"plugins-{name}"]] == []
