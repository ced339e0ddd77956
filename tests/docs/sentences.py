"""The sentences of the library: those of its docstrings, and those of its messages."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
SOURCES = (ROOT / "kafka_parallel", ROOT / "plugins/kafka_parallel_plugins")
# The end of a paragraph: an empty line, a point of a list, or a field such as ":param x:", whose name is left out.
BREAK = re.compile(r"\n\s*\n|\n(?=\s*(?:[-*] |:\w+[^:\n]*:))")
FIELD = re.compile(r"^:\w+[^:]*:\s*")
# Fewer words are a name or a heading.
LEAST_WORDS = 3


class Sentence(NamedTuple):
    """One sentence, and the file and line where its text begins."""

    place: str
    text: str


def of_library() -> list[Sentence]:
    """Every sentence of the library and of the plugins that it ships."""
    return [
        Sentence(f"{path.relative_to(ROOT)}:{line}", text)
        for folder in SOURCES
        for path in sorted(folder.rglob("*.py"))
        for line, text in of_source(path.read_text())
    ]


def of_source(source: str) -> Iterator[tuple[int, str]]:
    """Every sentence of *source*, with the line where its text begins."""
    tree = ast.parse(source)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            text = "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            text = inspect.cleandoc(node.value) if id(node) in docs else node.value
        else:
            continue
        yield from ((node.lineno, sentence) for sentence in of_text(text))


def of_text(text: str) -> Iterator[str]:
    """Every sentence of *text*, in one line each."""
    for paragraph in BREAK.split(text):
        line = FIELD.sub("", " ".join(paragraph.split()))
        yield from (found for found in re.split(r"(?<=[.!?])\s+", line) if len(found.split()) >= LEAST_WORDS)
