"""The settings that may not be written down, and how the text is found that stands elsewhere.

No message has a secret in it: not the one that was written down, nor the one that was found.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ()

SECRET = re.compile(
    r"(^|[_.-])(password|passwd|pwd|passphrase|secret|token|credentials?|(api|access|private|secret)_?key)$", re.I
)
# A password in an address: redis://user:password@host.
IN_ADDRESS = re.compile(r"://[^/@\s]*:[^/@\s]+@")
RIGHT = 'write {env = "NAME"} for an environment variable, or {file = "/run/secrets/NAME"}'


class LookedUp(str):
    """A text that stood elsewhere. Messages quote values by ``repr``, and this one is not shown there."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "a text that is not shown"


def is_reference(value: object) -> bool:
    """Tell whether *value* says where the text is, instead of being it."""
    return isinstance(value, dict) and len(value) == 1 and set(value) <= {"env", "file"}


def refuse_plain(name: str, value: object) -> None:
    """Refuse a secret that is written down.

    :raises ValueError: *value* of the setting *name* is one.
    """
    if isinstance(value, (str, int, float)) and not isinstance(value, bool) and SECRET.search(name):
        raise ValueError(f"{name} is a secret, and is written down here: {RIGHT}")
    if isinstance(value, str) and IN_ADDRESS.search(value):
        raise ValueError(f"{name} has a password in its address, and is written down here: {RIGHT}")


def resolved(reference: Mapping[str, Any], environment: Mapping[str, str], folder: Path) -> LookedUp:
    """The text that *reference* leads to.

    :param folder: where relative paths begin.
    :raises ValueError: there is none.
    """
    ((where, name),) = reference.items()
    if not isinstance(name, str) or not name:
        raise ValueError(f"{where} names nothing: {RIGHT}")
    return LookedUp(_of_variable(name, environment) if where == "env" else _of_file(folder / name))


def _of_variable(name: str, environment: Mapping[str, str]) -> str:
    if not environment.get(name):
        raise ValueError(f"the environment variable {name} is {'empty' if name in environment else 'not set'}")
    return environment[name]


def _of_file(path: Path) -> str:
    try:
        found = path.read_text("utf-8-sig").rstrip("\r\n")
    except OSError as error:
        raise ValueError(f"the file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"the file {path} is not text in UTF-8") from None
    if not found:
        raise ValueError(f"the file {path} is empty")
    return found
