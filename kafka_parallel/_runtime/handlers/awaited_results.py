"""How results are handed over beside an ``async def`` handler: the answers are awaited, and nothing blocks the loop.

The producer's thread tells the event loop of answers; it wakes it once for all answers that come together. Acts that
may block run on a thread of their own: the first record of a topic, one for which the producer may have no memory left,
and one that has to be written again. Results of one batch are handed over by one thread: their order holds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from kafka_parallel._runtime.handlers.coroutines import beside
from kafka_parallel._runtime.handlers.result_delivery import ResultDelivery
from kafka_parallel.errors import BatchFailed

if TYPE_CHECKING:
    from kafka_parallel._runtime.clock import Clock
    from kafka_parallel._unfinished import Results
    from kafka_parallel.outbox import HandedOver, Outgoing
    from kafka_parallel.results import Producing
    from kafka_parallel.values import BatchContext, RecordContext

T = TypeVar("T")

# The most bytes that are handed to the producer on the event loop and unanswered: half of its usual memory. It blocks
# when that is full.
MOST_UNANSWERED = 16 * 1024 * 1024


class AwaitedDelivery(ResultDelivery):
    """Hands over the results of one run, on its event loop.

    :param producing: says where to.
    :param lacks: see `ResultDelivery`.
    :param clock: starts threads.
    """

    def __init__(self, producing: Producing[Any], lacks: Callable[[str], bool], clock: Clock) -> None:
        super().__init__(producing, lacks)
        self._clock = clock
        self._timeout = producing.timeout_ms / 1000
        self._known = set() if producing.topic is None else {producing.topic}  # looked up at the start
        self._unanswered = 0
        self._answers = Answers()

    def after(self, call: Callable[..., Any], *, is_batch: bool) -> Callable[..., Any]:
        """Do as for a plain handler; *call* and the function that is made of it return awaitables."""
        return partial(self._await_list if is_batch else self._await_one, call)

    async def _await_one(self, call: Callable[..., Awaitable[Results]], record: Any, context: RecordContext) -> Results:
        results = await call(record, context)
        records = self.outgoing_of(results, context)
        if not self.keep_in_transaction(records, context) and records:
            for error in (await self._deliver({0: records})).values():
                raise error
        return results

    async def _await_list(self, call: Callable[..., Awaitable[Any]], records: Any, context: BatchContext) -> None:
        failed, outgoing = self.sort_out(await call(records, context), context)
        failed |= await self._deliver(outgoing)
        if failed:
            raise BatchFailed(failed)

    async def _deliver(self, outgoing: Mapping[int, list[Outgoing]]) -> dict[int, Exception]:
        """Hand over the results of some records in their order, by one thread; return the errors of records."""
        every = [each for records in outgoing.values() for each in records]
        size, topics = sum(len(each.value or b"") for each in every), {each.topic for each in every}
        if self._unanswered + size > MOST_UNANSWERED or not topics <= self._known:
            failed = await self._beside(lambda: self.not_written(self.hand_over_all(outgoing)))
            self._known |= topics
            return failed
        self._unanswered += size
        try:
            sent = self.hand_over_all(outgoing)
            are_answered = await self._answers.to(sent.values(), self._timeout)
        finally:
            self._unanswered -= size
        if are_answered and not any(each.has_failed for each in sent.values()):
            return {}
        return await self._beside(lambda: self.not_written(sent))

    def _beside(self, act: Callable[[], T]) -> Awaitable[T]:
        return beside(self._clock.start_thread, act)


class Answers:
    """Tells one event loop of the answers that have come."""

    def __init__(self) -> None:
        self._come: deque[Callable[[], None]] = deque()
        self._is_woken = False

    async def to(self, sent: Collection[HandedOver], timeout: float) -> bool:
        """Wait until all that was sent was answered, well or not, *timeout* seconds at most; tell whether it was."""
        count = sum(each.count for each in sent)
        if count == 0:
            return True
        loop = asyncio.get_running_loop()
        waits = Waits(loop, count)
        for each in sent:
            each.when_answered(lambda _: self._tell(loop, waits.count_down))
        limit = loop.call_later(timeout, waits.give_up)
        try:
            return await waits.has_ended
        finally:
            limit.cancel()

    def _tell(self, loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> None:
        """Have *loop* make *act*; on the producer's thread. It is woken once for all that come before it looks."""
        self._come.append(act)
        if self._is_woken:
            return
        self._is_woken = True
        try:
            loop.call_soon_threadsafe(self._read)
        except RuntimeError:  # the loop was closed: the answer is no longer wanted
            if not loop.is_closed():
                raise

    def _read(self) -> None:
        self._is_woken = False
        while self._come:
            self._come.popleft()()


class Waits:
    """One wait for some answers.

    :param count: how many.
    :ivar has_ended: its result tells whether all have come.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, count: int) -> None:
        self._left = count
        self.has_ended: asyncio.Future[bool] = loop.create_future()

    def count_down(self) -> None:
        """Note an answer."""
        self._left -= 1
        if self._left == 0 and not self.has_ended.done():
            self.has_ended.set_result(True)

    def give_up(self) -> None:
        """End the wait without the rest."""
        if not self.has_ended.done():
            self.has_ended.set_result(False)
