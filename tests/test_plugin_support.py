"""The helpers of plugins hold whatever the errors and the settings of an application are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import kafka_parallel_plugins
from kafka_parallel.errors import ConfigurationError, HandlerError
from kafka_parallel.plugin_support import class_name, exception_classes, full_class_name, shown, wrong_setting

PLUGINS = Path(kafka_parallel_plugins.__file__).parent


class Hostile(type):
    """Answers nothing about its classes."""

    def __getattribute__(cls, name):
        if name in ("__name__", "__qualname__", "__module__", "__class__"):
            raise SystemExit(name)
        return super().__getattribute__(name)


class RefusesError(Exception, metaclass=Hostile):
    """An error of such a class."""


class Text(str):
    """A text that cannot be shown."""

    def __str__(self):
        raise SystemExit

    __format__ = __hash__ = __str__


class RenamedError(Exception):
    """An error whose names are not of the class str."""


RenamedError.__name__ = RenamedError.__qualname__ = Text("RenamedError")
RenamedError.__module__ = Text("a.module")


class PlacelessError(Exception):
    """An error whose module is not a text."""


PlacelessError.__module__ = 7


# Made where there are no globals to take a module from.
UnplacedError = eval("type('UnplacedError', (Exception,), {})", {})


@pytest.mark.parametrize(
    ("error", "name", "full"),
    [
        (KeyError("k"), "KeyError", "builtins.KeyError"),
        (HandlerError("x", "y"), "HandlerError", "kafka_parallel.errors.HandlerError"),
        (RefusesError(), "RefusesError", f"{__name__}.RefusesError"),
        (RenamedError(), "RenamedError", "a.module.RenamedError"),
        (PlacelessError(), "PlacelessError", "?.PlacelessError"),
        (UnplacedError(), "UnplacedError", "?.UnplacedError"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_name_of_a_class_is_a_plain_text_whatever_the_class_does(error, name, full):
    assert [(type(found), found) for found in (class_name(error), full_class_name(error))] == [(str, name), (str, full)]


def test_a_value_of_such_a_class_can_be_shown():
    assert shown(RefusesError()) == "a RefusesError"


def test_no_plugin_asks_a_class_for_its_name_by_itself():
    asked = re.compile(r"\b(type\((error|raised|exc)\)|error\.__class__)\.__(name|qualname|module)__")

    assert [path.name for path in PLUGINS.rglob("*.py") if asked.search(path.read_text())] == []


def test_a_wrong_setting_names_plugin_setting_value_and_remedy():
    error = wrong_setting("mine", "size", "small", "a number")

    assert isinstance(error, ConfigurationError)
    assert str(error) == "size of plugin mine is 'small': it must be a number"


@pytest.mark.parametrize(("given", "classes"), [(OSError, (OSError,)), ([OSError, KeyError], (OSError, KeyError))])
def test_classes_of_exceptions_are_one_or_several(given, classes):
    assert exception_classes("mine", "on", given) == classes


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("OSError", "on of plugin mine is 'OSError': .*, without quotes; a file or a flag .*: name a factory"),
        ([int], "on of plugin mine is the class int"),
        (KeyboardInterrupt, "derived from Exception$"),
    ],
)
def test_others_are_no_classes_of_exceptions(given, words):
    with pytest.raises(ConfigurationError, match=words):
        exception_classes("mine", "on", given)
