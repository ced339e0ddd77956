"""One planted bug: a small change to the library's real source that a simulation must notice."""

from __future__ import annotations

from typing import NamedTuple

from tests.planting.change import Change


class Bug(NamedTuple):
    """One change: within *where*, *old* becomes *new*; `Change` says how they are written.

    :ivar executor: the kind of handlers with which it shows, "replay", "exactly-once", "incident" for one of those, or
        a test (its file and name) where no simulation can show it.
    :ivar nth: which of several equal places it is.
    """

    name: str
    where: str
    old: str
    new: str
    executor: str = "thread-pool"
    nth: int | None = None

    @property
    def change(self) -> Change:
        """The change of the source."""
        return Change(self.where, self.old, self.new, self.nth)
