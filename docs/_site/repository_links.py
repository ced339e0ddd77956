"""Turns links from a page to files of the repository that are no pages into links to the repository's own site.

On a forge such a link works as it is written. The site has no such files, so there it leads to the address that
``project.urls`` in pyproject.toml names as Source; without one it shows the path.
"""

from __future__ import annotations

import re
from importlib.metadata import metadata
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(((?:\.\./)[^)\s]+)\)")
ROOT = Path(__file__).parents[2]


def setup(app: Sphinx) -> None:
    """Connect to Sphinx."""
    app.connect("source-read", _rewrite)


def _rewrite(app: Sphinx, page: str, content: list[str]) -> None:
    folder = Path(app.env.doc2path(page)).parent
    content[0] = LINK.sub(lambda link: _outside(link, folder, Path(app.srcdir)), content[0])


def _outside(link: re.Match[str], folder: Path, pages: Path) -> str:
    target = (folder / link[2]).resolve()
    if target.is_relative_to(pages) or not target.is_relative_to(ROOT) or not target.exists():
        return link[0]  # Sphinx looks at it, and says so if it leads nowhere
    return shown(link[1], str(target.relative_to(ROOT)), source_address())


def shown(text: str, path: str, address: str | None) -> str:
    """A link to *path* of the repository, as Markdown."""
    if address is not None:
        return f"[{text}]({address}/tree/main/{path})"
    return f"`{path}`" if text.strip("`/") == path else f"{text} (`{path}`)"


def source_address() -> str | None:
    """The address of the repository, from the metadata of the distribution."""
    named = dict(line.split(", ", 1) for line in metadata("kafka-parallel").get_all("Project-URL") or [])
    return named.get("Source")
