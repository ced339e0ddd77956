"""Is the code that reads batches kafka-python's own, or has the program replaced some of it?

A subclass or a patch of the client's classes may change records: mask them, decrypt them, leave some out. A decoder
makes records without that code. Trying it finds no difference where a patch looks at the topic, so each function is
asked for the module that it was written in. The classes are looked up where the client does so, for a program may put
its own in their place.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import Any

from kafka.consumer import fetcher
from kafka.record import default_records, memory_records

# The classes of bytes, batches and records, each in the module that makes objects of it.
CLASSES = ((fetcher, "MemoryRecords"), (memory_records, "DefaultRecordBatch"), (default_records, "DefaultRecord"))


def replaced_function(records_class: Any) -> str:
    """Name a function that reads batches and is not kafka-python's own, or return nothing.

    :param records_class: the client's class for the fetched data of a partition, or what a program has put there.
    """
    kinds = [records_class]
    for module, name in CLASSES:
        kinds.append(kind := getattr(module, name))
        if not isinstance(kind, type):
            return f"{module.__name__}.{name}"
    for kind in kinds:
        for name, function in _functions(kind):
            if not _is_the_clients(function):
                return f"{kind.__qualname__}.{name}"
    return ""


def _functions(kind: type) -> Iterator[tuple[str, Any]]:
    """The functions of *kind* and of the classes above it, and all else that acts when it is read."""
    for name, value in ((name, value) for above in kind.__mro__[:-1] for name, value in vars(above).items()):
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        acts = callable(function) or hasattr(type(function), "__get__")
        if acts and not isinstance(function, type | GetSetDescriptorType | MemberDescriptorType):
            yield name, function


def _is_the_clients(function: Any) -> bool:
    """Tell by where its globals are, which no decorator copies; a wrapper that is no function is not the client's."""
    module = function.__globals__.get("__name__", "") if type(function) is FunctionType else ""
    return bool(module.partition(".")[0] == "kafka")
