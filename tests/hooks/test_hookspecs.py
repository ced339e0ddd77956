"""Every hook states its contract."""

from __future__ import annotations

import inspect

import pytest

from tests.hooks.specifications import hooks

KINDS = ("Surround: ", "Decide: ", "Prepare: ", "Contribute: ", "Observe: ", "Provide: ")


@pytest.mark.parametrize("hook", hooks(), ids=lambda hook: hook.__name__)
def test_a_hook_states_its_contract(hook):
    doc = inspect.getdoc(hook)

    assert doc.startswith(KINDS)
    assert "Runs on: " in doc
    assert "If it raises: " in doc
    for name in inspect.signature(hook).parameters:
        assert f":param {name}: " in doc


def test_the_kind_says_what_a_raise_does():
    kinds = {hook.__name__: inspect.getdoc(hook).split(": ")[0] for hook in hooks()}
    stops_the_start = {hook.__name__ for hook in hooks() if "If it raises: the start fails" in inspect.getdoc(hook)}
    is_logged = {hook.__name__ for hook in hooks() if "If it raises: the exception is logged" in inspect.getdoc(hook)}

    assert stops_the_start == {name for name, kind in kinds.items() if kind in {"Prepare", "Provide"}}
    assert is_logged == {name for name, kind in kinds.items() if kind in {"Contribute", "Observe"}}


def test_only_what_answers_returns_something():
    kinds = {hook.__name__: inspect.getdoc(hook).split(": ")[0] for hook in hooks()}
    silent = {hook.__name__ for hook in hooks() if inspect.signature(hook).return_annotation == "None"}

    assert silent == {name for name, kind in kinds.items() if kind in {"Prepare", "Observe"}}
