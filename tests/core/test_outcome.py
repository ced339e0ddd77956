"""An outcome says whether a record holds up the ones behind it in its lane."""

from __future__ import annotations

import pytest

from kafka_parallel._core.outcome import Failure, NotRun, NoVerdict, is_unfinished
from kafka_parallel.values import Retry, Skip


@pytest.mark.parametrize("outcome", [Retry(10), Failure(ValueError(), "no plugin"), NoVerdict, NotRun])
def test_a_record_that_comes_again_or_stops_the_consumer_is_unfinished(outcome):
    assert is_unfinished(outcome)


@pytest.mark.parametrize("outcome", [None, Skip("bad")])
def test_a_record_that_was_handled_or_skipped_is_finished(outcome):
    assert not is_unfinished(outcome)
