"""Can the compiled form of the decoder be used here? It must be of the same source, and make the same records.

The distribution kafka-parallel-compiled brings it as a module of its own. So a module for another Python, one that was
left behind by an upgrade, or one that is at odds with this machine hides nothing: the form in Python is always there.
"""

from __future__ import annotations

import pkgutil
import sys
from hashlib import sha256
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from kafka_parallel import RawBatch
from kafka_parallel_plugins.fast_decoder.batch_decoder import decode

if TYPE_CHECKING:
    from kafka_parallel import Decoder

DISTRIBUTION = "kafka-parallel-compiled"
MODULE = "kafka_parallel_compiled"
# An upgrade would leave the module as it is where its version is right and its Python, or its source, is not.
REMEDY = "pip install --force-reinstall --no-deps kafka-parallel-compiled==%s brings the one for this Python"

# A record with headers, one with long values that is older and has no key, one of nothing; the fourth is cut off.
TRIAL = RawBatch(
    topic="kafka-parallel-trial",
    partition=3,
    leader_epoch=5,
    base_offset=1 << 40,
    first_timestamp=10**12,
    append_time=None,
    data=b"8\x00\x02\x00\x06key\x0avalue\x04\x0egr\xc3\xb6\xc3\x9fe\x02\x01\x04id\x01"
    b"\xbe\x04\x00\xff\x88z\x80\x02\x01\x90\x03" + b"v" * 200 + b"\x02\x08name\x8c\x01" + b"h" * 70 +
    b"\x0e\x00\x00\x90\x03\x01\x01\x00"
    b"8\x00\x02\x00\x06key",
)  # fmt: skip


class NotUsableError(Exception):
    """The compiled form is installed, and must not be used; the message says why, and the remedy."""


# see docs/decisions/0101-compiled-decoder-beside-the-pure-one.md
def compiled_decoder() -> Decoder | None:
    """Return the compiled form of `decode`, or ``None`` if it is not installed.

    :raises NotUsableError: it cannot be imported, is of another source, or makes other records.
    """
    module = _imported()
    if module is None:
        return None
    found = vars(module)
    if found.get("SOURCE") != _source():
        raise NotUsableError(
            f"{_named()} was not compiled from the source of kafka-parallel {_own_version()}; {_remedy()}"
        )
    if problem := _difference(found.get("decode")):
        raise NotUsableError(f"{_named()} makes other records than its source does ({problem}); please report this")
    return found["decode"]  # type: ignore[no-any-return]


def _imported() -> Any:
    try:
        return import_module(MODULE)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and _version(DISTRIBUTION) is None:
            return None
        raise NotUsableError(
            f"{sys.implementation.cache_tag} cannot import {_named()} ({error}); {_remedy()}"
        ) from error


def _source() -> str:
    """The fingerprint of the source of this version, as the build of the compiled form writes it into the module."""
    try:
        source = pkgutil.get_data(decode.__module__.rpartition(".")[0], "batch_decoder.py")
    except OSError as error:  # an installation of bytecode alone
        raise NotUsableError(f"it cannot be compared with its source ({error})") from error
    return sha256(source or b"").hexdigest()


def _difference(compiled: Any) -> str:
    """Try both forms on a batch: here, and not only beside the client, so that the one in Python may take its place."""
    expected, found = _outcome(decode), _outcome(compiled)
    return "" if expected == found else f"expected {expected}, got {found}"


def _outcome(decoder: Any) -> Any:
    try:
        records, position, size = decoder(TRIAL, 0, 10)
        return [(type(record).__name__, repr(record)) for record in records], position, size  # bytearrays equal bytes
    except Exception as error:  # noqa: BLE001 - whatever it raises, it is not to be used
        return repr(error)


def _named() -> str:
    return f"{DISTRIBUTION} {_version(DISTRIBUTION) or '(not installed by pip)'}"


def _remedy() -> str:
    return REMEDY % _own_version()


def _own_version() -> str:
    return _version("kafka-parallel") or "VERSION"


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except (PackageNotFoundError, ValueError):  # the second: what is left of its metadata is no text
        return None
