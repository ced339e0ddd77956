"""Commits of a fake consumer that are on their way, and how their answers reach it, in 2.x and in 3.x.

The coordinator handles the requests of one connection in their order, so a commit is never stored before one that was
sent earlier. An answer is noted by the future: in 3.x when it comes, on the I/O thread; in 2.x when the client reads
it, which it does in ``poll()`` or while it waits for something else. Callbacks are called by the next ``poll()`` or
commit, on its caller's thread, unless a static member has been fenced meanwhile: then these raise, and no callback of
that consumer is ever called again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import FencedInstanceIdError

from kafka_parallel.testing.fake.brokers import Brokers
from kafka_parallel.testing.fake.clock import Timeline

__all__ = ()

Offsets: TypeAlias = "Mapping[TopicPartition, OffsetAndMetadata]"
Callback: TypeAlias = "Callable[[Any, Any], None]"

# The time that a commit takes to the coordinator and its answer back, in seconds.
COMMIT_TIME = 0.005
# The interval at which a commit checks whether those before it have been stored, in seconds.
TICK = 0.002


class AnswerLostError(Exception):
    """Raised by a test's or simulation's ``on_call`` in place of an answer: none ever comes, and the client waits."""


class CommitFuture:
    """The result of ``commit_async``: the part of kafka-python's future that people use."""

    def __init__(self) -> None:
        self.is_done: bool = False
        self.exception: Exception | None = None
        self._callbacks: list[Callable[[Any], None]] = []
        self._errbacks: list[Callable[[Any], None]] = []

    def succeeded(self) -> bool:
        """Tell whether the offsets are stored."""
        return self.is_done and self.exception is None

    def failed(self) -> bool:
        """Tell whether the answer was an error."""
        return self.is_done and self.exception is not None

    def add_callback(self, function: Callable[[Any], None]) -> CommitFuture:
        """Call *function* with ``None`` once the offsets are stored."""
        self._callbacks.append(function)
        self._tell()
        return self

    def add_errback(self, function: Callable[[Any], None]) -> CommitFuture:
        """Call *function* with the error once there is one."""
        self._errbacks.append(function)
        self._tell()
        return self

    def end(self, error: Exception | None) -> None:
        """Take in the answer."""
        self.exception, self.is_done = error, True
        self._tell()

    def _tell(self) -> None:
        if not self.is_done:
            return
        told, self._callbacks, self._errbacks = (self._callbacks, self._errbacks), [], []
        for function in told[self.exception is not None]:
            function(self.exception)


class Connection(NamedTuple):
    """A connection to a broker, with the requests that wait for their answers: number, future, time."""

    in_flight_requests: deque[tuple[int, None, float]]


class AsyncCommits:
    """The asynchronous commits of one consumer; stands also for ``consumer._client`` of 2.x.

    :param has_io_thread: whether answers are read by themselves (3.x).
    :ivar cluster: the brokers that it may be connected to.
    """

    def __init__(self, clock: Timeline, brokers: Brokers, *, has_io_thread: bool) -> None:
        self.cluster = brokers
        self._clock = clock
        self._has_io_thread = has_io_thread
        self._sent = self._stored = 0
        self._unread: list[tuple[CommitFuture, Callback | None, Offsets, Exception | None]] = []
        self._uncalled: list[tuple[Callback | None, Offsets, Exception | None]] = []
        self._is_fenced = False

    def is_disconnected(self, node_id: int) -> bool:
        """Tell whether there is no connection to a broker."""
        return node_id in self.cluster.unreachable

    @property
    def _conns(self) -> dict[int, Connection]:
        return {node: Connection(deque([(0, None, since)])) for node, since in self.cluster.frozen.items()}

    def send(self, store: Callable[[], None], offsets: Offsets, callback: Callback | None) -> CommitFuture:
        """Send *offsets*, which *store* stores in its turn, or raises the coordinator's answer."""
        future = CommitFuture()
        number = self._sent
        self._sent += 1

        def travel() -> None:
            self._wait_for_turn(number)
            error: Exception | None = None
            try:
                self._clock.sleep(COMMIT_TIME)
                store()
            except AnswerLostError:
                return
            except Exception as raised:  # noqa: BLE001 - whatever the test wants the answer to be
                error = raised
            finally:
                self._stored += 1
            self._unread.append((future, callback, offsets, error))
            if self._has_io_thread:
                self.poll()

        self._clock.start_thread(travel, "fake-kafka-coordinator")
        return future

    def wait_for_turn(self) -> None:
        """Wait until all commits on their way are stored: later requests come after them."""
        self._wait_for_turn(self._sent)

    def _wait_for_turn(self, number: int) -> None:
        while self._stored < number:
            self._clock.sleep(TICK)

    def poll(self, timeout_ms: float = 0) -> None:
        """Read the answers that have come."""
        while self._unread:
            future, callback, offsets, error = self._unread.pop(0)
            self._uncalled.append((callback, offsets, error))
            self._is_fenced = self._is_fenced or isinstance(error, FencedInstanceIdError)
            future.end(error)

    def call_back(self) -> None:
        """Call the callbacks of commits that were answered.

        :raises FencedInstanceIdError: one was refused because a younger member has the instance id.
        """
        if self._is_fenced:
            raise FencedInstanceIdError("fenced")
        while self._uncalled:
            callback, offsets, error = self._uncalled.pop()
            if callback is not None:
                callback(offsets, error)
