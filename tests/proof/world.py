"""The acts that are possible next on a consumer's core, and the invariants after each.

A world is the real `Scheduler` and the least that has to be around it: workers, a client with a position, a broker that
stores commits. It is built anew and played forward for each state, so nothing of it has to be copied. Acts under the
queue's lock come one at a time; acts of workers without it (claiming, settling) may go on between any two of its steps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kafka_parallel._core.batch_queue import BatchLimits, BatchQueue
from kafka_parallel._core.buffer_limits import BufferLimits
from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._core.outcome import Failure, NoVerdict
from kafka_parallel._core.scheduler import Scheduler
from kafka_parallel._core.task import Task
from kafka_parallel._core.task_batch import TaskBatch
from kafka_parallel.values import Retry, Skip
from tests.proof.state import canonical, tasks_in
from tests.proof.stepping import SHARED, Act

NEVER = float("inf")
# The times of acts; a retry waits longer than that, and a task that waits for a time may be taken late.
NOW, LATE = 0.0, 1e6
OUTCOMES = {"ok": lambda: None, "retry": lambda: Retry(1000), "skip": lambda: Skip("x"), "fail": lambda: FAILURE}
FAILURE = Failure(ValueError("x"), "it would be lost")
LOCK = "lock"


class ViolationError(AssertionError):
    """Something that must never be so is so."""


@dataclass(frozen=True)
class Scope:
    """How much of everything there is.

    :ivar keys: of each partition the keys of its records, one letter each; a dash is none.
    :ivar poll: how many records a poll brings of a partition.
    :ivar limit: how many tasks a worker takes.
    :ivar kind: how workers work off a chunk: record by record, sent away as a whole, or as a batch.
    :ivar of: which records may be in a batch together.
    :ivar shares_lanes: whether all partitions share their lanes.
    """

    name: str
    keys: dict[str, str]
    workers: int = 2
    poll: int = 3
    limit: int = 2
    kind: str = "single"
    of: Any = "mixed"
    shares_lanes: bool = False
    retry: int = 0
    skip: int = 0
    fail: int = 0
    drain: int = 0
    stop: int = 0
    lose: int = 0
    commit: int = 0
    deadline: int = 0
    give_back: int = 0
    seek: int = 0


@dataclass
class Worker:
    """One worker: its chunk, and its progress.

    :ivar phase: "idle", "between" two records, "at" one, at the "end" of its chunk, "late" at one that was taken away.
    :ivar runs: whether the handler really runs: under an ended assignment it does not.
    """

    phase: str = "idle"
    chunk: Any = None
    claims: Any = None
    units: list[Any] = field(default_factory=list)
    item: Any = None
    runs: bool = False

    @property
    def tasks(self) -> list[Task]:
        if self.item is None:
            return []
        return list(self.item.tasks) if isinstance(self.item, TaskBatch) else [self.item]


class World:
    """The core and its surroundings."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        batches = BatchLimits(scope.limit, 1 << 20, 0.0, scope.of) if scope.kind == "batch" else None
        self.scheduler: Scheduler[str] = Scheduler(
            BufferLimits(1000, 1 << 20, 1000),
            commits=CommitRules(),
            batches=batches,
            lane_scope=self._lane_scope,
        )
        self.dispatch = self.scheduler.dispatch
        self.workers = [Worker() for _ in range(scope.workers)]
        self.going: dict[Any, Act] = {}
        self._locker: int | None = None
        self.left = Counter({name: getattr(scope, name) for name in BUDGETS})
        self.position: dict[str, int] = {}
        self.broker = dict.fromkeys(scope.keys, 0)
        self.done: dict[str, set[int]] = {partition: set() for partition in scope.keys}
        self.begun: dict[tuple[int, str], int] = {}
        self.arrived: list[Task] = []
        self.late: dict[str, dict[str, Any]] = {}
        self.commit: tuple[Any, str] | None = None
        self.draining: set[str] = set()
        self.halted = self.stopped = False
        for partition in scope.keys:
            self._assign(partition)

    def _lane_scope(self, partition: str) -> str:
        return "all" if self.scope.shares_lanes else partition

    # Possible acts

    def enabled(self) -> Iterator[tuple[tuple[Any, ...], bool]]:
        """The acts that may come next; of each, whether it is one that nothing keeps from happening in the end."""
        yield from ((("go", actor), True) for actor in list(self.going) if self._matters(actor))
        for number, worker in enumerate(self.workers):
            if number not in self.going and self._matters(number):
                yield from self._without_lock(number, worker)
                if LOCK not in self.going:
                    yield from self._with_lock(number, worker)
        if LOCK not in self.going:
            yield from self._of_loop()
            yield from self._of_deadlines()

    def _matters(self, actor: Any) -> bool:
        """Tell whether it makes a difference that *actor* acts now, and not after the next step of the holder of the
        lock.

        That step is about one chunk, and the only one who uses a chunk without the lock is its worker.
        """
        act = self.going.get(LOCK)
        return act is None or actor == LOCK or self._owner_of(act.at) == actor

    def _owner_of(self, shared: Any) -> int | None:
        """The worker that may use *shared* without the lock at this moment."""
        for number, worker in enumerate(self.workers):
            chunk = worker.chunk
            if chunk is not None and number != self._locker and (
                shared is chunk or any(shared is getattr(chunk, name, None) for name in SHARED)
            ):  # fmt: skip
                return number
        return None

    def _without_lock(self, number: int, worker: Worker) -> Iterator[tuple[tuple[Any, ...], bool]]:
        if worker.phase == "between":
            yield ("claim", number), True
        if worker.phase == "at":
            yield ("settle", number, "ok", 0), True
            for outcome in ("retry", "skip", "fail") if worker.runs else ():
                if self.left[outcome]:
                    yield from ((("settle", number, outcome, place), False) for place in range(len(worker.tasks)))

    def _with_lock(self, number: int, worker: Worker) -> Iterator[tuple[tuple[Any, ...], bool]]:
        if worker.phase == "idle":
            if self.dispatch.ready:
                yield ("take", number, NOW), True
            if self.dispatch.next_due is not None or self.dispatch.steal_due is not None:
                yield ("take", number, LATE), True
        if worker.phase == "end" or (worker.phase == "between" and worker.chunk.is_collectable):
            yield ("finish", number), True
        if worker.phase == "at" and len(worker.units) > 1 and self.left["give_back"]:
            yield ("give_back", number), False
        if worker.phase == "at" and worker.runs and self.left["deadline"]:
            yield ("detach", number), False

    def _of_loop(self) -> Iterator[tuple[tuple[Any, ...], bool]]:
        if any(worker.chunk is not None and worker.chunk.is_collectable for worker in self.workers):
            yield ("collect",), True
        if self.halted and self.scope.shares_lanes and not (self.draining or self.stopped):
            yield ("stop", NEVER), True
        if self.left["stop"] and not (self.draining or self.stopped):
            yield ("stop", 0.5), False
        for partition, keys in self.scope.keys.items():
            yield from self._of_partition(partition, len(keys))
        if self.commit is None and self.left["commit"] and self.scheduler.snapshot().offsets:
            yield ("snapshot",), False
        if self.commit is not None:
            yield ("refused",), True
            yield ("stored",) if self.commit[1] == "sent" else ("answered",), True

    def _of_partition(self, partition: str, end: int) -> Iterator[tuple[tuple[Any, ...], bool]]:
        if partition not in self.position:
            if not self.stopped:
                yield ("assign", partition), True
            return
        if self.left["seek"] and self.commit is None:  # a start waits for the answer to the commit on its way
            yield from ((("seek", partition, at), False) for at in range(end + 1) if at != self.position[partition])
        if partition in self.draining:
            yield ("end", partition), True
            return
        if self.position[partition] < end and not self.halted:
            yield ("feed", partition), True
        if self.left["drain"]:
            yield ("drain", partition, NEVER), False
            if self.scope.retry:
                yield ("drain", partition, 0.5), False
        if self.left["lose"]:
            yield ("lose", partition), False

    def _of_deadlines(self) -> Iterator[tuple[tuple[Any, ...], bool]]:
        for handler, late in self.late.items():
            if not late["expired"]:
                yield ("expire", handler, "skip"), True
                for outcome in ("retry", "fail"):
                    if self.left[outcome] and late["task"].is_wanted:
                        yield ("expire", handler, outcome), False
            if not late["returned"]:
                yield ("returned", handler), True

    # What happens

    def do(self, act: tuple[Any, ...]) -> None:
        """Let *act* happen up to its next step; see `enabled`."""
        name, *given = act
        if name == "go":
            self._switch(given[0], self.going[given[0]])
            return
        doing = getattr(self, f"_{name}")
        alone = name in ("claim", "settle")
        if not alone:
            self._locker = given[0] if name in ("take", "finish", "give_back") else None
        concerns = _always if alone else lambda shared: self._owner_of(shared) is not None
        self._switch(given[0] if alone else LOCK, Act(lambda: doing(*given), concerns))

    def _switch(self, actor: Any, act: Act) -> None:
        self.going[actor] = act
        act.switch()
        if act.dead:
            del self.going[actor]
            self._forget_arrived()

    def _assign(self, partition: str) -> None:
        self.scheduler.assign([partition])
        self.position[partition] = self.broker[partition]
        self.scheduler.confirm_commit(self.scheduler.learn_positions({partition: self.broker[partition]}))

    def _feed(self, partition: str) -> None:
        first = self.position[partition]
        last = min(first + self.scope.poll, len(self.scope.keys[partition]))
        self.position[partition] = last
        keys = self.scope.keys[partition]
        tasks = [Task(None, at, None if keys[at] == "-" else keys[at], 1, NOW) for at in range(first, last)]
        self.scheduler.feed({partition: tasks}, {})
        if self.scope.shares_lanes:
            self.arrived += [task for task in tasks if task.key is not None and hasattr(task, "assignment")]

    def _take(self, number: int, now: float) -> None:
        worker = self.workers[number]
        chunk = self.dispatch.next_chunk(self.scope.limit, now)
        if chunk is not None:
            chunk.since = NOW
            worker.chunk, worker.claims, worker.phase = chunk, iter(chunk), "between"

    def _claim(self, number: int) -> None:
        worker = self.workers[number]
        if self.scope.kind == "remote":
            worker.units = worker.chunk.claim_all()
            item = worker.units[0].tasks[0] if worker.units else None
        else:
            item = next(worker.claims, None)
        worker.item = item
        worker.phase = "end" if item is None else "at"
        if item is not None:
            self._begin(worker)

    def _begin(self, worker: Worker) -> None:
        """Let the handler begin; this is where the order of a key shows."""
        worker.runs = any(task.is_wanted for task in worker.tasks)
        for task in worker.tasks if worker.runs else ():
            if task.key is not None and task.is_wanted:
                self._check_order(worker, task)

    def _check_order(self, worker: Worker, task: Task) -> None:
        partition = task.assignment.partition
        others = [other.tasks for other in self.workers if other is not worker and other.runs]
        if any(other.key == task.key and other.assignment.scope == task.assignment.scope
               for found in others for other in found):  # fmt: skip
            raise ViolationError(f"two handlers are at key {task.key} of {partition} at once")
        self._check_arrival(worker, task)
        beside = {other.offset for other in worker.tasks} if self.scope.kind == "batch" else set()
        keys = self.scope.keys[partition]
        for before in range(task.offset):
            if keys[before] == task.key and before not in self.done[partition] | beside:
                raise ViolationError(f"{task} began before {before} of its key was done")
        place = (task.assignment.owner_of(task.offset).id, task.key)
        if self.scope.kind != "batch" and self.begun.get(place, -1) > task.offset:
            raise ViolationError(f"{task} began after one above it of its key")
        self.begun[place] = task.offset

    def _check_arrival(self, worker: Worker, task: Task) -> None:
        """Check that nothing of the same key came earlier, to another partition, that is not done."""
        arrived = self.arrived if task in self.arrived else []  # else it is repeated
        for other in arrived[: arrived.index(task)] if arrived else ():
            if other.key == task.key and other not in worker.tasks:
                raise ViolationError(f"{task} began before {other} of its key, which came first, was done")

    def _settle(self, number: int, outcome: str, place: int) -> None:
        worker = self.workers[number]
        if outcome != "ok":
            self.left[outcome] -= 1
        if worker.runs:
            failed = () if outcome in ("ok", "skip") else (place,)
            self._note_done(task for at, task in enumerate(worker.tasks) if at not in failed)
        made = OUTCOMES[outcome]() if worker.runs else NoVerdict
        if self.scope.kind == "batch":
            worker.runs = False
            some = {task: made if at == place else None for at, task in enumerate(worker.tasks)}
            worker.chunk.settle_all(None if made is None else some)
            worker.item, worker.phase = None, "between"
        elif self.scope.kind == "remote":
            self._settle_next(worker, made)
        else:
            worker.runs = False
            worker.chunk.settle(worker.item, made)
            worker.item, worker.phase = None, "between"

    def _settle_next(self, worker: Worker, outcome: Any) -> None:
        worker.runs = False
        if not worker.chunk.settle_next(worker.units[0], outcome):
            del worker.units[0]
        worker.item = worker.units[0].tasks[0] if worker.units else None
        worker.phase = "between" if worker.item is None else "at"
        if worker.item is not None:
            self._begin(worker)

    def _note_done(self, tasks: Any) -> None:
        """Note that *tasks* are done, but for those that come again after a jump back."""
        for task in tasks:
            if task.is_wanted or task.assignment.successor is None:
                self.done[task.assignment.partition].add(task.offset)

    def _forget_arrived(self) -> None:
        """Forget the records that no other waits for: those that are done, and dropped ones if a partition stays."""
        waits = self.draining == self.scope.keys.keys()
        self.arrived = [
            task
            for task in self.arrived
            if task.is_wanted
            and task.offset not in self.done[str(task.assignment.partition)]
            and (waits or task.offset in task.assignment.owner_of(task.offset).ledger.sizes)
        ]

    def _finish(self, number: int) -> None:
        worker = self.workers[number]
        if worker.phase == "end":
            chunk, worker.chunk, worker.claims, worker.phase = worker.chunk, None, None, "idle"
        else:
            chunk = worker.chunk
        self._fail(self.dispatch.take_in_outcomes(chunk, NOW))

    def _fail(self, failures: Any) -> None:
        self.halted = self.halted or bool(failures)

    def _collect(self) -> None:
        self._fail(self.dispatch.collect_outcomes(NOW))

    def _give_back(self, number: int) -> None:
        self.left["give_back"] -= 1
        worker = self.workers[number]
        worker.chunk.unclaim([worker.units.pop()])
        worker.chunk.since = NOW

    def _seek(self, partition: str, target: int) -> None:
        """The program jumps: all from the target on has to be done again, and what it skips need not be done."""
        self.left["seek"] -= 1
        skipped = range(self.position[partition], target)
        starts = self.scheduler.learn_positions({partition: target})
        self.done[partition] = {at for at in self.done[partition] if at < target} | {*skipped}
        self.position[partition] = target
        for place, (offset, _) in starts.offsets.items():
            self._check_offset(place, offset)
            self.broker[place] = offset
        self.scheduler.confirm_commit(starts)

    def _drain(self, partition: str, end: float) -> None:
        self.left["drain"] -= 1
        self.draining.add(partition)
        self.scheduler.drain([partition], end, NOW)

    def _stop(self, end: float) -> None:
        """Let all partitions leave together, for good."""
        self.stopped = True
        self.left["stop"] = 0
        self.draining.update(self.position)
        self.scheduler.drain(None, end, NOW)

    def _end(self, partition: str) -> None:
        resume_at = self._give_up(partition)
        if resume_at is not None:
            self._check_offset(partition, resume_at)
            self.broker[partition] = resume_at

    def _lose(self, partition: str) -> None:
        self.left["lose"] -= 1
        self._give_up(partition)

    def _give_up(self, partition: str) -> Any:
        del self.position[partition]
        self.draining.discard(partition)
        return self.scheduler.end_assignments([partition])[partition].resume_at

    def _snapshot(self) -> None:
        self.left["commit"] -= 1
        self.commit = (self.scheduler.snapshot(), "sent")

    def _stored(self) -> None:
        assert self.commit is not None
        for partition, (offset, _) in self.commit[0].offsets.items():
            self._check_offset(partition, offset)
            self.broker[partition] = offset
        self.commit = (self.commit[0], "stored")

    def _answered(self) -> None:
        assert self.commit is not None
        self.scheduler.confirm_commit(self.commit[0])
        self.commit = None

    def _refused(self) -> None:
        self.commit = None

    def _detach(self, number: int) -> None:
        self.left["deadline"] -= 1
        worker = self.workers[number]
        worker.chunk, worker.claims, worker.phase = None, None, "late"  # from now on it settles nothing
        stuck, failures = self.dispatch.detach_stuck(worker.item, NOW)
        self._fail(failures)
        if stuck is None:
            raise ViolationError(f"nothing was found of {worker.item}, which a worker is at")
        handler = f"handler {number} {self.left['deadline']}"
        self.late[handler] = {
            "worker": number, "task": worker.item, "stuck": stuck, "expired": False, "returned": False,
        }  # fmt: skip

    def _expire(self, handler: str, outcome: str) -> None:
        late = self.late[handler]
        late["expired"] = True
        if outcome == "skip":
            self._note_done([late["task"]] if late["task"].is_wanted else [])
        else:
            self.left[outcome] -= 1
        late["stuck"].settle(late["task"], OUTCOMES[outcome]())
        self._fail(self.dispatch.expire(late["stuck"], handler, {late["task"].lane}, NOW))
        self._forget(handler)

    def _returned(self, handler: str) -> None:
        late = self.late[handler]
        late["returned"] = True
        worker = self.workers[late["worker"]]
        worker.item, worker.phase, worker.runs = None, "idle", False
        self.dispatch.returned(handler, NOW)
        self._forget(handler)

    def _forget(self, handler: str) -> None:
        if self.late[handler]["expired"] and self.late[handler]["returned"]:
            del self.late[handler]

    # Invariants

    def check(self) -> None:
        """Check the invariants that hold whenever the lock is free.

        :raises ViolationError: something does not.
        """
        if LOCK in self.going:
            return
        for partition, assignment in self.scheduler._assignments.live:
            self._check_offset(partition, assignment.ledger.committable)
        self._check_places()
        self._check_lanes()
        self._check_leaving()
        self._check_tallies()

    def _check_offset(self, partition: str, offset: int | None) -> None:
        undone = [at for at in range(offset or 0) if at not in self.done[partition]]
        if undone:
            raise ViolationError(f"{offset} may be committed in {partition}, and {undone[0]} is not done")

    def _check_places(self) -> None:
        """Every unfinished record is in one place, and the records in flight are those of the chunks."""
        chunks = list(self.dispatch._chunks)
        if self.dispatch.in_flight != sum(chunk.taken for chunk in chunks):
            raise ViolationError(f"{self.dispatch.in_flight} are in flight, and chunks hold otherwise")
        held = [task for chunk in chunks for task in tasks_in(chunk)]
        if not self.going and len(held) != self.dispatch.in_flight:
            raise ViolationError(f"{self.dispatch.in_flight} are in flight, and chunks hold {held}")
        live = [assignment for _, assignment in self.scheduler._assignments.live]
        unstarted = self.scheduler._backlog.unstarted(live)
        hands = self._in_hands()
        for assignment in live:
            waiting = Counter(task.offset for task in unstarted[assignment])
            placed = Counter(task.offset for task in held if _is_of(task, assignment)) + waiting
            somewhere = {task.offset for task in (*hands, *self._expired()) if _is_of(task, assignment)}
            unfinished = assignment.ledger.sizes.keys() - assignment.halted
            if lost := unfinished - placed.keys() - somewhere:
                raise ViolationError(f"offsets {sorted(lost)} of {assignment} are nowhere")
            if twice := [offset for offset, count in placed.items() if count > 1 and not self.going]:
                raise ViolationError(f"offsets {twice} of {assignment} are in two places")
            if ghosts := waiting.keys() - unfinished:
                raise ViolationError(f"offsets {sorted(ghosts)} of {assignment} wait, and nothing counts on them")

    def _in_hands(self) -> list[Task]:
        """Tasks that workers are at, or are claiming or settling at this very moment."""
        going = [values for act in self.going.values() for _, _, values in act.frames]
        return [*tasks_in(going), *(task for worker in self.workers for task in worker.tasks)]

    def _expired(self) -> list[Task]:
        """Tasks that failed by their deadline and wait for their handler to return."""
        return [task for task in tasks_in(self.dispatch._overdue) if task.is_wanted]

    def _check_lanes(self) -> None:
        """Whatever holds a lane will let go of it."""
        roots = (self.dispatch._chunks, self.dispatch._overdue, self.scheduler._backlog.retries.waiting)
        holders = {task.lane for task in tasks_in(*roots)}
        holders |= {task.lane for task in self._in_hands()}
        for scope, table in self.scheduler._assignments._scopes._lanes.items():
            for lane in table.values():
                if lane.held and lane not in holders and not self.halted:
                    raise ViolationError(f"key {lane.key} of {scope} is held, and nothing will let go of it")

    def _check_leaving(self) -> None:
        """Nothing of a partition that leaves waits for a record that does not run before it has left."""
        backlog = self.scheduler._backlog
        late = {task.lane: due for due, *_, task in backlog.retries.waiting}
        late.update(dict.fromkeys(backlog._stopped, NEVER))
        for lane, due in late.items():
            for task in () if lane is None else lane.waiting:
                leaves_at = task.assignment.leaves_at
                if leaves_at is not None and (due > leaves_at or due == NEVER):
                    raise ViolationError(f"{task} leaves at {leaves_at}, and waits for a record until {due}")

    def _check_tallies(self) -> None:
        """A group of records counts as many as may run."""
        ready = self.scheduler._backlog.ready
        for key, group in ready._groups.items() if isinstance(ready, BatchQueue) else ():
            runnable = sum(1 if isinstance(entry, Task) else len(entry.waiting) for entry in group._entries)
            if group.tasks != runnable:
                raise ViolationError(f"group {key} counts {group.tasks}, and {runnable} may run")

    @property
    def is_done(self) -> bool:
        """Tell whether all possible work was done."""
        is_idle = all(worker.phase == "idle" for worker in self.workers) and not self.going and not self.late
        live = dict(self.scheduler._assignments.live)
        if self.stopped:
            return is_idle and not live
        if not (is_idle and live.keys() == self.scope.keys.keys() and not self.draining):
            return False
        if self.halted:
            return all(assignment.drained for assignment in live.values())
        return all(
            assignment.ledger.committable == len(self.scope.keys[partition]) and not assignment.lanes
            for partition, assignment in live.items()
        )

    # Its state

    def state(self) -> Any:
        """This world as a value: equal for worlds that nothing can tell apart."""
        places = {id(chunk): place for place, chunk in enumerate(self.dispatch._chunks)}
        workers = sorted(
            enumerate(self.workers),
            key=lambda found: (found[1].phase, places.get(id(found[1].chunk), -1), found[0] in self.going, found[0]),
        )
        parts: list[Any] = [self.scheduler, [*self.left.values()], [*self.position.items()], [*self.broker.items()]]
        parts += [[sorted(done) for done in self.done.values()], sorted(self.begun.items()), self.commit]
        parts += [self.arrived]
        parts += [sorted(self.draining), self.halted, self.stopped]
        order = {number: place for place, (number, _) in enumerate(workers)}
        for number, worker in workers:
            parts += [worker.phase, worker.chunk, worker.units, worker.item, worker.runs, _where(worker.claims)]
            parts.append(self._on_its_way(number))
        parts.append(self._on_its_way(LOCK))
        parts += [[order[late["worker"]], *list(late.values())[1:]] for late in self.late.values()]
        parts += [sorted(map(str, self.dispatch._returned))]
        return canonical(*parts)

    def _on_its_way(self, actor: Any) -> Any:
        act = self.going.get(actor)
        if act is None:
            return None
        return [
            (name, place, [value for value in values.values() if not isinstance(value, World)])
            for name, place, values in act.frames
            if name not in ("see", "<lambda>")
        ]


def _where(claims: Any) -> Any:
    """The position of a chunk's iterator."""
    frame = getattr(claims, "gi_frame", None)
    return None if frame is None else (frame.f_lasti, [frame.f_locals.get(name) for name in ("unit", "task")])


def _is_of(task: Task, assignment: Any) -> bool:
    """Tell whether *task* belongs to *assignment* now."""
    return task.assignment.owner_of(task.offset) is assignment


def _always(_: Any) -> bool:
    return True


BUDGETS = ("retry", "skip", "fail", "drain", "stop", "lose", "commit", "deadline", "give_back", "seek")
Doing = Callable[..., None]
