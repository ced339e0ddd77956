"""Does ``explain()`` name the cause that was planted, whatever else goes on?"""

from __future__ import annotations

import pytest

from tests.simulation.incidents import judge, name_of

SEEDS = range(115)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"{name_of(seed)}-{seed}")
def test_the_planted_cause_is_named_first(seed):
    judge(seed)
