"""The Sphinx extension of this documentation: each module makes one thing of the code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs._site import changelog, commands, coverage, docstrings, metrics, name_tables, references, repository_links

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """Register everything with Sphinx."""
    for module in (changelog, commands, coverage, docstrings, metrics, name_tables, references, repository_links):
        module.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
