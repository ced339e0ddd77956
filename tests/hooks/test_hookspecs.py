"""Every hook states its contract."""

from __future__ import annotations

import inspect

import pytest

from tests.hooks.specifications import hooks

KINDS = ("Surround: ", "Decide: ", "Observe: ", "Provide: ")


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: hook.__name__)
def test_a_hook_states_its_contract(hook):
    doc = inspect.getdoc(hook)

    assert doc.startswith(KINDS)
    assert "Runs on: " in doc
    assert "If it raises: " in doc
    for name in inspect.signature(hook).parameters:
        assert f":param {name}: " in doc
