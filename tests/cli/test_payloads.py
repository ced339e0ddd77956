"""Bytes of records in the output of the command: exact for programs, readable for people."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_parallel.cli.payloads import as_object, headers_as_objects, readable


def strict(text):
    """Read JSON as other programs do: without Python's NaN and Infinity."""

    def refuse(name):
        raise AssertionError(name)

    return json.loads(text, parse_constant=refuse)


@given(st.binary())
def test_the_bytes_are_always_there(data):
    assert bytes.fromhex(strict(json.dumps(as_object(data)))["hex"]) == data


@given(st.text())
def test_text_is_there_as_text(text):
    assert as_object(text.encode())["text"] == text


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_json_is_there_as_json(value):
    assert strict(json.dumps(as_object(json.dumps(value).encode())))["json"] == value


@pytest.mark.parametrize(
    "data",
    [b"NaN", b"[Infinity]", b"1e999", b"-1e999", b"9" * 5000, b"[" * 100_000, b"{", b"", b"plain text", b"\xff[1]"],
    ids=lambda data: repr(data[:9]),
)
def test_what_no_reader_of_json_could_read_is_none(data):
    found = strict(json.dumps(as_object(data)))

    assert "json" not in found
    assert found["hex"] == data.hex()


def test_no_value_is_not_an_empty_one():
    assert as_object(None) is None
    assert as_object(b"") == {"hex": "", "text": ""}
    assert headers_as_objects([("a", None), ("a", b"1")]) == [
        {"name": "a", "value": None},
        {"name": "a", "value": {"hex": "31", "text": "1", "json": 1}},
    ]


def test_a_terminal_gets_text_or_hexadecimal_and_no_commands():
    assert readable(b'{"amount": 7}', 100) == '{"amount": 7}'
    assert readable(b"\x1b[31mred", 100) == "\\x1b[31mred"
    assert readable(b"\xff\x00", 100) == "hex ff00"
    assert readable(b"x" * 50, 10) == "x" * 10 + "\u2026"
