"""The environment variables that the library reads, found in its source."""

from __future__ import annotations

import re
from collections.abc import Iterator

from docs._site.log_lines import SOURCES

READ = (
    re.compile(r"environ(?:\.get\(|\[)\s*\"(\w+)\""),
    re.compile(r"_VARIABLE(?:: \w+)? = \"(\w+)\""),
    re.compile(r"envvar=\"(\w+)\""),
    re.compile(r"\"(KAFKA_PARALLEL_\w+)\""),
)


def variables() -> set[str]:
    """The names of all of them."""
    return {name for source in _sources() for name in in_source(source)}


def in_source(source: str) -> set[str]:
    """The names of those that *source* reads."""
    return {name for pattern in READ for name in pattern.findall(source)}


def _sources() -> Iterator[str]:
    for folder in SOURCES.values():
        for path in folder.rglob("*.py"):
            yield path.read_text()
