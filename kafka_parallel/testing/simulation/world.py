"""The next actor, and the time.

Everything runs in one thread, in greenlets. An actor gives up control when it sleeps, waits on a condition, or takes a
lock; who goes on is drawn from the seed. Time only passes when no actor can act. So a seed decides the whole run, and
two runs of one seed are the same, step by step.

The real code is not patched: it asks its clock for locks, conditions and the time, and gets the ones of this file.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

# The delays with which an actor without hurry goes on, in seconds: one is drawn for a world.
LATE = (0.0, *[0.2] * 9)


class StalledError(AssertionError):
    """No actor can act and nothing will ever happen, or it takes too many steps."""


class World:
    """Actors, the time, and the random numbers.

    :param seed: decides everything.
    :param most_steps: more are taken for an endless loop.
    """

    def __init__(self, seed: int, most_steps: int = 200_000) -> None:
        self.random = random.Random(f"kafka-parallel {seed}")
        self.now = 0.0
        self._actors: dict[greenlet, float] = {}
        self._steps_left = most_steps
        self._main = getcurrent()
        self._errors: list[BaseException] = []
        self._unhurried: set[greenlet] = set()
        self._late = random.Random(f"late {seed}").choice(LATE)
        self._frozen: dict[greenlet, float] = {}
        self._spawned: list[greenlet] = []
        self._is_over = False
        self._trace = hashlib.blake2b(digest_size=8)
        self._number = 0
        self.story: list[str] = []

    # Actors

    def spawn(self, act: Callable[[], Any], *, is_unhurried: bool = False) -> greenlet:
        """Let *act* run as an actor of its own.

        :param is_unhurried: true if it may go on later than it asked for while no other actor has anything to do, as
            any thread may. An actor that only looks around now and then does so less often: most of a run would be
            nothing else.
        """

        def run() -> None:
            try:
                act()
            except Exception as error:  # noqa: BLE001 - raised by run()
                self._errors.append(error)
            self._actors.pop(actor, None)

        actor = greenlet(run, parent=self._main)
        self._actors[actor] = self.now
        self._spawned.append(actor)
        if is_unhurried:
            self._unhurried.add(actor)
        return actor

    def close(self) -> None:
        """End all actors, wherever they are: a suspended greenlet would keep everything it knows in memory."""
        self._is_over = True
        for actor in self._spawned:
            actor.throw(GreenletExit)

    def forget(self, actor: greenlet) -> None:
        """Never let *actor* act again (its process was killed)."""
        self._actors.pop(actor, None)

    def freeze(self, actor: greenlet, until: float) -> None:
        """Let *actor* not act before *until*, whatever happens (its process was stopped)."""
        self._frozen[actor] = until

    def run(self, until: Callable[[], bool]) -> None:
        """Let actors act until *until* holds.

        :raises StalledError: if that never happens.
        """
        while not until():
            if self._errors:
                raise self._errors[0]
            ready = [actor for actor, due in self._actors.items() if due <= self.now]
            if self._frozen:
                ready = [actor for actor in ready if self._frozen.get(actor, 0.0) <= self.now]
            if not ready:
                self._pass_time()
                continue
            self._steps_left -= 1
            if self._steps_left < 0:
                raise StalledError(f"more steps than a run can need, at {self.now:.3f} s")
            place = self.random.randrange(len(ready)) if len(ready) > 1 else 0
            self._number += 1
            self._trace.update(b"%d/%d" % (place, len(ready)))
            ready[place].switch()

    def _pass_time(self) -> None:
        frozen, unhurried, earliest = self._frozen, self._unhurried, float("inf")
        for actor, due in self._actors.items():
            acts_at = max(due, frozen.get(actor, 0.0)) if frozen else due
            earliest = min(earliest, acts_at + self._late if actor in unhurried else acts_at)
        if earliest == float("inf"):
            raise StalledError(f"no actor can act any more at {self.now:.3f} s")
        self.now = earliest

    def note(self, what: str) -> None:
        """Add to the story, which is for people, and to the trace, by which two runs are compared."""
        line = f"{self.now:9.3f} {what}"
        self.story.append(line)
        self._trace.update(line.encode())

    @property
    def trace(self) -> str:
        """A digest of everything that happened so far."""
        return f"{self._number} steps, {self._trace.hexdigest()}"

    # Waiting

    def sleep(self, seconds: float) -> None:
        """Give up control for *seconds*."""
        self.park(self.now + seconds)

    def park(self, until: float) -> None:
        """Give up control until *until*, or until `wake` is called."""
        me = getcurrent()
        if me is self._main:
            raise RuntimeError("only actors may wait")
        if self._is_over:
            raise GreenletExit
        if me in self._actors:  # else it was killed while it ran, and never goes on
            self._actors[me] = until
        loop = asyncio._get_running_loop()  # noqa: SLF001 - documented, for those who write loops
        if loop is None:
            self._main.switch()
        else:
            self._leave(loop)

    def _leave(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give up control in the middle of a call of *loop*: asyncio's notes for a thread are this actor's alone."""
        task = asyncio.current_task(loop)
        if task is not None:
            asyncio.tasks._leave_task(loop, task)  # noqa: SLF001 - as above
        asyncio._set_running_loop(None)  # noqa: SLF001 - as above
        try:
            self._main.switch()
        finally:
            asyncio._set_running_loop(loop)  # noqa: SLF001 - as above
            if task is not None:
                asyncio.tasks._enter_task(loop, task)  # noqa: SLF001 - as above

    def wake(self, actor: greenlet) -> None:
        """Let *actor* act now."""
        if actor in self._actors:
            self._actors[actor] = min(self._actors[actor], self.now)

    # The promises of runtime.clock.Clock, but for threads: those belong to a process

    def monotonic(self) -> float:
        """Seconds since the world began."""
        return self.now

    def wall(self) -> float:
        """Seconds since the Unix epoch."""
        return 1_700_000_000 + self.now

    def lock(self) -> Lock:
        """Make a lock."""
        return Lock(self)

    def condition(self, lock: Lock) -> Condition:
        """Make a condition of *lock*."""
        return Condition(self, lock)

    def start_thread(self, act: Callable[[], Any], name: str) -> Any:
        """Refuse: a thread belongs to a process, which may be killed."""
        raise NotImplementedError(f"{name} was started outside of a process")


class Lock:
    """A lock; taking it is a moment at which another actor may act first."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.holder: greenlet | None = None

    def __enter__(self) -> bool:
        world = self._world
        if getcurrent() is world._main:  # noqa: SLF001 - a question from outside of the world
            return True
        if world.random.random() < 0.2:
            world.sleep(0)
        while self.holder is not None:
            world.sleep(0)
        self.holder = getcurrent()
        return True

    def __exit__(self, *_: object) -> None:
        self.holder = None


class Condition:
    """A condition with the semantics of ``threading``: who was not waiting when it was notified has missed it."""

    def __init__(self, world: World, lock: Lock) -> None:
        self._world = world
        self._lock = lock
        self._waiting: list[greenlet] = []

    def wait(self, timeout: float | None = None) -> bool:
        """Release the lock, wait, take the lock again."""
        me = getcurrent()
        self._waiting.append(me)
        self._lock.__exit__()
        self._world.park(float("inf") if timeout is None else self._world.now + timeout)
        notified = me not in self._waiting
        if not notified:
            self._waiting.remove(me)
        self._lock.__enter__()
        return notified

    def notify(self, n: int = 1) -> None:
        """Wake *n* waiting actors, drawn from the seed: there is no order to rely on."""
        for _ in range(min(n, len(self._waiting))):
            chosen = self._waiting.pop(self._world.random.randrange(len(self._waiting)))
            self._world.wake(chosen)

    def notify_all(self) -> None:
        """Wake all who wait."""
        self.notify(len(self._waiting))
