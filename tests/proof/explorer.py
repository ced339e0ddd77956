"""Is there an order of acts after which something is wrong?

Breadth first, each state once. So the first violation found is one of the shortest. From every state some row of acts
that nothing can keep from happening must lead to the end: all records done. A state that leads nowhere is stuck for
ever.
"""

from __future__ import annotations

import gc
import hashlib
import marshal
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from tests.proof.stepping import Bug, stepped
from tests.proof.world import Scope, World


@dataclass
class Found:
    """The result of an exploration.

    :ivar states: how many states there are.
    :ivar is_complete: whether these are all.
    :ivar violation: the violation found; ``None`` if there is none.
    :ivar acts: the shortest row of acts that leads there.
    """

    states: int
    edges: int
    seconds: float
    is_complete: bool
    violation: str | None = None
    acts: tuple[Any, ...] = ()

    def __str__(self) -> str:
        all_of_them = "all states" if self.is_complete else "not all states"
        text = f"{self.states:,} states, {self.edges:,} acts, {self.seconds:.0f} s, {all_of_them}"
        if self.violation is None:
            return text
        return "\n".join([text, self.violation, *(f"  {act}" for act in self.acts)])


class Exploration:
    """All states of one scope.

    :param most: how many states are looked at.
    :param seconds: how long, of processor time: a busy machine explores as much.
    :param bug: the bug planted in the core.
    """

    def __init__(self, scope: Scope, most: int = 1_000_000, seconds: float = 600, bug: Bug | None = None) -> None:
        self._bug = bug
        self._scope = scope
        self._most = most
        self._began = time.process_time()
        self._until = self._began + seconds
        self._numbers: dict[bytes, int] = {}
        self._came: list[tuple[int, Any]] = []
        self._enabled: list[list[tuple[Any, bool]]] = []
        self._back: dict[int, list[int]] = defaultdict(list)
        self._ends: list[int] = []
        self._edges = 0

    def run(self) -> Found:
        """Look at all of them."""
        was_enabled = gc.isenabled()
        gc.disable()  # worlds are cycles by the thousand: collected between states, not within one
        try:
            with stepped(self._bug):
                return self._run()
        finally:
            if was_enabled:
                gc.enable()

    def _run(self) -> Found:
        self._look(World(self._scope), -1, None)
        current = 0
        while current < len(self._came):
            if len(self._came) >= self._most or time.process_time() > self._until:
                return self._found(is_complete=False)
            acts = self._acts_to(current)
            enabled, self._enabled[current] = self._enabled[current], []
            for act, is_sure in enabled:
                self._edges += 1
                world, violation = self._replay(acts, act)
                if violation is not None:
                    return self._found(violation, (*acts, act))
                if (violation := self._look(world, current, act, is_sure=is_sure)) is not None:
                    return self._found(violation, (*acts, act))
            if current % 3000 == 0:
                gc.collect()
            current += 1
        return self._stuck() or self._found()

    def _replay(self, acts: tuple[Any, ...], act: Any) -> tuple[World, str | None]:
        world = World(self._scope)
        for before in acts:
            world.do(before)
        try:
            world.do(act)
        except Exception as error:
            return world, f"{type(error).__name__}: {error}"
        return world, None

    def _look(self, world: World, came_from: int, act: Any, *, is_sure: bool = True) -> str | None:
        """Note the state of *world*, and check it if it is new."""
        key = hashlib.blake2b(marshal.dumps(world.state(), 2), digest_size=16).digest()
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self._came)
            self._came.append((came_from, act))
            try:
                world.check()
            except AssertionError as error:
                return str(error)
            self._enabled.append(list(world.enabled()))
            if world.is_done:
                self._ends.append(number)
        if is_sure and came_from >= 0:
            self._back[number].append(came_from)
        return None

    def _acts_to(self, number: int) -> tuple[Any, ...]:
        acts = []
        while number > 0:
            number, act = self._came[number]
            acts.append(act)
        return tuple(reversed(acts))

    def _stuck(self) -> Found | None:
        """The first state from which nothing leads to an end."""
        reached, left = set(self._ends), list(self._ends)
        while left:
            for before in self._back[left.pop()]:
                if before not in reached:
                    reached.add(before)
                    left.append(before)
        for number in range(len(self._came)):
            if number not in reached:
                return self._found("it is stuck: whatever happens now, some record is never done",
                                   self._acts_to(number))  # fmt: skip
        return None

    def _found(self, violation: str | None = None, acts: tuple[Any, ...] = (), *, is_complete: bool = True) -> Found:
        seconds = time.process_time() - self._began
        complete = is_complete and violation is None
        return Found(len(self._came), self._edges, seconds, complete, violation, acts)
