"""Is a commit due now, why, and if not, when? And which offsets does it hold?

Rule 1: `CommitSchedule.due` is the only place that decides it, from the state and the time: the start of an assignment,
a request of the user, the interval, or room that a commit would make. The first of these reasons counts.
Rule 2: the offset at which an assignment begins is due before anything of it is handled, if the next start would not
find it by itself.
Rule 3: a failed commit stays due: it is tried again sooner than the interval, but not at once (back-off from 100 ms,
doubling, never longer than the interval). Until then nothing else makes a commit due either: each reason may hold at
once again.
Rule 4: a commit holds the offsets that changed since they were confirmed; and those that did not, once one of them was
confirmed long ago (see docs/decisions/0060-commit-unchanged-offsets.md). A commit that tells what is finished above its
offsets also holds the partitions where only that has changed (see docs/decisions/0077-offset-map.md).

The loop asks once per round. Its poll() cannot be woken and blocks up to 0.1 s (``LONGEST_POLL``). It is bounded by
`wait`, so a commit that time makes due is punctual. A commit that makes room becomes due when workers finish records,
so it may be that late. See docs/decisions/0065-one-commit-schedule.md.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Literal, NamedTuple, TypeAlias, TypeVar

from kafka_parallel._core.times import NEVER

if TYPE_CHECKING:
    from kafka_parallel._core.assignment import Assignment
    from kafka_parallel._core.backpressure import Backpressure
    from kafka_parallel._core.dispatch import Totals

P = TypeVar("P", bound=Hashable)

FIRST_BACKOFF = 0.1
# After how many seconds an unchanged offset is committed again. A broker forgets the offset of a group that does not
# commit it again, after offsets.retention.minutes (1 at least), if the group has no members: with assign(), or before
# Kafka 2.1 (KIP-211).
RENEWAL = 30.0

DueReason: TypeAlias = Literal["start", "asked", "interval", "room"]


@dataclass(frozen=True, slots=True)
class CommitRules:
    """When commits are due; made of the settings of one consumer in ``_options.py``.

    :ivar interval: seconds between commits.
    :ivar stores_starts: whether the offset at which an assignment begins is committed first.
    :ivar tells_finished_above: whether a commit also tells what is finished above its offsets.
    """

    interval: float = 5.0
    stores_starts: bool = True
    tells_finished_above: bool = False


class Due(NamedTuple):
    """A commit that is due now.

    :ivar reason: why: ``"start"`` = an assignment begins; ``"asked"`` = the user asked for it; ``"interval"`` = time;
        ``"room"`` = it makes room for records that are kept out.
    :ivar finished: how many records were finished since the last commit that succeeded.
    """

    reason: DueReason
    finished: int


class CommitSchedule(Generic[P]):
    """When the commits of one consumer are due.

    :param rules: when they are; ``None`` for a consumer without a group, which commits nothing.
    :param backpressure: knows whether a commit would make room.
    :param totals: the counts so far.
    """

    def __init__(self, rules: CommitRules | None, backpressure: Backpressure[P], totals: Totals) -> None:
        self._rules = rules
        self._backpressure = backpressure
        self._totals = totals
        self._due_at: float | None = None
        self._failures = 0
        self._counted_at_due = self._counted_at_commit = 0

    def due(self, now: float, *, is_asked: bool = False, begins: bool = False) -> Due | None:
        """Tell whether a commit is due at *now*, and why; the first call starts the first interval.

        :param is_asked: whether the user asked for one.
        :param begins: whether the start of an assignment waits for one.
        """
        if self._rules is None:
            return None
        if self._due_at is None:
            self._due_at = now + self._rules.interval
        if self._failures and now < self._due_at:
            return None
        reason = self._reason(now, self._due_at, is_asked=is_asked, begins=begins)
        if reason is None:
            return None
        self._counted_at_due = self._totals.processed + self._totals.skipped
        return Due(reason, self._counted_at_due - self._counted_at_commit)

    def _reason(self, now: float, due_at: float, *, is_asked: bool, begins: bool) -> DueReason | None:
        if begins:
            return "start"
        if is_asked:
            return "asked"
        if now >= due_at:
            return "interval"
        return "room" if self._backpressure.commit_makes_room() else None

    @property
    def tells_finished_above(self) -> bool:
        """True if a commit also tells what is finished above its offsets."""
        return self._rules is not None and self._rules.tells_finished_above

    def wait(self, now: float) -> float:
        """Seconds from *now* until time makes a commit due, whatever workers finish until then."""
        if self._rules is None:
            return NEVER
        return self._rules.interval if self._due_at is None else max(0.0, self._due_at - now)

    def answered(self, now: float, *, failed: bool) -> None:
        """Note that the commit that was due has ended *now*: it succeeded or had nothing to say, or it *failed*."""
        interval = NEVER if self._rules is None else self._rules.interval
        if failed:
            self._due_at = now + min(interval, FIRST_BACKOFF * 2**self._failures)
            self._failures = min(self._failures + 1, 16)
            return
        self._failures = 0
        self._due_at = now + interval
        self._counted_at_commit = self._counted_at_due

    def starts(self, begun: Iterable[tuple[P, Assignment]]) -> dict[P, Assignment]:
        """Return those of the assignments that have *begun* whose start is due to be committed."""
        if self._rules is None or not self._rules.stores_starts:
            return {}
        return {partition: assignment for partition, assignment in begun if assignment.committed is None}

    def select_to_commit(self, found: list[tuple[P, Assignment]], renewed_at: float | None) -> dict[P, Assignment]:
        """Return those of the assignments *found* whose offsets a commit holds.

        :param renewed_at: the time, if unchanged offsets are to be committed again where that is due: all that will be
            due soon together.
        """
        tells = self.tells_finished_above
        held = {
            p: assignment for p, assignment in found if assignment.is_dirty or (tells and assignment.has_progressed)
        }
        if renewed_at is not None and _must_renew(found, renewed_at):
            old = [(p, assignment) for p, assignment in found if assignment.confirmed_at <= renewed_at - RENEWAL / 2]
            held.update((p, assignment) for p, assignment in old if assignment.committed is not None)
        return held


def _must_renew(found: Iterable[tuple[P, Assignment]], now: float) -> bool:
    oldest = (assignment.confirmed_at for _, assignment in found if assignment.committed is not None)
    return min(oldest, default=now) <= now - RENEWAL
