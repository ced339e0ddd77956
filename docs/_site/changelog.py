"""Fills the page changelog.md: the fragments of the next release, then CHANGELOG.md."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
FRAGMENTS = ROOT / "docs/changelog"
PAGE = "changelog"
# Below this line towncrier puts each section, and nothing is changed above it.
START = "<!-- towncrier release notes start -->"


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("source-read", _fill)
    app.connect("env-get-outdated", lambda *_: [PAGE])  # the fragments are no sources of Sphinx's


def _fill(_app: Sphinx, page: str, content: list[str]) -> None:
    if page == PAGE:
        content[0] += "\n".join(["", unreleased(), *released()])


def unreleased() -> str:
    """The fragments as towncrier will put them into CHANGELOG.md, under a heading of their own; nothing without any."""
    if not any(path.name != "README.md" for path in FRAGMENTS.glob("*.md")):
        return ""
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "next"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    _, _, fragments = done.stdout.partition("\n")
    return "## Not released yet\n" + fragments.replace("](../", "](")


def released() -> list[str]:
    """The sections of CHANGELOG.md, without its title."""
    _, _, sections = (ROOT / "CHANGELOG.md").read_text().partition(START)
    return [line.replace("](docs/", "](") for line in sections.splitlines()]
