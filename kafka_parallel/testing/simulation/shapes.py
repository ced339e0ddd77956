"""A plugin in shapes that few would write: wrappers of either style, and answers that mean nothing or are left undone.

Its lots are its own, so that the rest of a seed's run is drawn as it was.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Generator, Iterator
from typing import Any

from kafka import TopicPartition

from kafka_parallel import hookimpl
from kafka_parallel.testing.simulation.hostile import MisbehaviourError
from kafka_parallel.testing.simulation.world import World

# The likelihood that an answer about an assignment is a wrong one: assignments are few, and it may cost nothing.
WRONG_ASSIGNMENTS = 0.3


async def leave_undone() -> str:
    """Do nothing unless awaited; even then the answer means nothing."""
    return "junk"


def generate() -> Iterator[str]:
    """Do nothing unless iterated."""
    yield "junk"


@contextlib.contextmanager
def manage() -> Iterator[None]:
    """Do nothing unless entered."""
    yield


class Shapes:
    """Surrounds records and commits in one of pluggy's two styles, and answers junk in the place of both, by lot.

    :param name: of the instance it is in.
    :param likelihood: of a misbehaviour each time it is called, from 0 to 1.
    """

    def __init__(self, world: World, seed: int, name: str, likelihood: float) -> None:
        self._world = world
        self._chance = random.Random(f"shapes {seed} {name}")
        self._likelihood = likelihood
        around = self._chance.choice([self._marked_old, self._marked_new])
        self.around_record = around("on_record")
        self.around_commit = around("on_commit")

    def _marked_old(self, hook: str) -> Callable[[], Generator[None, Any, None]]:
        def surround() -> Generator[None, Any, None]:
            outcome = yield
            if not self._misbehaves(f"{hook}, around it in the old style"):
                return
            if hook == "on_commit" and self._chance.random() < 0.7:
                outcome.force_result(None)  # a commit that failed is not done for that
            else:
                outcome.force_exception(MisbehaviourError("forced on purpose"))

        return hookimpl(hookwrapper=True, specname=hook)(surround)

    def _marked_new(self, hook: str) -> Callable[[], Generator[None, Any, Any]]:
        def surround() -> Generator[None, Any, Any]:
            try:
                return (yield)
            except Exception:
                if hook == "on_commit" and self._chance.random() < 0.7:
                    return None
                raise

        return hookimpl(wrapper=True, specname=hook)(surround)

    def _misbehaves(self, where: str) -> bool:
        does = self._chance.random() < self._likelihood
        if does:
            self._world.note(f"a plugin misbehaves in {where}")
        return does

    def _junk(self) -> Any:
        make: Callable[[], Any] = self._chance.choice(
            [leave_undone, generate, manage, dict, lambda: "junk", lambda: False, lambda: 1]
        )
        return make()

    @hookimpl
    def on_record(self) -> Any:
        """Answer junk instead of the handler."""
        return self._junk() if self._misbehaves("on_record, in the handler's place") else None

    @hookimpl
    def on_commit(self, offsets: Any) -> Any:
        """Answer junk instead of committing."""
        if not self._misbehaves("on_commit, in the commit's place"):
            return None
        return offsets if self._chance.random() < 0.5 else self._junk()

    @hookimpl
    def on_assign(self, partitions: frozenset[TopicPartition]) -> Any:
        """Give a wrong answer: no done offset of these partitions."""
        if self._chance.random() >= WRONG_ASSIGNMENTS:
            return None
        first, other = min(partitions), TopicPartition("nowhere", 0)
        return self._chance.choice(
            [{first: None}, {first: ["x", None, -1]}, {first: "0"}, {other: [0]}, {"nowhere": [0]}, [first], 5]
        )
