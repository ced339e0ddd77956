"""Docstrings and messages are plain English: the subject first, and a noun where there is one. Kind: unclear prose."""

from __future__ import annotations

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


@pytest.mark.parametrize("pattern", [FRONTED, PERSONS], ids=["fronted clause", "nobody and the like"])
def test_no_sentence_of_the_library_has(pattern, library):
    assert [f"{place} {text}" for place, text in library if pattern.search(text)] == []


def test_few_sentences_of_the_library_have_what(library):
    assert len(library) > 3000
    assert share(WHAT, library) <= MOST_WHAT, [place for place, text in library if WHAT.search(text)]


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
