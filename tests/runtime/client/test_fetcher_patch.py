"""One consumer's fetcher reads with another class, or is left as it is, and the reason is told."""

from __future__ import annotations

from types import SimpleNamespace

import kafka
import pytest
from kafka.consumer.fetcher import Fetcher

from kafka_parallel._runtime.client import fetcher_patch
from kafka_parallel._runtime.client.fetcher_patch import NAME, StandIn

CLIENT = Fetcher.PartitionRecords


class Counted(StandIn):
    """Notes what is taken."""

    def take(self, n=None):
        self.note(n)
        return super().take(n)


class Other(StandIn):
    """Changes nothing."""


class Doubled(StandIn):
    def take(self, n=None):
        return super().take(n) * 2


class Raising(StandIn):
    def take(self, n=None):
        raise ZeroDivisionError("on purpose")


@pytest.fixture
def fetcher():
    return Fetcher.__new__(Fetcher)


def put(fetcher, kind=Other, **attributes):
    return fetcher_patch.put(fetcher, kind, **attributes)


def test_the_class_is_the_clients_own_with_ours_before_it(fetcher):
    notes = []

    assert put(fetcher, Counted, note=staticmethod(notes.append)) == ""

    assert issubclass(fetcher.PartitionRecords, CLIENT)
    assert issubclass(fetcher.PartitionRecords, Counted)
    assert fetcher.PartitionRecords.__name__ == NAME
    assert set(notes) == {1, 2, None}, "it was tried"


def test_other_consumers_keep_the_clients_class(fetcher):
    put(fetcher)

    assert Fetcher.__new__(Fetcher).PartitionRecords is CLIENT
    assert Fetcher.PartitionRecords is CLIENT


def test_two_of_them_stand_one_before_the_other(fetcher):
    assert put(fetcher) == ""
    assert put(fetcher, Counted, note=staticmethod(lambda _: None)) == ""

    assert [kind for kind in fetcher.PartitionRecords.__mro__ if kind in {Counted, Other, CLIENT}] == [
        Counted, Other, CLIENT
    ]  # fmt: skip


def test_the_client_gets_its_class_back_from_all_of_them(fetcher):
    put(fetcher)
    put(fetcher, Counted, note=staticmethod(lambda _: None))

    fetcher_patch.remove(fetcher)

    assert fetcher.PartitionRecords is CLIENT
    assert vars(fetcher) == {}


def test_removing_leaves_a_fetcher_alone_that_was_not_changed(fetcher):
    fetcher.PartitionRecords = theirs = type(NAME, (CLIENT,), {})

    fetcher_patch.remove(fetcher)

    assert fetcher.PartitionRecords is theirs


@pytest.mark.parametrize(
    ("kind", "reason"), [(Doubled, "its records differ from those of kafka-python"), (Raising, "ZeroDivisionError")]
)
def test_a_class_that_reads_something_else_is_not_used(fetcher, kind, reason):
    assert reason in put(fetcher, kind)
    assert vars(fetcher) == {}


def test_an_unknown_version_is_judged_by_how_it_reads(fetcher, monkeypatch):
    monkeypatch.setattr(kafka, "__version__", "9.0.1")

    assert put(fetcher) == ""


class NewParameters(CLIENT):
    def take(self, n=None, size=None):
        return super().take(n)


class OwnNote(CLIENT):
    def note(self):
        """A method of the same name as one of ours, with another meaning."""


class Noted(StandIn):
    def note(self):
        pass


@pytest.mark.parametrize(
    ("client", "kind", "reason"),
    [
        (NewParameters, Counted, "kafka-python has no take(self, n)"),
        (type(NAME, (), {}), Counted, "kafka-python has no take(self, n)"),
        (OwnNote, Noted, "kafka-python has a note() of its own"),
        (type(NAME, (), {}), Other, "two leaders: it cannot be tried, kafka-python says TypeError("),
    ],
)
def test_a_client_whose_methods_moved_is_left_as_it_is(client, kind, reason):
    fetcher = type("Fetcher", (), {NAME: client})()

    assert reason in put(fetcher, kind)
    assert vars(fetcher) == {}


def test_a_fetcher_of_another_kind_is_left_alone():
    assert put(SimpleNamespace()) == "types.SimpleNamespace has no PartitionRecords of kafka-python's"


def test_a_class_that_the_application_has_put_there_stays(fetcher):
    fetcher.PartitionRecords = theirs = type(NAME, (CLIENT,), {})

    assert "has no PartitionRecords of kafka-python's" in put(fetcher)
    assert fetcher.PartitionRecords is theirs
