"""The id of a cluster whose brokers answer less than the client expects. Kind: a client newer than its broker."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kafka_parallel.cli.connection import Connection


class Admin:
    """An admin client of a cluster; *holder* has its metadata, *described* is its answer."""

    def __init__(self, described, **holder):
        self._described = described
        vars(self).update(holder)

    def describe_cluster(self):
        if isinstance(self._described, Exception):
            raise self._described
        return self._described

    def close(self):
        self.is_closed = True


def metadata(cluster_id):
    return SimpleNamespace(cluster=SimpleNamespace(cluster_id=cluster_id))


@pytest.mark.parametrize(
    ("admin", "expected"),
    [
        (Admin({"cluster_id": "abc"}), "abc"),
        (Admin(KeyError("endpoint_type"), _manager=metadata("abc")), "abc"),
        (Admin(KeyError("endpoint_type"), _client=metadata("abc")), "abc"),
    ],
    ids=["described", "metadata of 3.x", "metadata of 2.x"],
)
def test_it_is_described_or_in_the_metadata(admin, expected, monkeypatch, capsys):
    monkeypatch.setattr(Connection, "admin", lambda self: admin)

    assert Connection({}).cluster_id() == expected
    assert capsys.readouterr().err == ""
    assert admin.is_closed


@pytest.mark.parametrize("holder", [{}, {"_manager": metadata(None)}])
def test_a_cluster_that_does_not_tell_it_is_unknown_with_a_warning(holder, monkeypatch, capsys):
    monkeypatch.setattr(Connection, "admin", lambda self: Admin(KeyError("endpoint_type"), **holder))

    assert Connection({}).cluster_id() == "unknown"
    assert "warning: this cluster does not tell its id" in capsys.readouterr().err
