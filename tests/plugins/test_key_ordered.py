"""Keys are compared by their bytes: where poll() has made objects of them, that is refused."""

from __future__ import annotations

import pytest

from kafka_parallel import ConfigurationError
from tests.runtime.app import App


class Key:
    """Equal to nothing but itself."""

    def __init__(self, data):
        self.data = data


EAGER = {"lazy_deserialization": False, "consumer": {"key_deserializer": Key}}


@pytest.mark.parametrize("ordering", [None, "key"])
def test_objects_made_in_poll_are_refused_with_the_line_to_write(ordering):
    app = App()
    error = app.run(ordering=ordering, **EAGER)

    assert isinstance(error, ConfigurationError)
    assert "ordering=lambda record: record.key" in str(error)
    assert app.handled == []


@pytest.mark.parametrize(
    "options",
    [
        {"lazy_deserialization": False, "consumer": {"value_deserializer": bytes.decode}},
        {"consumer": {"key_deserializer": Key}},
        {**EAGER, "ordering": "partition"},
        {**EAGER, "ordering": "unordered"},
        {**EAGER, "ordering": lambda record: record.key.data},
        {**EAGER, "plugins": [("key-ordered", {"key": lambda record: record.key.data})]},
    ],
)
def test_all_else_goes_on(options):
    app = App()

    assert app.run(**options) is None
    assert app.committed == 6
