"""An identity stands for a key of a user's own class, and goes away with it."""

from __future__ import annotations

import enum
import gc
from decimal import Decimal
from fractions import Fraction

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from kafka_parallel._runtime.loop.key_identities import PLAIN, Identities
from tests.runtime.test_user_keys import Key


class Number(enum.IntEnum):
    FIVE = 5


class Text(str, enum.Enum):
    A = "a"


class Bytes(bytes):
    pass


@pytest.mark.parametrize(
    ("key", "plain"),
    [(Number.FIVE, 5), (Text.A, "a"), (Bytes(b"x"), b"x"), (Decimal(7), 7), (Fraction(1, 2), 0.5), (True, True)],
)
def test_what_equals_a_plain_key_is_one(key, plain):
    found = Identities().of(key)

    assert found == plain
    assert type(found) in PLAIN | {float}


@pytest.mark.parametrize("key", [(1, "a"), frozenset("ab"), complex(1, 1), Decimal("1e999999999"), object()])
def test_any_other_key_is_itself_again(key):
    identities = Identities()

    assert identities.of(key) is identities.of(key)


class Colliding(tuple):
    """Keys that all have one hash."""

    __slots__ = ()

    def __hash__(self):
        return 1


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans())))
def test_equal_keys_have_one_identity_as_long_as_it_is_in_use(asked):
    identities, in_use = Identities(), {}

    for number, is_kept in asked:
        key = Colliding((number,))
        found = identities.of(key)
        assert number not in in_use or in_use[number] is found
        in_use.pop(number, None)
        if is_kept:
            in_use[number] = found
        assert len(identities) <= len(in_use) + 2


def test_keys_without_end_take_no_room():
    identities, gone = Identities(), 0

    for number in range(10_000):
        identities.of((number,))
        gone = max(gone, len(identities))

    assert gone <= 2


def test_what_is_forgotten_calls_no_code_of_the_key():
    asked = []
    identities = Identities()
    kept = [identities.of(Key(lambda: asked.append(1))), identities.of(Colliding((1,)))]
    asked.clear()

    kept.clear()
    gc.collect()
    identities._forget_gone()

    assert asked == []
    assert len(identities) == 0
