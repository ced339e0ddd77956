"""Data from Kafka cannot do anything to a terminal."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_parallel.cli.output import moment, printable, show_table


@given(st.one_of(st.text(), st.binary()), st.integers(1, 300))
def test_nothing_that_a_terminal_obeys_is_shown(value, most):
    assert printable(value, most).isprintable()


def test_bytes_are_shown_as_text_and_the_rest_escaped():
    assert printable(b"\x1b[31mred \xff\xc3\xa4") == "\\x1b[31mred \\xff\xe4"
    assert printable("x" * 300) == "x" * 200 + "\u2026"


def test_markup_is_shown_as_it_is(capsys):
    show_table(("exception", "letters"), [("[red]boom[/red]", 3)])

    assert "[red]boom[/red]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("timestamp", "shown"), [(0, "1970-01-01T00:00:00+00:00"), (None, "-"), (-1, "-"), (2**63, "-")]
)
def test_a_time_is_shown_in_utc(timestamp, shown):
    assert moment(timestamp) == shown


def test_without_the_extra_the_command_names_it():
    code = "import sys; sys.modules['click'] = None; from kafka_parallel.cli import main; main()"

    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert ended.returncode == 1
    assert ended.stderr == "the command needs click: pip install 'kafka-parallel[cli]'\n"
