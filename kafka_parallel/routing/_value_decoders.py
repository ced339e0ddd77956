"""How does a class become the function that makes an object of it from the bytes of a value?

pydantic and msgspec are never imported here before a class of theirs is given, which imported them.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from typing import Any

from kafka_parallel._runtime.client.signatures import misfit
from kafka_parallel._showing import shown
from kafka_parallel._unfinished import is_async, makes_generator
from kafka_parallel.errors import ConfigurationError

RIGHT = (
    "give a function of the bytes, or a dataclass, a pydantic model or a msgspec struct, which is made from JSON; for "
    "text write bytes.decode"
)


def decoder_of(kind: Any) -> Callable[[bytes], Any] | None:
    """Return the function that makes objects of *kind*, or *kind* if it is one; ``None`` if nothing is decoded.

    :raises ConfigurationError: *kind* cannot be used.
    """
    if kind is None:
        return None
    if isinstance(kind, type):
        return JsonDecoder(kind)
    why = misfit(kind, 1) if callable(kind) else "it is not a function"
    if why is None and (is_async(kind) or makes_generator(kind)):
        why = "a call of it runs nothing"
    if why is not None:
        raise ConfigurationError(f"value={shown(kind)}: {why}; {RIGHT}")
    return kind  # type: ignore[no-any-return]


class JsonDecoder:
    """Makes an object of a class from JSON; it can be pickled if the class can.

    :param kind: the class.
    :raises ConfigurationError: it is none of those that are known.
    """

    def __init__(self, kind: type) -> None:
        self._kind = kind
        self._decode = _decode_of(kind)

    def __call__(self, data: bytes) -> Any:
        """Make an object from *data*; what the class or its library raises comes out."""
        return self._decode(data)

    def __repr__(self) -> str:
        return self._kind.__qualname__

    def __reduce__(self) -> tuple[type[JsonDecoder], tuple[type]]:
        return type(self), (self._kind,)


def _decode_of(kind: type) -> Callable[[bytes], Any]:
    pydantic, msgspec = sys.modules.get("pydantic"), sys.modules.get("msgspec")
    if pydantic is not None and issubclass(kind, pydantic.BaseModel):
        return pydantic.TypeAdapter(kind).validate_json  # type: ignore[no-any-return]
    if msgspec is not None and issubclass(kind, msgspec.Struct):
        return msgspec.json.Decoder(kind).decode  # type: ignore[no-any-return]
    if dataclasses.is_dataclass(kind):
        return lambda data: _filled(kind, json.loads(data))
    raise ConfigurationError(f"value={shown(kind)}: {RIGHT}")


def _filled(kind: Callable[..., Any], fields: Any) -> Any:
    if not isinstance(fields, dict):
        raise TypeError(f"the value is not a JSON object, but {type(fields).__name__}")
    return kind(**fields)
