"""The reference shows the names that it documents also where no site is built."""

from __future__ import annotations

import pytest

from docs._site import name_tables, public_names
from kafka_parallel import ParallelConsumer

PAGES = name_tables.pages()
PAGE = """# Page

```{eval-rst}
.. automodule:: kafka_parallel.dlq
   :no-members:
.. py:currentmodule:: None

.. autofunction:: kafka_parallel.dlq.parse
.. autodata:: kafka_parallel.facts.State
   :no-value:
.. py:data:: kafka_parallel.dlq.PREVIOUS

   The prefix. It
   is short.
.. autoclass:: kafka_parallel.outbox.HandedOver()
.. click-command:: kafka-parallel dlq ls
```
"""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_the_tables_of_its_names(page):
    text = page.read_text()

    assert text == name_tables.with_tables(text), "run python -m docs._site.write_tables"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_documented_name_is_shown_with_its_meaning(page):
    text = page.read_text()

    tables = "".join(name_tables.TABLE.findall(text)).splitlines()
    rows = [line for line in tables if line.startswith("| `kafka_parallel.")]
    assert {row.split("`")[1] for row in rows} == set(public_names.DIRECTIVE.findall(text)) - modules(text)
    assert not [row for row in rows if row.endswith("|  |")]


def modules(text):
    return {name for name in public_names.DIRECTIVE.findall(text) if f"automodule:: {name}\n" in text}


def test_the_first_sentence_of_each_kind_of_name_is_taken():
    rows = dict(line.split(" | ", 1) for line in name_tables.with_tables(PAGE).splitlines() if line.startswith("| `"))

    assert rows["| `kafka_parallel.dlq.parse`"] == "Read the *headers* of a record. |"
    assert rows["| `kafka_parallel.facts.State`"].startswith('How far a run is: `"new"` before run() or start()')
    assert rows["| `kafka_parallel.dlq.PREVIOUS`"] == "The prefix. |"
    assert rows["| `kafka_parallel.outbox.HandedOver`"].startswith("Records that were sent together")
    assert rows["| `kafka-parallel dlq ls`"].startswith("List dead-letter topics")
    assert len(rows) == 5


def test_tables_are_written_once_and_left_out_of_the_site():
    written, source = name_tables.with_tables(PAGE), [name_tables.with_tables(PAGE)]

    assert name_tables.with_tables(written) == written != PAGE
    name_tables._leave_out(None, "", source)
    assert source == [PAGE]


def test_the_page_of_the_consumer_names_all_that_can_be_done_with_it():
    [text] = [page.read_text() for page in PAGES if page.stem == "parallel-consumer"]

    assert [name for name in vars(ParallelConsumer) if not name.startswith("_") and f"`{name}" not in text] == []
