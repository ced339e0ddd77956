"""Docstrings and messages are plain English: the subject first, and a noun where there is one. Kind: unclear prose."""

from __future__ import annotations

import ast
import re

import pytest

from tests.docs import sentences

# A fronted clause stands where English has a noun.
FRONTED = re.compile(r"^(?:[-*] )?(?:\*\*)?(?:What|Who|Whoever|Where|Which|Whether)\b")
PERSONS = re.compile(r"\b(?:nobody|somebody|anybody|whoever)\b", re.IGNORECASE)
WHAT = re.compile(r"\bwhat\b", re.IGNORECASE)
# Plain documentation of other projects has it in 1 to 6 of a hundred sentences.
MOST_WHAT = 0.06


def share(pattern, found):
    return sum(bool(pattern.search(sentence.text)) for sentence in found) / len(found)


@pytest.fixture(scope="module")
def library():
    return sentences.of_library()


@pytest.mark.parametrize("pattern", [FRONTED, PERSONS], ids=["fronted clause", "indefinite persons"])
def test_no_sentence_of_the_library_has(pattern, library):
    assert [f"{place} {text}" for place, text in library if pattern.search(text)] == []


def test_no_docstring_of_a_test_has_a_fronted_clause():
    texts = [(path, text) for path in files_of("tests") if path.suffix == ".py" for text in docstrings_of(path)]

    assert len(texts) > 900
    assert [f"{path} {text}" for path, text in texts if FRONTED.search(text)] == []


def docstrings_of(path):
    """The sentences of the docstrings in *path*."""
    nodes = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Expr)]
    found = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return [text for docstring in found for text in sentences.of_text(docstring)]


def test_a_dead_letter_topic_is_spelt_in_one_way():
    files = [path for folder in ("kafka_parallel", "plugins", "docs", "tests", "examples") for path in files_of(folder)]

    assert len(files) > 500
    assert [str(path) for path in files if re.search("dead letter" + " topic", path.read_text(), re.IGNORECASE)] == []


def files_of(folder):
    """The texts below *folder*."""
    return [path for path in (sentences.ROOT / folder).rglob("*.*") if path.suffix in {".md", ".py"}]


def test_few_sentences_of_the_library_have_what(library):
    assert len(library) > 3000
    assert share(WHAT, library) <= MOST_WHAT, [place for place, text in library if WHAT.search(text)]


@pytest.fixture(scope="module")
def pages():
    """The sentences of all texts for users, each with its page; without tables, code and headings."""
    paths = [*sentences.ROOT.glob("*.md"), *(sentences.ROOT / "docs").rglob("*.md")]
    return [sentences.Sentence(str(path.relative_to(sentences.ROOT)), text) for path in paths for text in prose(path)]


def prose(path):
    """The sentences of a page."""
    text = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    lines = [line for line in text.splitlines() if not line.lstrip().startswith(("|", "#", ":", "<", ".."))]
    return [found for found in sentences.of_text("\n".join(lines)) if len(found.split()) > 2]


@pytest.mark.parametrize("pattern", [FRONTED, PERSONS], ids=["fronted clause", "indefinite persons"])
def test_no_sentence_of_a_page_has(pattern, pages):
    assert [f"{place}: {text}" for place, text in pages if pattern.search(text)] == []


def test_few_sentences_of_the_pages_have_what(pages):
    assert len(pages) > 1200
    assert share(WHAT, pages) <= MOST_WHAT, [place for place, text in pages if WHAT.search(text)]


SOURCE = '''
"""Whether it is done.

The rest. Nobody knows it:

- What the list has.
:param x: which is the name of it.
:ivar y: What it is for.
"""
raise ValueError(f"what {x} says is wrong" " with two parts")
log.info("Where records of %s[%d] go")
name = "what"
'''


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (FRONTED, ["Whether it is done.", "- What the list has.", "What it is for.", "Where records of %s[%d] go"]),
        (PERSONS, ["Nobody knows it:"]),
        (WHAT, ["- What the list has.", "What it is for.", "what {} says is wrong with two parts"]),
    ],
)
def test_the_measure_sees_docstrings_lists_fields_and_messages(pattern, found):
    texts = [text for _, text in sentences.of_source(SOURCE)]

    assert sorted(text for text in texts if pattern.search(text)) == sorted(found)
