"""The choice of the thread to wake when something changes, and the waits of all threads.

Two conditions share the scheduler's lock. Workers without work wait on ``_work``, the loop and a rebalance on
``_progress``. Waking a thread costs more than handling a fast record, so no thread is woken without a reason: feeding
wakes one worker, and a worker that leaves something behind wakes the next. One idle worker at a time keeps watch, with
a time limit, for events that are not announced: a retry that falls due, and a chunk whose worker is stuck and has
something to steal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kafka_parallel._core.dispatch import Dispatch
    from kafka_parallel._runtime.clock import Clock


class Wakeups:  # see docs/decisions/0003-chained-wakeups.md
    """The waits on one scheduler; all of it is used with *lock* held.

    :param lock: the scheduler's lock.
    :param clock: makes the conditions, and tells the time.
    :param dispatch: knows how many tasks may run now, and when others fall due.
    :param takes_batches: whether a worker takes one batch at a time, however much its limit is.
    """

    def __init__(self, lock: Any, clock: Clock, dispatch: Dispatch, *, takes_batches: bool) -> None:
        self._clock = clock
        self._dispatch = dispatch
        self._takes_batches = takes_batches
        self._work = clock.condition(lock)
        self._progress = clock.condition(lock)
        self._awaited: list[Callable[[], bool]] = []
        self._idle = 0
        self._watch_until = float("inf")

    def wait_for_work(self) -> None:
        """Wait until woken; keep watch if something falls due before the present watch would look."""
        due = self._next_watch()
        watches = due < self._watch_until
        if watches:
            self._watch_until = due
        self._idle += 1
        self._work.wait(max(0.0, due - self._clock.monotonic()) if watches else None)
        self._idle -= 1
        if watches:
            self._watch_until = float("inf")

    def _next_watch(self) -> float:
        dues = (self._dispatch.next_due, self._dispatch.steal_due)
        return float("inf") if dues == (None, None) else min(due for due in dues if due is not None)

    def wait_for_progress(self, holds: Callable[[], bool], deadline: float) -> bool:
        """Wait until *holds* is true, up to *deadline*; tell whether it is.

        Workers evaluate it whenever they finish something, so that no thread is woken in vain.
        """
        self._awaited.append(holds)
        try:
            while not holds() and (left := deadline - self._clock.monotonic()) > 0:
                self._progress.wait(left)
            return holds()
        finally:
            self._awaited.remove(holds)

    def wake_worker(self, enough: int) -> None:
        """Wake an idle worker if *enough* tasks may run now, or if none watches for due events."""
        if self._idle and (self._dispatch.ready >= enough or self._next_watch() < self._watch_until):
            self._work.notify()

    def wake_for_rest(self, limit: int) -> None:
        """Wake an idle worker for the rest that one that took *limit* has left.

        Of less than that it would have taken all too, or others may steal it; but it takes one batch only.
        """
        self.wake_worker(1 if self._takes_batches else limit)

    def wake_watch(self) -> None:
        """Wake an idle worker if none watches for due events: taking may have found tasks that wait for their rate."""
        if self._idle and (due := self._dispatch.next_due) is not None and due < self._watch_until:
            self._work.notify()

    def wake_satisfied(self) -> None:
        """Wake the threads whose condition holds now; mostly none waits."""
        if self._awaited and any(predicate() for predicate in self._awaited):
            self._progress.notify_all()

    def wake_changed(self) -> None:
        """Wake the threads that may go on now."""
        self.wake_worker(1)
        self.wake_satisfied()

    def wake_all_workers(self) -> None:
        """Wake all idle workers: each looks again at what it may do."""
        self._work.notify_all()

    def wake_all_waiting(self) -> None:
        """Wake all threads that wait for progress."""
        self._progress.notify_all()


def is_held(lock: Any) -> bool:
    """Tell whether this very thread has *lock*, as far as that can be told."""
    is_owned: Callable[[], bool] | None = getattr(lock, "_is_owned", None)  # conditions ask it too
    return is_owned is not None and is_owned()
