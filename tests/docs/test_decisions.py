"""Each decision has one page with a status, the map links all of them, and the code names only those there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DECISIONS = ROOT / "docs" / "decisions"
PAGES = sorted(DECISIONS.glob("*.md"))
NAMED = re.compile(r"decisions/(\d{4}[\w-]*)")


def sources():
    folders = ("kafka_parallel", "plugins", "tests", "benchmarks", "examples")
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def test_numbers_are_unique_and_have_no_gap():
    numbers = [page.name[:4] for page in PAGES]

    assert numbers == [f"{number:04}" for number in range(1, len(PAGES) + 1)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_says_what_was_decided_and_why(page):
    lines = page.read_text().splitlines()

    assert lines[0].startswith(f"# {page.name[:4]}: ")
    assert re.fullmatch(r"Status: (in force since \d{4}-\d\d-\d\d|replaced by \[.*)\.", lines[2])
    assert [part for part in ("Decision", "Why", "Otherwise") if f"**{part}.** " not in page.read_text()] == []
    assert len(lines) <= 25


def test_the_map_links_each_of_them_once():
    linked = re.findall(r"^- \[(\d{4})\]\(\.\./decisions/(\S+)\) (.*)$", map_of_decisions(), re.MULTILINE)

    assert sorted(linked) == [(page.name[:4], page.name, title(page)) for page in PAGES]


def test_the_code_names_only_decisions_that_exist():
    named = {(path, name) for path in sources() for name in NAMED.findall(path.read_text())}

    assert [(str(path), name) for path, name in named if not (DECISIONS / f"{name}.md").exists()] == []


def test_each_decision_is_named_by_the_code_that_follows_from_it():
    named = {name for path in sources() for name in NAMED.findall(path.read_text())}

    assert [page.stem for page in PAGES if page.stem not in named] == []


def map_of_decisions() -> str:
    return (ROOT / "docs" / "explanation" / "design.md").read_text()


def title(page: Path) -> str:
    return page.read_text().splitlines()[0].split(": ", 1)[1]
