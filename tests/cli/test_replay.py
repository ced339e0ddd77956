"""A replay sends the chosen letters, once, to allowed topics, whenever it is killed and whatever the broker answers."""

from __future__ import annotations

import secrets

import pytest

from tests.cli.replaying import Replaying

SEEDS = 200


@pytest.mark.parametrize("first", [0, secrets.randbelow(1 << 40)], ids=["known", "fresh"])
def test_everything_chosen_is_sent_and_nothing_twice(first, tmp_path):
    runs = [Replaying(seed, tmp_path) for seed in range(first, first + SEEDS)]
    for seed, run in enumerate(runs, first):
        try:
            run.run()
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error

    assert sum(run.kills for run in runs) > SEEDS / 4, "hardly any was killed"
    assert any(run.refusals for run in runs)
    assert 0 < sum(run.is_refused for run in runs) < SEEDS / 2
