"""Is the code that reads batches kafka-python's own, or has the program replaced some of it?

A subclass or a patch of the client's classes may change records: mask them, decrypt them, leave some out. A decoder
makes records without that code. Trying it finds no difference where a patch looks at the topic, so each function is
asked for the module that it was written in.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType
from typing import Any

from kafka.record.default_records import DefaultRecord, DefaultRecordBatch
from kafka.record.memory_records import MemoryRecords


def replaced_function(records_class: Any) -> str:
    """Name a function that reads batches and is not kafka-python's own, or return nothing.

    :param records_class: the client's class for the fetched data of a partition, or what a program has put there.
    """
    for kind in (records_class, MemoryRecords, DefaultRecordBatch, DefaultRecord):
        for name, function in _functions(kind):
            if not _is_the_clients(function):
                return f"{kind.__qualname__}.{name}"
    return ""


def _functions(kind: Any) -> Iterator[tuple[str, Any]]:
    """The functions of *kind* and of the classes above it, those of properties among them."""
    for name, value in ((name, value) for above in kind.__mro__[:-1] for name, value in vars(above).items()):
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if callable(function) and not isinstance(function, type):
            yield name, function


def _is_the_clients(function: Any) -> bool:
    """Tell by where its globals are, which no decorator copies; a wrapper that is no function is not the client's."""
    module = function.__globals__.get("__name__", "") if type(function) is FunctionType else ""
    return bool(module.partition(".")[0] == "kafka")
