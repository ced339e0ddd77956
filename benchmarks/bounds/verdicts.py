"""The verdict of the ratios of several rounds on a bound; nothing if they lie too far apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from statistics import median

# Fewer rounds say nothing.
ROUNDS = 4
# How far the ratios may lie apart, without the smallest and the largest, as a share of their median.
SPREAD = 0.35


class Verdict(Enum):
    """The answer, as it is shown."""

    FINE = "fine"
    WORSE = "WORSE"
    NONE = "no verdict"


@dataclass(frozen=True)
class Judged:
    """One ratio beside its bound; less is better.

    :ivar spread: how far the ratios lie apart, without the extremes, as a share of their median.
    """

    verdict: Verdict
    value: float
    spread: float


def judge(values: Sequence[float], bound: float) -> Judged:
    """Compare *values*, a ratio of each round, with the most that the ratio may be.

    It is worse if the median is beyond the bound and all but one of the rounds agree. Rounds that lie far apart must
    all agree, and clearly: then they contradict each other about how much worse it is, and not about whether.
    """
    if len(values) < ROUNDS:
        return Judged(Verdict.NONE, median(values or [0.0]), 0.0)
    ordered, value = sorted(values), median(values)
    spread = (ordered[-2] - ordered[1]) / value
    if spread > SPREAD:
        return Judged(Verdict.WORSE if ordered[0] > bound * (1 + SPREAD) else Verdict.NONE, value, spread)
    if value <= bound:
        return Judged(Verdict.FINE, value, spread)
    return Judged(Verdict.WORSE if ordered[1] > bound else Verdict.NONE, value, spread)
