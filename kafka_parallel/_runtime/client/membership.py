"""Tells whether the client has become another member of its group without saying that it had been removed.

kafka-python prepares for a join once. A member that is removed after that (it froze, or its line was down) is told so
by the answer to its join, and joins anew at once, under a new id. To a cooperative member nothing is said of the
partitions that it gets again then: not "lost", not "assigned". Another member may have had them meanwhile, and the
client goes on at its old position: records handled since would be handled again, and the committed offset would go
back.

So the member's id is compared after each poll, and before a rebalance callback acts. A new one means that all that
was held is lost, and that whatever the client still has is a new assignment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from kafka.errors import CommitFailedError, RebalanceInProgressError

from kafka_parallel._runtime.client.coordinator import is_joining

if TYPE_CHECKING:
    from kafka import TopicPartition

    from kafka_parallel._runtime.client.rebalance_listener import Act


class GroupGeneration(NamedTuple):
    """One generation of a group, as one of its members knows it."""

    member_id: str
    number: int

    def follows(self, earlier: GroupGeneration) -> bool:
        """Tell whether it is the next one after *earlier*, for the same member."""
        return (earlier.member_id, earlier.number + 1) == self


# see docs/decisions/0015-seek-back.md
class Membership:
    """One client's membership.

    :param coordinator: the client's, ``None`` if it has none.
    :param joined_anew: called, once, when the member has another id than before.
    """

    def __init__(self, coordinator: Any, joined_anew: Callable[[], None]) -> None:
        self._coordinator = coordinator
        self._joined_anew = joined_anew
        self._id = self._found()

    def notice_changes(self) -> None:
        """Call *joined_anew* if it has; for the thread that polls, or callbacks while it is in a poll."""
        found = self._found()
        if found and found != self._id:
            is_first, self._id = not self._id, found
            if not is_first:
                self._joined_anew()

    @property
    def is_unchanged(self) -> bool:
        """True if the client is the member that it was last seen to be, as far as it knows; while it joins, too."""
        generation = getattr(self._coordinator, "_generation", None)
        if generation is None or not self._id:
            return False
        return bool(generation.generation_id >= 0 and generation.member_id == self._id)

    @property
    def eager_generation(self) -> GroupGeneration | None:
        """The generation that the client belongs to, as far as it knows, if its group gives up all for a rebalance.

        ``None`` in a cooperative group, and in 2.x, which does not say so.
        """
        protocol = getattr(self._coordinator, "_rebalance_protocol", None)
        if protocol is None or protocol.name != "EAGER" or not self.is_unchanged:
            return None
        found = self._coordinator._generation  # noqa: SLF001 - see group_metadata(), which takes a lock
        return GroupGeneration(found.member_id, found.generation_id)

    @property
    def has_metadata(self) -> bool:
        """True if the client can tell its membership: 2.x cannot."""
        return hasattr(self._coordinator, "group_metadata")

    def metadata(self, *, is_leaving: bool) -> Any:
        """The membership under which the partitions are held that the client was last seen to hold.

        :param is_leaving: whether the partitions leave in a rebalance: then it may be joining, and nothing is sure yet.
        :raises CommitFailedError: it is not a member any more, or another one.
        :raises RebalanceInProgressError: it is joining.
        """
        if not is_leaving and is_joining(self._coordinator):
            raise RebalanceInProgressError
        found = self._coordinator.group_metadata()
        if found.generation_id < 0 or not found.member_id or found.member_id != (self._id or found.member_id):
            raise CommitFailedError("the member was removed, or has joined the group anew")
        return found

    def before(self, act: Act) -> Act:
        """Look before *act*."""

        def look_and_act(partitions: frozenset[TopicPartition]) -> None:
            self.notice_changes()
            act(partitions)

        return look_and_act

    def _found(self) -> str:
        """The id of the member; empty while it has none, or has not joined with it yet."""
        generation = getattr(self._coordinator, "_generation", None)
        if generation is None or is_joining(self._coordinator):
            return ""
        found: str = generation.member_id
        return found
