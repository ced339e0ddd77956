"""How far one run is: a state that any thread may ask for, as often as it likes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from kafka_parallel.facts import State


class _Now(NamedTuple):
    """Both at once, so that a reader never sees the state of one moment with the error of another."""

    state: State
    error: BaseException | None


class RunState:
    """The state of one run; written by the thread of run(), read by any."""

    def __init__(self) -> None:
        self._now = _Now("new", None)

    @property
    def state(self) -> State:
        """The state of the run."""
        return self._now.state

    @property
    def error(self) -> BaseException | None:
        """The error that run() raised or is about to raise; ``None`` unless it has failed."""
        return self._now.error

    @property
    def has_ended(self) -> bool:
        """True once the run has ended, in whatever way."""
        return self._now.state in {"stopped", "failed"}

    def become(self, state: State) -> None:
        """Note that the run has come to *state*."""
        self._now = _Now(state, None)

    def conclude(self, error: BaseException | None) -> None:
        """Note that the run has ended: with *error*, or well."""
        self._now = _Now("stopped" if error is None else "failed", error)
