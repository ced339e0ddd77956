"""Short names for record keys, which may be anything and of any length."""

from __future__ import annotations

import hashlib

from kafka_parallel.plugin_support import shown

__all__ = ()

# The longest key that is kept whole, in bytes; of a longer one these and its hash.
LONGEST_KEY = 64
# A hash is that of the first bytes: a key of a megabyte must not cost a millisecond.
HASHED = 1024
HASH_DIGITS = 8


def name_of(key: object, *, whole: bool) -> bytes | str | None:
    """Return a short name for *key*: itself if *whole*, else its hash; ``None`` without one.

    It may be anything if deserialisers run in ``poll()``: texts are encoded, and numbers; of other objects only the
    type is told, for their own methods may do anything.
    """
    if key is None:
        return None
    if not isinstance(key, bytes):
        text = key if isinstance(key, str) else shown(key)
        key = text.encode(errors="backslashreplace")
    if not whole:
        return hash_of(key)
    return key if len(key) <= LONGEST_KEY else key[:LONGEST_KEY] + b"...#" + hash_of(key).encode()


def hash_of_name(name: bytes) -> str:
    """Return the `hash_of` the key of which *name* is the short name; a long name ends with it."""
    return hash_of(name) if len(name) <= LONGEST_KEY else name[-HASH_DIGITS:].decode()


def hash_of(key: bytes) -> str:
    """Return `HASH_DIGITS` hexadecimal digits for *key*, the same in every process; its first `HASHED` bytes and its
    length decide.
    """
    return hashlib.blake2b(key[:HASHED] + str(len(key)).encode(), digest_size=HASH_DIGITS // 2).hexdigest()
