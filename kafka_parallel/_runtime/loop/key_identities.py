"""The object that stands for an ordering key, so that the core never calls code of the user.

Keys are looked up in the core's tables under the scheduler's lock. A key of the user's own class has an ``__eq__`` and
a ``__hash__`` that may do anything: ask for `statistics()`, wait, or raise. So it is asked here, on the thread that
fetches and without the lock, which of the keys that are in use it equals; the core gets an object that stands for all
of these and is compared by identity. Keys of Python's own types stand for themselves.

The substitute of a key lives as long as a task, a lane or a rate has it, and is forgotten then. That may happen
anywhere, under the lock too, so only its hash is noted there; noted ones are taken out with the next key.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable
from typing import Any
from weakref import ref

from kafka_parallel._showing import kind_of

# Classes that compare and hash without calling any code in Python, and whose values equal themselves: a float may not.
PLAIN = frozenset({bytes, str, int, bool, type(None)})
# The conversion of a key of a derived class to its base.
_BASES: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (bytes, lambda key: bytes.__getitem__(key, slice(None))),
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
)
# Numbers above that stand for themselves: the integer of a Decimal may have any number of digits.
MOST = 1 << 128


class Identity:
    """Stands for all equal keys.

    :ivar key: the first of them.
    """

    __slots__ = ("__weakref__", "key")

    def __init__(self, key: Hashable) -> None:
        self.key = key


class _Ref(ref[Identity]):
    """A weak reference to a key, with the hash under which the key is listed."""

    __slots__ = ("hash",)
    hash: int


# see docs/decisions/0052-core-compares-no-keys.md
class Identities:
    """The keys in use that are not plain; used by the thread that fetches alone."""

    def __init__(self) -> None:
        self._known: dict[int, list[_Ref]] = {}
        self._gone: deque[int] = deque()

    def __len__(self) -> int:
        return sum(map(len, self._known.values()))

    def of(self, key: Hashable) -> Hashable:
        """Return the substitute of *key*; raise the error of its own code.

        :raises ValueError: the key does not equal itself: records that have it would be in no order.
        """
        self._forget_gone()
        if not key == key:  # noqa: PLR0124 - that is the question
            raise ValueError(f"the ordering key {kind_of(key)} does not equal itself (NaN does not), so its "
                             "records would be in no order: return None for records without a key")  # fmt: skip
        same = _plain(key)
        return self._find(key, hash(key)) if same is None else same

    def _find(self, key: Hashable, its_hash: int) -> Identity:
        for known in self._known.get(its_hash, ()):
            identity = known()
            if identity is not None and (identity.key is key or identity.key == key):
                return identity
        identity = Identity(key)
        listed = _Ref(identity, self._note_gone)
        listed.hash = its_hash
        self._known.setdefault(its_hash, []).append(listed)
        return identity

    def _note_gone(self, gone: ref[Identity]) -> None:
        self._gone.append(gone.hash)  # type: ignore[attr-defined]

    def _forget_gone(self) -> None:
        while self._gone:
            its_hash = self._gone.popleft()
            left = [known for known in self._known.get(its_hash, ()) if known() is not None]
            if left:
                self._known[its_hash] = left
            else:
                self._known.pop(its_hash, None)


def _plain(key: Hashable) -> Hashable | None:
    """The plain key that *key* is but for its class; ``None`` if it compares in a way of its own."""
    kind: Any = type(key)
    if kind in PLAIN or kind is float:
        return key
    base: Any
    for base, convert in _BASES:
        if issubclass(kind, base) and kind.__eq__ is base.__eq__ and kind.__hash__ is base.__hash__:
            return convert(key)  # type: ignore[no-any-return]
    return _plain_number(key)


def _plain_number(key: Any) -> int | float | None:
    """The number that *key*, a ``Decimal`` or one of numpy's, is equal to."""
    from numbers import Number  # few have such keys

    if not issubclass(type(key), Number):
        return None
    kind: Any
    for kind in (int, float):
        try:
            if abs(key) < MOST and (same := kind(key)) == key and hash(same) == hash(key):
                return same  # type: ignore[no-any-return]
        except (ValueError, OverflowError, TypeError, ArithmeticError):  # no whole number, not a number, complex
            continue
    return None
