"""The rest of the simulated application, which goes on using its consumer beside the run: from handlers, and from a
thread of its own.

Refused calls must be refused every time; a pause of the user must hold until the user resumes; a ``close()`` must stop
the run. Allowed calls must neither lose nor repeat anything, which is the checker's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from greenlet import GreenletExit
from kafka import OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from kafka_parallel._runtime.client.guarded_class import is_guarded
from kafka_parallel.errors import StateError
from kafka_parallel.testing.fake import FakeConsumer
from kafka_parallel.testing.simulation.checker import Checker
from kafka_parallel.testing.simulation.clients import WatchedConsumer
from kafka_parallel.testing.simulation.world import World

if TYPE_CHECKING:
    from kafka_parallel.testing.simulation.process import Process

# The length of a user's pause, and of the thread's wait between two acts, in seconds.
WAITS = (0.01, 0.05, 0.3, 1.0)
# The likelihood that an act is a close(), and that a handler does something to the consumer.
CLOSING, IN_HANDLER = 0.02, 0.1
# The time of the last close(), in seconds: each makes the attempts count anew, and everything has to come to an end.
LAST_CLOSE = 600.0


class Meddler:
    """Uses one consumer beside its run.

    :param asked_to_stop: notes that the run is about to be stopped.
    :param is_stopping: tells whether it was.
    """

    def __init__(
        self,
        world: World,
        checker: Checker,
        name: str,
        consumer: WatchedConsumer,
        asked_to_stop: Callable[[], None],
        is_stopping: Callable[[], bool],
    ) -> None:
        self._world = world
        self._checker = checker
        self._name = name
        self._consumer = consumer
        self._asked_to_stop = asked_to_stop
        self._is_stopping = is_stopping
        self._held: dict[TopicPartition, Any] = {}

    def begin(self, process: Process) -> None:
        """Begin a thread that does something now and then."""
        process.start_thread(self._go_on, "meddler")

    def holds(self, partition: TopicPartition) -> bool:
        """Tell whether a pause of the user holds *partition*, as far as this client remembers it."""
        return partition in self._held and self._held[partition] is self._consumer.state_of(partition)

    def in_handler(self) -> None:
        """Do something that takes no time, by lot."""
        if self._world.random.random() < IN_HANDLER and is_guarded(self._consumer):
            acts: tuple[Callable[[], None], ...] = (self._be_refused, self._pause, self._resume)
            self._world.random.choice(acts)()

    def _go_on(self) -> None:
        while not self._consumer.is_closed:
            self._world.sleep(self._world.random.choice(WAITS))
            if is_guarded(self._consumer) and not self._consumer.is_closed:
                self._act()

    def _act(self) -> None:
        chance = self._world.random
        acts: tuple[Callable[[], None], ...] = (
            self._be_refused, self._be_refused, self._pause, self._resume, self._resume, self._commit,
        )  # fmt: skip
        if chance.random() < CLOSING and self._world.now <= LAST_CLOSE:
            self._close()
        else:
            chance.choice(acts)()

    def _be_refused(self) -> None:
        consumer = self._consumer
        chosen = {partition: OffsetAndMetadata(1 << 20, "", -1) for partition in consumer.assignment()}
        what: dict[str, Callable[[], Any]] = {
            "poll": lambda: consumer.poll(0),
            "iter": lambda: iter(consumer),
            "next": lambda: next(consumer),
            "subscribe": lambda: consumer.subscribe(["other"]),
            "unsubscribe": consumer.unsubscribe,
            "commit": lambda: consumer.commit(chosen),
            "commit_async": lambda: consumer.commit_async(chosen),
            # As methods that were bound before the run: they look nothing up on the consumer.
            "bound poll": lambda: FakeConsumer.poll(consumer),
            "bound commit": lambda: FakeConsumer.commit(consumer, chosen),
            "bound commit_async": lambda: FakeConsumer.commit_async(consumer, chosen),
        }
        name = self._world.random.choice(sorted(what))
        act: Any = what[name]
        try:
            if not act() and name == "bound poll":  # nothing is looked at while it joins, and nothing handed out
                return
        except StateError:
            return
        except KafkaError:  # that the fake was told to raise before it looks at anything
            return
        except BaseException as error:
            if is_guarded(consumer) or isinstance(error, GreenletExit):
                raise
        if is_guarded(consumer):  # else the run has ended while the call waited, and it is the user's own again
            self._checker.violate(f"{name}() of {self._name}'s consumer was not refused")

    def _pause(self) -> None:
        if not (assigned := sorted(self._consumer.assignment())):
            return
        partition = self._world.random.choice(assigned)
        self._world.note(f"{self._name}'s user pauses {partition.partition}")
        self._consumer.pause(partition)
        self._held[partition] = self._consumer.state_of(partition)

    def _resume(self) -> None:
        held = [partition for partition in self._held if self.holds(partition)]
        if self._consumer.paused() != set(held):
            self._checker.violate(f"paused() says {self._consumer.paused()}, the user has paused {held}")
        self._held.clear()
        for partition in held:
            self._world.note(f"{self._name}'s user resumes {partition.partition}")
            self._consumer.resume(partition)

    def _commit(self) -> None:
        commits: tuple[Callable[[], Any], ...] = (self._consumer.commit, self._consumer.commit_async)
        self._world.random.choice(commits)()

    def _close(self) -> None:
        self._world.note(f"{self._name}'s user closes the consumer")
        self._asked_to_stop()
        self._consumer.close()
        if not self._is_stopping():
            self._checker.violate(f"{self._name} was not stopped by close()")
