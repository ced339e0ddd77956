"""A `concurrent.futures.Executor` of the simulated application, whose futures end in many ways.

A call runs in an actor of its own, or in ``submit()`` itself. Results come late and out of order. By lot a worker is
lost, another part of the application cancels a future, or the whole executor breaks: one that a function made fails its
futures before its handlers are gone, as a pool of processes does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from typing import Any
from weakref import WeakKeyDictionary

from greenlet import getcurrent, greenlet
from kafka import TopicPartition

from kafka_parallel.testing.simulation.acts import Acts
from kafka_parallel.testing.simulation.calls import Call
from kafka_parallel.testing.simulation.plan import Plan
from kafka_parallel.testing.simulation.process import Process
from kafka_parallel.testing.simulation.threads import Semaphore, Threads
from kafka_parallel.testing.simulation.world import World

# Seconds that an executor gets for its first call.
START_TIMEOUT = 60.0
# The interval at which the end of handlers is looked for that run on, in seconds.
LOOK_EVERY = 0.01
# The seconds for which a call, its result, and the handlers of a broken executor may be on their way.
TO_WORKER, TO_OWNER, TO_DEATH = (0.0, 0.0, 0.001, 0.02), (0.0, 0.0, 0.001, 0.05, 0.3), (0.0, 0.02, 0.1)
AT_ONCE = (0.0,)

_handlers: WeakKeyDictionary[greenlet, Callable[[Any], Any]] = WeakKeyDictionary()


def run_here(given: Any) -> Any:
    """Stand for the handler on its way: it does its work for the actor that calls it."""
    return _handlers[getcurrent()](given)


class _LostError(Exception):
    """The worker of a call is lost."""


class _Arriving(Future[Any]):
    """A future whose result arrives where it is asked for.

    :param arrive: is called then.
    """

    def __init__(self, arrive: Callable[[], None]) -> None:
        super().__init__()
        self._arrive = arrive

    def result(self, timeout: float | None = None) -> Any:
        """Tell the result."""
        self._arrive()
        return super().result(timeout)


class _Job:
    """One submitted call.

    :ivar future: its future.
    :ivar death: happens when its worker is lost.
    :ivar ended: the call of the handler, once that has ended.
    """

    def __init__(self, application: Application, act: Callable[[], Any], *, is_fresh: bool) -> None:
        self._application = application
        self._ends, self._submitted = application.acts.ends.copy(), application.world.now
        self._is_fresh = is_fresh
        self.act = act
        self.future = _Arriving(self._arrive)
        self.death = application.threads.Event()
        self.ended: list[Call] = []
        self.is_lost = False

    def _arrive(self) -> None:
        for call in self.ended:
            self._application.acts.reported(call)

    @property
    def left(self) -> set[TopicPartition]:
        """The partitions that have left since it was submitted: the assignments of its records there are over."""
        return set((self._application.acts.ends - self._ends).keys())

    @property
    def is_prompt(self) -> bool:
        """Tell whether nothing can have happened to its records since it was last looked whether they are wanted."""
        application = self._application
        is_at_once = application.plan.timeout_ms is None or application.world.now == self._submitted
        return self._is_fresh and self._ends == application.acts.ends and is_at_once and not application.plan.seeks


class Application:
    """The executors of one start of the application.

    :ivar acts: the behaviour of handlers.
    """

    acts: Acts

    def __init__(self, world: World, process: Process, plan: Plan) -> None:
        self.world = world
        self.process = process
        self.plan = plan
        self.threads = Threads(process)
        self._latest: SimulatedExecutor | None = None
        self.doubtful: set[greenlet] = set()

    def given(self) -> SimulatedExecutor | Callable[[], SimulatedExecutor]:
        """The setting of the plugin: an executor, or a function that makes one."""
        return SimulatedExecutor(self, is_made=False) if self.world.random.random() < 0.4 else self._make

    def _make(self) -> SimulatedExecutor:
        if self._latest is not None and not self._latest.is_shut_down:
            self.acts.violate("has another executor made, and leaves the first as it is")
        self._latest = SimulatedExecutor(self, is_made=True)
        return self._latest


class SimulatedExecutor(Executor):
    """One executor.

    :param is_made: whether a function made it; else it was given as it is.
    :ivar is_shut_down: whether it takes no calls any more.
    """

    def __init__(self, application: Application, *, is_made: bool) -> None:
        self._application = application
        self._world = application.world
        self._is_made = is_made
        chance, plan = self._world.random, application.plan
        self._runs_in_submit = chance.random() < 0.2
        # A handler that never returns keeps its place; and the checker measures handlers, not the way to them.
        has_deadline = plan.timeout_ms is not None
        self._to_worker: Sequence[float] = AT_ONCE if has_deadline else TO_WORKER
        self._to_owner: Sequence[float] = AT_ONCE if has_deadline else TO_OWNER
        most = 1000 if has_deadline else chance.choice([1, plan.options["workers"], 1000])
        self._places = Semaphore(application.process, most)
        self._jobs: dict[_Job, None] = {}
        self._is_broken = self.is_shut_down = False

    def __repr__(self) -> str:
        return "the application's executor"

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        """Take a call."""
        doubtful, me = self._application.doubtful, getcurrent()
        if self.is_shut_down:
            raise RuntimeError("it is shut down")
        if self._is_broken:
            doubtful.add(me)
            raise BrokenExecutor("it was broken before")
        job = _Job(self._application, lambda: function(*arguments, **options), is_fresh=me not in doubtful)
        doubtful.discard(me)
        job.future.add_done_callback(lambda future: doubtful.update([me] if future.cancelled() else ()))
        self._jobs[job] = None
        if self._runs_in_submit:
            self._run(job)
        else:
            self._application.process.start_thread(lambda: self._run_somewhere(job), "call")
        return job.future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - its signature
        """Take no calls any more, and wait for those that run."""
        if not self._is_made:
            self._application.acts.violate("has shut down the executor of the application")
        self.is_shut_down = True
        while wait and self._jobs:
            self._world.sleep(LOOK_EVERY)

    # Calls

    def _run_somewhere(self, job: _Job) -> None:
        chance = self._world.random
        self._world.sleep(chance.choice(self._to_worker))
        with self._places:
            if chance.random() < self._application.plan.dying:
                job.future.cancel()
            if job.future.done() or not job.future.set_running_or_notify_cancel():
                self._jobs.pop(job)
                return
            self._run(job)

    def _run(self, job: _Job) -> None:
        chance = self._world.random
        _handlers[getcurrent()] = lambda given: self._handle(job, given)
        began = self._world.now
        outcome = job.act()  # an error of the handler is part of the outcome
        outcome = outcome._replace(duration_ms=(self._world.now - began) * 1000)  # its clock is a real one
        if not job.is_lost:
            self._world.sleep(0.0 if self._runs_in_submit else chance.choice(self._to_owner))
        self._jobs.pop(job)
        if job.future.done():
            return
        if job.is_lost:
            job.future.set_exception(_LostError("its worker is lost"))
        else:
            job.future.set_result(outcome)

    def _handle(self, job: _Job, given: Any) -> Any:
        acts, plan, chance = self._application.acts, self._application.plan, self._world.random
        call = acts.begin(given if isinstance(given, list) else [given], is_prompt=job.is_prompt)
        call.gone |= call.partitions & job.left
        seconds = call.seconds
        if not self._runs_in_submit and chance.random() < plan.dying / 4:
            self._application.process.start_thread(self._break, "break")
        elif chance.random() < plan.dying:
            job.is_lost, seconds = True, chance.choice([0.0, 0.01])
        if job.death.wait(seconds) or job.is_lost or job.future.done():  # broken: the result would go nowhere
            job.is_lost = True
            acts.gave_up(call)
            raise _LostError("the worker is lost")
        call.is_on_its_way = True
        job.ended.append(call)
        return acts.end(call)

    # Its end

    def _break(self) -> None:
        """Break: no future of it has a result from now on, and its handlers are gone a little later or before."""
        self._world.note("the executor breaks")
        self._is_broken = True
        if self._is_made:
            self._fail_all()
            self._world.sleep(self._world.random.choice(TO_DEATH))
            self._end_all()
        else:
            self._end_all()
            self._world.sleep(0.0)
            self._fail_all()

    def _end_all(self) -> None:
        for job in [*self._jobs]:
            job.death.set()

    def _fail_all(self) -> None:
        for job in [*self._jobs]:
            if not (job.future.done() or job.ended):  # a result on its way arrives; each callback takes its time
                job.future.set_exception(BrokenExecutor("it breaks"))
