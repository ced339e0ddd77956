"""A bookmark says after any crash which letters are known to have been sent, and which may have been."""

from __future__ import annotations

import click
import pytest

from kafka_parallel.cli.bookmark import Bookmark

ENDS = {"orders": {"0": 7}}


@pytest.fixture
def opened(tmp_path):
    books = []

    def open_it(topic="orders-dlq", path=tmp_path / "book", cluster="c1"):
        books.append(Bookmark(path, topic, cluster))
        return books[-1]

    yield open_it
    for book in books:
        book.close()


def reopened(opened, book):
    book.close()
    return opened()


def test_what_was_sent_stays_known(opened):
    book = opened()
    book.begin([(0, 1), (1, 5)], ENDS)
    book.end([(0, 1), (1, 5)])
    identity = book.identity

    book = reopened(opened, book)

    assert (book.identity, book.sent, book.open_batch) == (identity, {(0, 1), (1, 5)}, None)


def test_a_batch_without_an_end_is_open(opened):
    book = opened()
    book.begin([(1, 5), (0, 1)], ENDS)

    book = reopened(opened, book)

    assert (book.sent, book.open_batch) == (set(), ([(0, 1), (1, 5)], ENDS))
    book.end([(0, 1)])
    assert reopened(opened, book).sent == {(0, 1)}


@pytest.mark.parametrize("cut", range(1, 40))
def test_a_line_that_was_not_written_to_its_end_was_not_begun(opened, tmp_path, cut):
    book = opened()
    book.begin([(0, 1)], ENDS)
    book.end([(0, 1)])
    book.begin([(0, 2)], ENDS)
    book.close()
    text = (tmp_path / "book").read_text()
    (tmp_path / "book").write_text(text[:-cut])

    book = opened()

    assert (book.sent, book.open_batch) == ({(0, 1)}, None)
    book.begin([(0, 3)], ENDS)
    assert reopened(opened, book).open_batch == ([(0, 3)], ENDS)


def test_one_of_another_topic_is_refused_with_both_names(opened):
    opened().close()

    with pytest.raises(click.UsageError, match="belongs to topic 'orders-dlq' of cluster 'c1', not to 'bills-dlq'"):
        opened(topic="bills-dlq")
    with pytest.raises(click.UsageError, match="of cluster 'c1', not to 'orders-dlq' of 'c2'"):
        opened(cluster="c2")


HEAD = b'{"bookmark_of": "orders-dlq", "cluster": "c1", "identity": "1"}\n'


@pytest.mark.parametrize(
    "data",
    [
        b"hello\n", b"hello", b"hello\nworld", b"[1]\n", b"{}\n", b'{"a": 1}\n', b'{"a": 1}', b"\xff\xd1\x00",
        HEAD + b"5\n",
        HEAD + b'{"sent": 5}\n', HEAD + b'{"sent": [["a", "b"]]}\n', HEAD + b'{"sent": [[0, -1]]}\n',
        HEAD + b'{"sent": [[0, 1, 2]]}\n', HEAD + b'{"sending": [[0, 1]]}\n',
        HEAD + b'{"sending": [[0, 1]], "ends": 7}\n', HEAD + b'{"sending": [[0, 1]], "ends": {"t": {"0": "x"}}}\n',
    ],
)  # fmt: skip
def test_a_file_that_is_no_bookmark_is_refused_and_kept(opened, tmp_path, data):
    (tmp_path / "book").write_bytes(data)

    with pytest.raises(click.UsageError, match="is no bookmark of a replay"):
        opened()

    assert (tmp_path / "book").read_bytes() == data


@pytest.mark.parametrize("cut", [1, 5, 20, 40])
def test_a_first_line_that_was_not_written_to_its_end_is_written_again(opened, tmp_path, cut):
    (tmp_path / "book").write_bytes(HEAD[:-cut])

    book = opened()

    assert (book.sent, book.open_batch) == (set(), None)
    identity = book.identity
    assert reopened(opened, book).identity == identity


def test_a_file_that_cannot_be_opened_is_named(opened, tmp_path):
    with pytest.raises(click.UsageError, match=r"no-such/book cannot be opened: No such file"):
        opened(path=tmp_path / "no-such" / "book")


def test_two_replays_cannot_share_one(opened):
    opened()

    with pytest.raises(click.UsageError, match="is in use"):
        opened()
