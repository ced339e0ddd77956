"""The plugins of the simulated application: two that watch for the checker, and one with every bad habit."""

from __future__ import annotations

import random
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any

from kafka import TopicPartition

from kafka_parallel import Handled, HandlerTimeout, RecordContext, Retry, Skip, hookimpl
from kafka_parallel.errors import ConfigurationError, WorkerDied
from kafka_parallel.testing.simulation.acts import Acts, NoLuckError
from kafka_parallel.testing.simulation.checker import Checker
from kafka_parallel.testing.simulation.limits import LimitJudge, RetryShare
from kafka_parallel.testing.simulation.plan import Plan
from kafka_parallel.testing.simulation.world import World

# The answer of a gate instead of a handler's.
ANSWER = Skip("answered")
BY_LOT = "by lot"


class MisbehaviourError(Exception):
    """Raised by a plugin or a handler on purpose."""


class KeptOutError(Exception):
    """Raised by a wrapper of a record of a batch."""


class Watcher:
    """Tells the checker about assignments, and decides about failures by lot."""

    def __init__(self, world: World, checker: Checker, plan: Plan, name: str, acts: Acts) -> None:
        self._world = world
        self._checker = checker
        self._plan = plan
        self._name = name
        self._acts = acts

    @hookimpl
    def on_assign(self, partitions: frozenset[TopicPartition]) -> None:
        """Tell the checker."""
        self._world.note(f"{self._name} assigned {sorted(partition.partition for partition in partitions)}")
        self._checker.assigned(self._name, partitions)

    @hookimpl
    def on_revoke(self, partitions: frozenset[TopicPartition], lost: bool) -> None:  # noqa: FBT001 - the hook's
        """Tell the story."""
        self._acts.unwanted(partitions)
        self._checker.gave_up(self._name, partitions, self._plan.options["revoke_timeout_ms"] / 1000)
        numbers = sorted(partition.partition for partition in partitions)
        self._world.note(f"{self._name} {'lost' if lost else 'gave up'} {numbers}")

    @hookimpl
    def on_error(self, record: Any) -> Retry | Skip | None:
        """Decide by lot."""
        chance = self._world.random
        if self._plan.is_halting and chance.random() < 0.1:
            return None
        if (self._plan.dead_letters or self._plan.retry_topics) and chance.random() < 0.5:
            return None  # the plugins dlq and retry-topics are asked next
        if chance.random() < 0.3:
            self._world.note(f"{self._name} skips {record.partition}@{record.offset}")
            return Skip(BY_LOT)
        return Retry(chance.choice([0, 5, 300]))


class Auditor:
    """Tells the checker of skipped records; checks that they were written elsewhere before."""

    def __init__(
        self,
        world: World,
        checker: Checker,
        plan: Plan,
        name: str,
        source: str,
        judge: LimitJudge | None,
    ) -> None:
        self._world = world
        self._judge = judge
        self._timeout = (plan.timeout_ms or 0.0) / 1000
        self._checker = checker
        self._name = name
        self._source = source

    @hookimpl(wrapper=True)
    def on_error(self, error: Exception, context: RecordContext) -> Generator[None, Any, Any]:
        """Audit the answer."""
        raw = context.raw
        self._checker.decides(self._name, raw, error.call if isinstance(error, NoLuckError) else None)
        if isinstance(error, WorkerDied) and error.is_unwanted:
            self._checker.violate(f"{self._name} asked about {raw.offset}, killed with its process for another record")
        if isinstance(error, HandlerTimeout):
            self._checker.overdue(self._name, raw, self._world.now, self._timeout)
        if isinstance(error, NoLuckError) and error.call.is_late:
            self._checker.acted_late(error.call)
        if self._judge is not None:
            self._judge.failed(context)
        answer = yield
        if self._judge is not None and (wrong := self._judge.decided(context, answer, self._world.now)):
            self._checker.violate(wrong)
        self._checker.decided(self._name, raw, is_skip=isinstance(answer, Skip))
        if isinstance(answer, Skip):
            place = (raw.partition, raw.offset) if raw.topic == self._source else place_of(raw.headers, self._source)
            if answer.reason != BY_LOT and place is not None:  # a forged record comes from nowhere
                self._checker.copies.handed_on(place)
        return answer


def place_of(headers: Iterable[tuple[str, bytes | None]], source: str) -> tuple[int, int] | None:
    """The place in *source* where a record was first read that was written to a dead-letter topic or a retry topic."""
    found = dict(headers)
    if found.get("__dlq.errors.topic") == source.encode():
        return int(found["__dlq.errors.partition"] or b""), int(found["__dlq.errors.offset"] or b"")
    if "kafka_original-offset" in found:
        partition, offset = (found[f"kafka_original-{name}"] or b"" for name in ("partition", "offset"))
        return int.from_bytes(partition, "big"), int.from_bytes(offset, "big")
    return None


class Counter:
    """Tells the checker which attempt at a record this is."""

    def __init__(self, checker: Checker, name: str, share: RetryShare) -> None:
        self._checker = checker
        self._name = name
        self._share = share

    @hookimpl(wrapper=True)
    def on_record(self, context: RecordContext) -> Generator[None, Any, Any]:
        """Tell the checker."""
        self._share.enters(context)
        self._checker.attempted(self._name, context.raw, context.attempt)
        begun = self._checker.begun(self._name, context.raw)
        try:
            result = yield
        finally:
            if context.counts:
                self._checker.counted(self._name, context.raw)
        if result != ANSWER:  # else no handler has run
            self._checker.left(self._name, context.raw, begun)
        return result

    @hookimpl(wrapper=True)
    def on_error(self, context: RecordContext) -> Generator[None, Any, Any]:
        """Tell the checker that it failed."""
        self._checker.failed(self._name, context.raw)
        answer = yield
        self._share.decided(context, answer)
        return answer


class Listener:
    """Tells the checker of the ended attempts it was told of."""

    def __init__(self, checker: Checker, plan: Plan, name: str) -> None:
        self._checker = checker
        self._plan = plan
        self._name = name

    @hookimpl
    def on_handled(self, handled: Sequence[Handled]) -> None:
        """Tell the checker."""
        for raw, _, _, started, ended, error in handled:
            is_made_up = self._plan.hostile > 0 or isinstance(error, KeptOutError) or self._has_no_call(error)
            exact = self._plan.is_timed_exactly
            self._checker.told(self._name, raw, ended - started, error, is_exact=exact, is_made_up=is_made_up)

    def _has_no_call(self, error: BaseException | None) -> bool:
        """Tell whether *error* may come from an application's executor, which does not tell if a call had begun."""
        return "futures" in self._plan.executor and isinstance(error, (WorkerDied, ConfigurationError))


class Gate:
    """Keeps records out of batches, by lot: answers instead of the handler, or raises."""

    def __init__(self, world: World, checker: Checker, name: str, likelihood: float) -> None:
        self._world = world
        self._checker = checker
        self._name = name
        self._likelihood = likelihood

    @hookimpl
    def on_record(self, context: RecordContext) -> Any:
        """Answer, raise, or let it in."""
        chance, raw = self._world.random, context.raw
        if chance.random() >= self._likelihood:
            return None
        self._world.note(f"{self._name} keeps {raw.partition}@{raw.offset} out of its batch")
        if chance.random() < 0.5:
            raise KeptOutError("kept out")
        self._checker.answered(self._name, raw)
        return ANSWER


class Hostile:
    """Raises, sleeps and answers junk in every hook, by lot."""

    def __init__(self, world: World, seed: int, likelihood: float) -> None:
        self._world = world
        self._chance = random.Random(f"on_batch {seed}")
        self._likelihood = likelihood

    def _misbehave(self, where: str, junk: Any = None) -> Any:
        if self._world.random.random() >= self._likelihood:
            return None
        act: Callable[[], Any] = self._world.random.choice([self._raise, self._sleep, lambda: junk])
        self._world.note(f"a plugin misbehaves in {where}")
        return act()

    def _raise(self) -> None:
        raise MisbehaviourError("on purpose")

    def _sleep(self) -> None:
        self._world.sleep(self._world.random.choice([0.05, 1.0, 4.0]))

    @hookimpl(wrapper=True)
    def on_record(self) -> Generator[None, Any, Any]:
        """Misbehave before and after."""
        self._misbehave("on_record, before the handler")
        result = yield
        self._misbehave("on_record, after the handler")
        return result

    @hookimpl(wrapper=True)
    def on_batch(self) -> Generator[None, Any, Any]:
        """Misbehave before and after, by a lot of its own."""
        self._misbehave_in_batch("before")
        result = yield
        self._misbehave_in_batch("after")
        return result

    def _misbehave_in_batch(self, moment: str) -> None:
        if self._chance.random() < self._likelihood:
            self._world.note(f"a plugin misbehaves in on_batch, {moment} the handler")
            self._raise()

    @hookimpl(tryfirst=True)
    def on_error(self) -> Any:
        """Misbehave."""
        return self._misbehave("on_error", junk="junk")

    @hookimpl(wrapper=True)
    def on_commit(self) -> Generator[None, Any, Any]:
        """Misbehave before and after, and swallow errors."""
        self._misbehave("on_commit, before")
        try:
            result = yield
        except Exception:
            if self._world.random.random() < 0.5:
                raise
            result = None
        self._misbehave("on_commit, after")
        return result

    @hookimpl(trylast=True)
    def on_assign(self) -> Any:
        """Misbehave."""
        return self._misbehave("on_assign", junk=5)

    @hookimpl
    def on_revoke(self) -> Any:
        """Misbehave."""
        return self._misbehave("on_revoke", junk="junk")

    @hookimpl
    def on_backpressure(self) -> Any:
        """Misbehave."""
        return self._misbehave("on_backpressure", junk="junk")

    @hookimpl
    def on_worker_end(self) -> Any:
        """Misbehave."""
        return self._misbehave("on_worker_end", junk="junk")

    @hookimpl
    def on_stop(self) -> Any:
        """Misbehave."""
        return self._misbehave("on_stop", junk="junk")
