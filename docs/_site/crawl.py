"""Follows every link inside the built site from its start page: ``python -m docs._site.crawl build/site``.

Sphinx looks at the links that it makes itself. This checks the pages as a browser gets them: targets of links, and
pages that no link leads to. Links to other hosts are left alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

START = "index.html"
# Made by Sphinx beside the pages; search.html is reached by its form, the sources by nothing.
NOT_LINKED = {"search.html", "genindex.html", "py-modindex.html"}


class Page(HTMLParser):
    """The links and anchors of one HTML file.

    :ivar links: where its links and images lead, as they are written.
    :ivar anchors: the names that a link to a part of it may have.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = {""}
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the targets of *tag* and its own names as a target."""
        found = {name: value or "" for name, value in attrs}
        self.anchors.update(found[name] for name in ("id", "name") if name in found)
        self.links.extend(found[name] for name in ("href", "src") if name in found and tag != "link")


def problems(site: Path) -> list[str]:
    """The faults of the links of *site*, one sentence each."""
    site = site.resolve()
    pages = {path: Page(path) for path in sorted(site.rglob("*.html")) if "_static" not in path.parts}
    found, reached = [], {site / START}
    waiting = [*reached]
    while waiting:
        path = waiting.pop()
        for link, target, anchor in _targets(path, pages[path].links):
            if not target.exists():
                found.append(f"{path.relative_to(site)}: {link} leads to no file")
            elif target in pages:
                if anchor not in pages[target].anchors:
                    found.append(f"{path.relative_to(site)}: {link} leads to no place of its page")
                if target not in reached:
                    reached.add(target)
                    waiting.append(target)
    orphans = sorted(str(path.relative_to(site)) for path in pages.keys() - reached)
    return found + [f"{name}: no page links to it" for name in orphans if name not in NOT_LINKED]


def _targets(path: Path, links: Iterable[str]) -> Iterable[tuple[str, Path, str]]:
    for link in links:
        parts = urlsplit(link)
        if not (parts.scheme or parts.netloc or link.startswith("data:")):
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            yield link, target / START if target.is_dir() else target, unquote(parts.fragment)


def main() -> None:
    """Print the problems of the site named on the command line, and fail if there are any."""
    found = problems(Path(sys.argv[1]))
    sys.exit("\n".join(found) or 0)


if __name__ == "__main__":
    main()
