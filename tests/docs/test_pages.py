"""What README and docs show runs, what they link to exists, what they list is what there is."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from kafka_parallel import Statistics, errors
from tests.docs import hooks_page

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SNIPPET = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def snippets():
    return [
        pytest.param(code, id=f"{page.relative_to(ROOT)}-{number}")
        for page in PAGES
        for number, code in enumerate(SNIPPET.findall(page.read_text()))
        if page.name != "tutorial.md"  # parts of programs: see test_tutorial.py
    ]


@pytest.mark.broker
@pytest.mark.parametrize("code", snippets())
def test_a_snippet_runs(code, kafka_broker, topic):
    from tests.docs import snippet_runs

    snippet_runs.run(code, kafka_broker, topic)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    targets = re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text())

    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]

    assert missing == []


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


def test_the_hooks_page_is_what_the_specifications_say():
    assert (ROOT / "docs/reference/hooks.md").read_text() == hooks_page.page()


def test_every_statistic_and_every_error_is_described():
    text = (ROOT / "docs/reference/statistics-and-errors.md").read_text()
    names = [field.name for field in fields(Statistics)]
    names += [name for name, found in vars(errors).items() if inspect.isclass(found) and name != "BrokerError"]

    assert [name for name in names if f"`{name}`" not in text] == []


def test_the_layers_hold():
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")], capture_output=True, text=True, cwd=ROOT, check=False
    )

    assert done.returncode == 0, done.stdout
