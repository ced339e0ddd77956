"""Settings may be secrets: no message shows the contents of any setting of a plugin."""

from __future__ import annotations

import inspect
import logging
from importlib.metadata import entry_points

import pytest

from kafka_parallel import ConfigurationError
from kafka_parallel_plugins.dlq.limit import DlqLimit
from tests.runtime.app import App

SECRET = "s3cr3t-PW"


class Holder:
    def __repr__(self):
        return f"Holder(password={SECRET!r})"


HOLDING = {
    "a mapping": {"password": SECRET},
    "a list": [{"password": SECRET}],
    "an object": Holder(),
}
PLUGINS = {found.name: found for found in entry_points(group="kafka_parallel")}
SETTINGS = [
    (name, setting) for name, found in sorted(PLUGINS.items()) for setting in inspect.signature(found.load()).parameters
]


def no_producer(**_):
    """Stands for a broker that does not answer: no test of settings needs one."""
    raise ConfigurationError("there is no broker here")


@pytest.mark.parametrize("given", HOLDING.values(), ids=HOLDING)
@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_no_message_about_a_setting_shows_what_is_in_it(name, setting, given, caplog):
    caplog.set_level(logging.DEBUG)
    makes = "make_producer" in inspect.signature(PLUGINS[name].load()).parameters
    offline = {"make_producer": no_producer} if makes and setting != "make_producer" else {}

    try:
        error = App(0).run(plugins=[(name, {**offline, setting: given})])
    except ConfigurationError as refused:
        error = refused

    assert SECRET not in f"{error!r} {caplog.text}"


@pytest.mark.parametrize("given", HOLDING.values(), ids=HOLDING)
@pytest.mark.parametrize("setting", inspect.signature(DlqLimit).parameters)
def test_no_message_about_a_limit_shows_what_is_in_it(setting, given):
    with pytest.raises(ConfigurationError) as refused:
        DlqLimit(**{"max_ratio": 0.5, setting: given})

    assert SECRET not in str(refused.value)
