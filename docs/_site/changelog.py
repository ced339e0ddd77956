"""Fills the page changelog.md: the fragments of the next release, then CHANGELOG.md."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
PAGE = "changelog"


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("source-read", _fill)
    app.connect("env-get-outdated", lambda *_: [PAGE])  # the fragments are no sources of Sphinx's


def _fill(_app: Sphinx, page: str, content: list[str]) -> None:
    if page == PAGE:
        content[0] += "\n".join(["", unreleased(), *released()])


def unreleased() -> str:
    """The fragments as towncrier will put them into CHANGELOG.md, under a heading of their own."""
    command = [sys.executable, "-m", "towncrier", "build", "--draft", "--version", "next"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    _, _, fragments = done.stdout.partition("\n")
    return "## Not released yet\n" + fragments.replace("\n## ", "\n### ").replace("](../", "](")


def released() -> list[str]:
    """The lines of CHANGELOG.md below its title; none before the first release."""
    path = ROOT / "CHANGELOG.md"
    lines = path.read_text().splitlines() if path.exists() else []
    return [f"#{line}" if line.startswith("#") else line.replace("](docs/", "](") for line in lines]
