"""A pool of processes that run handlers, as the engine sees it: messages, and reports that come back at their times.

A process is an actor's loop here. It runs its units in order, reports by lot at once or later, gives back those it has
not begun, is killed when its result is no longer wanted or a deadline has passed, and dies by lot. `Acts` know the
handlers it has really run.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from greenlet import getcurrent

from kafka_parallel import Executor, HandlerTimeout, Settings, Work, hookimpl
from kafka_parallel.errors import WorkerDied
from kafka_parallel.executors import Chunk, Program, Report
from kafka_parallel.testing.simulation.acts import Acts
from kafka_parallel.testing.simulation.calls import Call
from kafka_parallel.testing.simulation.plan import Plan
from kafka_parallel.testing.simulation.process import Process
from kafka_parallel.testing.simulation.world import World

# The interval at which a process is asked whether its result is still wanted, and the time a new one takes, in seconds.
LOOK_EVERY, START = 0.1, 0.05

Wants = Callable[[int], bool]


def arrive(record: Any) -> Any:
    """Stand for the handler on its way: it is pickled, and gives the record as the other side has made it."""
    return record


def arrive_in_list(given: list[Any]) -> Any:
    """Stand for a batch handler on its way: it is called with a list as that is, and gives the one thing in it."""
    return given[0]


class _DeadError(Exception):
    """A process ended in the middle of a call.

    :ivar error: the error of the call.
    :ivar returned: how many records before it were done.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error
        self.returned = 0


class SimulatedPool:
    """The executor, and the plugin that provides it.

    :ivar acts: the behaviour of handlers.
    """

    acts: Acts

    def __init__(self, world: World, process: Process, plan: Plan) -> None:
        self._world = world
        self._process = process
        self._plan = plan
        self._chunk = world.random.choice([1, 3, 8])
        self._alive = 0
        self._wants: dict[object, Wants] = {}

    @hookimpl
    def provide_executor(self, settings: Settings) -> Executor:
        """Provide itself."""
        timeout_ms = settings.handler_timeout_ms
        self._timeout = None if timeout_ms is None else timeout_ms / 1000
        return self

    def bind(self, program: Program) -> None:
        """Learn the program to run."""
        self._program = program
        handler, self._prepare = pickle.loads(program.payload)  # noqa: S301 - made in this very process
        self._arrive: Callable[[Any], Any] = handler

    def start(self, work: Work) -> None:
        """Start the processes."""
        for _ in range(self._plan.options["workers"]):
            self._alive += 1
            self._process.start_thread(lambda: self._pull(work), "worker")

    def join(self, timeout_ms: float) -> bool:
        """Wait for the processes to end."""
        deadline = self._world.now + timeout_ms / 1000
        while self._alive and self._world.now < deadline:
            self._world.sleep(0.01)
        return not self._alive

    def _pull(self, work: Work) -> None:
        while (chunk := self._take(work)) is not None:
            if not (self._program.is_surrounded or self._program.is_batch):
                work.run_remote(chunk, self._exchange)
                continue
            for task in chunk:
                self._wants[getcurrent()] = partial(self._wants_task, work, task)
                work.run(chunk, task)
                work.finish(chunk)
        self._alive -= 1

    def _take(self, work: Work) -> Chunk | None:
        """Take several tasks if there are any, or wait for one."""
        is_single = self._program.is_surrounded or self._timeout is not None
        return work.next_chunk_nowait(
            1 if is_single else self._world.random.randint(1, self._chunk)
        ) or work.next_chunk(1)

    @staticmethod
    def _wants_task(work: Work, task: Any, _: int) -> bool:
        return work.wants(task)

    def call(self, record: Any) -> None:
        """Run one record, or a list of them, with one call."""
        for reports in self._exchange([record if isinstance(record, list) else [record]], self._wants[getcurrent()]):
            for report in reports:
                if report.is_unbegun:
                    raise WorkerDied("the process ended before it had begun the record", None)
                if report.error is not None:
                    raise report.error

    # One exchange

    def _exchange(self, units: list[list[Any]], wants: Wants) -> Iterator[Sequence[Report]]:
        """Run *units*; see `kafka_parallel.executors.Exchange`."""
        chance, owed = self._world.random, [*enumerate(units)]
        self._world.sleep(chance.choice([0.0, 0.001]))
        told: list[Report] = []
        ended: list[Call] = []
        while owed:
            if len(owed) > 1 and chance.random() < 0.1:
                given = [owed.pop() for _ in range(chance.randint(1, len(owed) - 1))]
                yield [Report(place, is_unbegun=True) for place, _ in reversed(given)]
            place, raws = owed.pop(0)
            before = len(ended)
            try:
                told.append(self._run_unit(place, raws, wants, ended))
            except _DeadError as death:
                if told:
                    self._arrive_at_owner(ended, before)
                    yield told
                self._world.sleep(START)
                self._arrive_at_owner(ended)
                yield [Report(place, death.returned, death.error), *(Report(at, is_unbegun=True) for at, _ in owed)]
                return
            if not owed or chance.random() < 0.5:
                self._arrive_at_owner(ended)
                yield told
                told = []

    def _arrive_at_owner(self, ended: list[Call], count: int | None = None) -> None:
        """Note that the reports of the first *count* calls that *ended* arrive; without it, of all of them."""
        for call in ended[:count]:
            self.acts.reported(call)
        del ended[:count]

    def _run_unit(self, place: int, raws: list[Any], wants: Wants, ended: list[Call]) -> Report:
        """Run records until one fails.

        :param ended: takes the calls in, whose reports are on their way from now on.
        :raises _DeadError: its process died of it.
        """
        calls = [raws] if self._program.is_batch else [[raw] for raw in raws]
        returned, durations_ms = 0, list[float]()
        for sent in calls:
            began = self._world.now
            try:
                records = [self._called(self._prepare(tuple(raw))) for raw in sent]
            except BaseException as error:  # noqa: BLE001 - reported, as by a process
                return Report(place, returned, error, "prepare")
            try:
                self._run(records, lambda: wants(place), ended)
            except _DeadError as death:
                death.returned = returned
                raise
            except BaseException as error:  # noqa: BLE001 - as above
                durations_ms.append((self._world.now - began) * 1000)
                return Report(place, returned, error, durations_ms=durations_ms)
            returned += len(sent)
            durations_ms.append((self._world.now - began) * 1000)
        return Report(place, returned, durations_ms=durations_ms)

    def _run(self, records: list[Any], wants: Callable[[], bool], ended: list[Call]) -> None:
        chance = self._world.random
        looks = chance.random() < 0.7  # it sometimes goes on with its records before it is stopped
        if looks and not wants():
            raise _DeadError(WorkerDied("nobody waits", -9, is_unwanted=True))
        call = self.acts.begin(records, is_prompt=looks)
        if chance.random() < self._plan.dying:
            self._die(call)
        if chance.random() < self._plan.dying / 2:
            self._die(call, is_unwanted=True)
        self._wait(call, wants)
        call.is_on_its_way = True
        ended.append(call)
        self._called(self.acts.end(call))  # the handler's substitute is given that value, and so is judged by it

    def _called(self, value: Any) -> Any:
        """Call the handler's substitute, which gives *value*; one of batches gets it in a list."""
        return self._arrive([value] if self._program.is_batch else value)

    def _die(self, call: Call, *, is_unwanted: bool = False) -> None:
        """Die at some moment; the work done by then is unknown.

        :param is_unwanted: it was killed for another record, and had gone on to this one.
        """
        self._world.sleep(self._world.random.choice([0.0, 0.01]))
        self._kill(call, WorkerDied("killed", -9, is_unwanted=is_unwanted))

    def _wait(self, call: Call, wants: Callable[[], bool]) -> None:
        """Let the call take its time."""
        world = self._world
        until = world.now + call.seconds
        deadline = world.now + (float("inf") if self._timeout is None else self._timeout)
        while world.now < until:
            world.sleep(min(LOOK_EVERY, until - world.now, deadline - world.now))
            if world.now < until and world.now >= deadline:
                self._kill(call, HandlerTimeout("too long"))
            if world.now < until and not wants():
                self._kill(call, WorkerDied("nobody waits", -9, is_unwanted=True))

    def _kill(self, call: Call, error: Exception) -> None:
        self.acts.gave_up(call)
        raise _DeadError(error)
