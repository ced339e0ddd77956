"""Is each result seen once, whatever happens to the members and to their transactions?"""

from __future__ import annotations

import pytest

from tests.simulation.transacting import judge


@pytest.mark.parametrize("seed", range(12))
def test_each_result_is_seen_once(seed):
    judge(seed)
