"""The calls of a client that go wrong, and their errors."""

from __future__ import annotations

import random
from collections.abc import Callable

from kafka import errors

from kafka_parallel.testing.fake.cluster import Moment
from kafka_parallel.testing.fake.commits import AnswerLostError
from kafka_parallel.testing.simulation.plan import ANSWER_SECONDS, Plan
from kafka_parallel.testing.simulation.world import World

Fault = Callable[[], Exception]
COMMITS = ("commit", "commit_async")
# The number of errors of a run that a person has to repair, after which they are repaired.
MOST_FATAL = 20
# The same call may succeed later.
RETRIABLE: tuple[Fault, ...] = (
    errors.KafkaTimeoutError,
    errors.RebalanceInProgressError,
    errors.CoordinatorLoadInProgressError,
    errors.CoordinatorNotAvailableError,
    errors.NotCoordinatorError,
    errors.RequestTimedOutError,
    errors.KafkaConnectionError,
    lambda: errors.CommitFailedError(errors.RebalanceInProgressError()),
)
# The member was removed.
LOST: tuple[Fault, ...] = (errors.CommitFailedError, errors.IllegalGenerationError, errors.UnknownMemberIdError)
# A person has to repair something.
FATAL = (
    errors.GroupAuthorizationFailedError,
    errors.TopicAuthorizationFailedError,
    errors.InvalidCommitOffsetSizeError,
    errors.OffsetMetadataTooLargeError,
)
# A copy of a record cannot be written: the topic is missing, not ours to write, too small, on a disk that is full.
SEND: tuple[Fault, ...] = (
    *RETRIABLE,
    errors.UnknownTopicOrPartitionError,
    errors.TopicAuthorizationFailedError,
    errors.MessageSizeTooLargeError,
    errors.KafkaStorageError,
)
POLL_RETRIABLE: tuple[Fault, ...] = (errors.KafkaConnectionError, errors.RequestTimedOutError)


class Faults:
    """Strikes the calls of all clients, as likely as the plan says."""

    def __init__(self, world: World, plan: Plan) -> None:
        self._world = world
        self._plan = plan
        self._fatal = 0
        commit, poll = plan.commit_faults, plan.poll_faults
        self._likelihood = {"commit": commit, "send": commit, "committed": min(0.1, commit), "poll": poll}
        self._likelihood["commit_async"] = commit
        # A lot of its own, so that the fates of other calls stay as they were.
        self._answers = random.Random(f"answers {plan.seed}")

    def strike(self, call: str, moment: Moment) -> None:
        """Let *call* be late or fail, by lot."""
        chance, plan = self._world.random, self._plan
        if call == "commit_async":
            self._delay(moment)
        if plan.hiccups and call in COMMITS and chance.random() < plan.hiccups:
            self._raise(call, moment, RETRIABLE)
        if plan.late and chance.random() < plan.late:
            self._world.sleep(chance.choice([0.5, 3.0, 12.0]))
        if chance.random() < self._likelihood.get(call, 0.0):
            self._raise(call, moment, self._faults(call))

    def _delay(self, moment: Moment) -> None:
        """Let a commit at the interval, or its answer, be late, or its answer never come."""
        chance, plan = self._answers, self._plan
        if plan.is_slow_to_answer:
            self._world.sleep(chance.choice(ANSWER_SECONDS))
        if plan.commit_faults and chance.random() < plan.commit_faults / 4:
            self._world.note(f"no answer to commit_async, {moment} it took effect")
            raise AnswerLostError
        if plan.commit_faults and chance.random() < plan.commit_faults / 4:
            self._world.sleep(chance.choice([3.0, 12.0]))

    def _raise(self, call: str, moment: Moment, faults: tuple[Fault, ...]) -> None:
        error = self._world.random.choice(faults)()
        self._fatal += isinstance(error, FATAL)
        self._world.note(f"{call} fails {moment} it took effect: {error!r}")
        raise error

    def _faults(self, call: str) -> tuple[Fault, ...]:
        kinds = {"poll": POLL_RETRIABLE, "send": SEND, **dict.fromkeys(COMMITS, RETRIABLE * 3 + LOST)}.get(
            call, RETRIABLE
        )
        is_fatal = self._plan.is_fatal and call != "committed" and self._fatal < MOST_FATAL
        return (*kinds, *FATAL) if is_fatal else kinds
