"""State of hooks on workers that no lock guards: shown by all ways to stop one thread and let another run."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterator
from functools import partial

from kafka_parallel.testing._plugin_contract.attempts_by_hand import AttemptsByHand
from kafka_parallel.testing._plugin_contract.counted_state import counted
from kafka_parallel.testing._plugin_contract.interleaving import Pair
from kafka_parallel.testing._plugin_contract.plugin_under_test import PluginUnderTest

__all__: list[str] = []

# The most points at which a thread is stopped; of more, that many are taken at even distances.
MOST_POINTS = 150
# How often a finding is tried again, and has to show.
TRIES, SHOWN = 3, 2


class GuardedState:
    """Looks for updates that are lost.

    :param by_hand: calls the hooks of the plugin.
    :param allowed: names of state that may be changed without a guard.
    """

    def __init__(self, under_test: PluginUnderTest, by_hand: AttemptsByHand, allowed: Collection[str]) -> None:
        self._under_test = under_test
        self._by_hand = by_hand
        self._allowed = allowed
        self._numbers = itertools.count()

    def mistakes(self) -> Iterator[str]:
        """Say which updates are lost, and where."""
        for fails in (False, True):
            usual, points = self._usual(fails=fails)
            for point in range(0, points, 1 + points // MOST_POINTS):
                found = self._lost_at(point, usual, fails=fails)
                if found:
                    yield found
                    return  # one unguarded update shows at many points

    def _usual(self, *, fails: bool) -> tuple[dict[str, int], int]:
        """The changes of state that two attempts one after the other always make, and the number of points."""
        changes, points = [], 0
        for _ in range(4):
            pair = self._pair(fails=fails)
            before = counted(self._under_test.plugin)
            points = pair.one_after_the_other()
            changes.append(self._change(before))
        first, *others = changes[1:]  # the very first may make what is kept from then on
        names = set().union(*changes)
        return {name: first[name] for name in names if all(other[name] == first[name] for other in others)}, points

    def _pair(self, *, fails: bool) -> Pair:
        # no attempt runs twice at once, so each thread has a record of its own
        acts = [partial(self._by_hand.attempt, next(self._numbers), fails=fails) for _ in range(2)]
        return Pair(self._under_test, *acts)

    def _change(self, before: Counter[str]) -> Counter[str]:
        after = counted(self._under_test.plugin)
        return Counter({name: after[name] - before[name] for name in {*before, *after}})

    def _lost_at(self, point: int, usual: dict[str, int], *, fails: bool) -> str:
        """Say what is lost if a thread is stopped at *point*; empty if nothing is."""
        found = self._differing(point, usual, fails=fails)
        shown = [found] if found else []
        for _ in range(TRIES if found else 0):
            if not self._is_as_usual(usual, fails=fails):
                return ""  # the plugin is in another phase by now: a window is over, a circuit is open
            shown += filter(None, [self._differing(point, usual, fails=fails)])
        return found if len(shown) > SHOWN else ""

    def _is_as_usual(self, usual: dict[str, int], *, fails: bool) -> bool:
        pair = self._pair(fails=fails)
        before = counted(self._under_test.plugin)
        pair.one_after_the_other()
        change = self._change(before)
        return all(change[name] == wanted for name, wanted in usual.items())

    def _differing(self, point: int, usual: dict[str, int], *, fails: bool) -> str:
        pair = self._pair(fails=fails)
        before = counted(self._under_test.plugin)
        pair.stopped_at(point)
        change = self._change(before)
        if pair.errors:
            return f"{pair.place}: a second thread ran a hook while one was there, and {pair.errors[0]!r} was raised"
        for name, wanted in usual.items():
            if wanted and change[name] != wanted and name not in self._allowed and pair.place:
                return (
                    f"{pair.place}: a second thread ran the hooks while one was there, and {name} changed by "
                    f"{change[name]} instead of {wanted}: an update was lost. Hooks on workers run at once: guard this "
                    f"state with a lock, or declare unguarded = ({name!r},) if it does not matter"
                )
        return ""
