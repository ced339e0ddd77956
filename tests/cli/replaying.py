"""A replay of dead letters that is killed again and again: one seed decides the letters, the options and the moments.

The command runs as it is, on clients of the fake cluster. A record that it hands to its producer is on its way until
the network delivers it, in order within a partition: some before the answer is asked for, some after the process was
killed, some never. A line of the bookmark may be cut by a kill, unless the process has done anything since.
"""

from __future__ import annotations

import contextlib
import io
import random
import zlib
from collections import Counter, deque
from datetime import datetime, timezone

import click
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError

from kafka_parallel.cli.dlq_replay import replay
from kafka_parallel.testing import FakeCluster, FakeConsumer, FakeProducer, ManualClock

DEAD = "dead"
MOST_RUNS = 40
ERRORS = {"app.NoAmount": "NoAmount", "app.NoOwner": "NoOwner"}
# Without the options of the connection, of which only a real cluster makes one.
COMMAND = replay.callback.__wrapped__


class KilledError(BaseException):
    """The process is gone, and does nothing any more."""


class Process:
    """One start of the command.

    :param steps: after how many steps it is killed; ``None`` = never.
    """

    def __init__(self, chance, steps, bookmark):
        self.chance = chance
        self.steps = steps
        self.is_dead = False
        self.producers = []
        self._bookmark = bookmark
        self._size = self._size_now()

    def _size_now(self):
        return self._bookmark.stat().st_size if self._bookmark.exists() else 0

    def step(self, *_):
        """Take one step that others may see, unless it is killed before."""
        if self.is_dead:
            raise KilledError
        if self.steps is not None:
            self.steps -= 1
            if self.steps < 0:
                self._die()
        self._size = self._size_now()

    def _die(self):
        self.is_dead = True
        for producer in self.producers:
            producer.lose()
        if self._size_now() > self._size and self.chance.random() < 0.5:
            with self._bookmark.open("r+b") as file:
                file.truncate(self.chance.randrange(self._size, self._size_now()))
        raise KilledError


class Network(FakeProducer):
    """A producer whose records are on their way for a time.

    :param refusing: how likely a record is refused, or its answer lost.
    """

    def __init__(self, process, refusing, **config):
        super().__init__(**config)
        self.process = process
        self._chance = process.chance
        self._refusing = refusing
        self._ways = {}
        process.producers.append(self)

    def send(self, topic, value=None, key=None, headers=None, partition=None):
        self.process.step()
        raw = self._serialize("key_serializer", topic, headers, key)
        if partition is None:
            partition = zlib.crc32(raw or b"") % len(self._cluster.partitions_of(topic))
        way = self._ways.setdefault((topic, partition), deque())
        way.append(Pending(self, way, (topic, value, raw, headers, partition)))
        pending = way[-1]
        while self._chance.random() < 0.4 and (open_ways := self._open_ways()):
            self.deliver(self._chance.choice(open_ways))
        return pending

    def _open_ways(self):
        return [way for way in self._ways.values() if way]

    def deliver(self, way):
        """Let the next record of *way* arrive, or its answer not."""
        pending = way.popleft()
        topic, value, key, headers, partition = pending.record
        is_refused = self._chance.random() < self._refusing
        if not is_refused or self._chance.random() < 0.5:
            self._cluster.append(topic, value, key, partition=partition, headers=headers)
        pending.error = None if not is_refused else self._chance.choice([KafkaTimeoutError, MessageSizeTooLargeError])()

    def lose(self):
        """Let some of the records on their way arrive, and no more."""
        for way in self._open_ways():
            for _ in range(self._chance.randint(0, len(way))):
                self.deliver(way)
            way.clear()

    def close(self, timeout=None):
        for way in self._open_ways():
            while way:
                self.deliver(way)
        super().close(timeout)


class Pending:
    """A record on its way."""

    def __init__(self, network, way, record):
        self.record = record
        self.error = None
        self._network = network
        self._way = way

    def get(self, timeout):
        self._network.process.step()
        while self in self._way:
            self._network.deliver(self._way)
        if self.error is not None:
            raise self.error
        self._network.process.step()


class Connection:
    """Opens clients of the fake cluster for one process."""

    def __init__(self, cluster, process, refusing):
        self._cluster = cluster
        self._process = process
        self._refusing = refusing

    def consumer(self):
        config = {"group_id": None, "enable_auto_commit": False, "auto_offset_reset": "earliest"}
        return FakeConsumer(cluster=self._cluster, **config)

    def producer(self, **extra):
        return Network(self._process, self._refusing, cluster=self._cluster, **extra)

    def cluster_id(self):
        self._process.step()
        return "c1"


class Replaying:
    """The world of one seed.

    :param directory: where the bookmark is.
    :ivar kills, refusals: how many runs were killed, and how many ended because the broker refused a record.
    :ivar is_refused: whether the command must send nothing, because it was not allowed to send all that was chosen.
    """

    def __init__(self, seed, directory):
        self.chance = chance = random.Random(f"replay {seed}")
        self.cluster = FakeCluster(ManualClock())
        self.letters = {}
        self.kills = self.refusals = 0
        self._bookmark = directory / f"{seed}.bookmark"
        self._counts = {"a": chance.randint(1, 3), "b": chance.randint(1, 3), DEAD: chance.randint(1, 2)}
        for topic, count in self._counts.items():
            self.cluster.create_topic(topic, count)
        self._sources = chance.choice([("a",), ("a", "b"), ("a", "a", "a", "b")])
        for _ in range(chance.choice([1, 5, 30, 130, 250])):
            self._fail(chance.choice(self._sources))
        self._options = self._draw_options()
        self._refusing = chance.choice([0.0, 0.0, 0.01])
        wanted = {says["topic"] for says in self._chosen().values()}
        self.is_refused = not wanted <= set(self._options["allowed"])

    def _fail(self, topic):
        """Write a dead letter of *topic*."""
        chance = self.chance
        says = {
            "topic": topic, "partition": chance.randrange(4), "error": chance.choice([*ERRORS]),
            "is_empty": chance.random() < 0.05,
        }  # fmt: skip
        headers = [
            ("trace", b"1"),
            ("__dlq.errors.topic", topic.encode()),
            ("__dlq.errors.partition", str(says["partition"]).encode()),
            ("__dlq.errors.offset", b"7"),
            ("kafka_dlt-exception-fqcn", says["error"].encode()),
        ]
        if says["is_empty"]:
            headers.append(("kafka-parallel.value-omitted", b"9"))
        if chance.random() < 0.1:  # it was replayed before, and failed again
            headers.append(("kafka-parallel.replayed", b"other/dead/0/0"))
        key, value = chance.choice([None, b"k", b"l"]), chance.choice([None, b"v", b"w"])
        self.cluster.clock.advance(chance.choice([0, 1]))
        number, gap = chance.randrange(self._counts[DEAD]), chance.choice([0, 0, 0, 2])
        record = self.cluster.append(DEAD, value, key, partition=number, headers=headers, gap=gap)
        self.letters[record.partition, record.offset] = {**says, "record": record}

    def _draw_options(self):
        chance, now = self.chance, self.cluster.clock.wall()
        first = chance.randint(0, 60)
        choices = {
            "exception": chance.choice([*ERRORS, *ERRORS.values()]),
            "source": "a",
            "since": datetime.fromtimestamp(now - chance.randint(0, 60), timezone.utc),
            "until": datetime.fromtimestamp(now - chance.randint(0, 60), timezone.utc),
            "offsets": [(0, first, first + chance.randint(0, 60))],
        }
        given = {name: value for name, value in choices.items() if chance.random() < 0.2}
        nothing = {"exception": None, "source": None, "since": None, "until": None, "offsets": ()}
        return {
            **nothing, **given, "dead_letter_topic": DEAD, "bookmark": self._bookmark,
            "allowed": chance.choice([("a",), ("a", "b"), ("a", "b")]),
            "rate": chance.choice([None, 1_000_000.0]), "keep_headers": chance.random() < 0.3,
        }  # fmt: skip

    def _chosen(self):
        """The letters that the options mean, and that have a value."""
        return {place: says for place, says in self.letters.items() if self._is_chosen(place, says)}

    def _is_chosen(self, place, says):
        options, written = self._options, says["record"].timestamp / 1000
        named = options["exception"] in {None, says["error"], ERRORS[says["error"]]}
        is_in_time = (options["since"] is None or written >= options["since"].timestamp()) and (
            options["until"] is None or written < options["until"].timestamp()
        )
        ranges = options["offsets"]
        is_there = not ranges or any(place[0] == number and a <= place[1] <= b for number, a, b in ranges)
        return named and is_in_time and is_there and options["source"] in {None, says["topic"]} and not says["is_empty"]

    # What happens

    def run(self):
        """Start the command again and again until it ends well; check its acts.

        :raises AssertionError: it broke a promise.
        """
        for _ in range(MOST_RUNS):
            if self.chance.random() < 0.2:
                self._look()
            steps = self.chance.choice([None, 5, 30, 4 * len(self.letters) + 30])
            if self._start(None if steps is None else self.chance.randint(0, steps)):
                break
            self._meanwhile()
        else:
            self._refusing = 0.0
            assert self._start(None), "it came to no end"
        self._check()
        before = self._ends()
        assert self._start(None)
        assert self._ends() == before, "everything was sent, and then something once more"

    def _start(self, steps, *, execute=True):
        """Start it once; tell whether it ended by itself."""
        process = Process(self.chance, steps, self._bookmark)
        self.cluster.on_call = process.step
        before = self._ends()
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                COMMAND(Connection(self.cluster, process, self._refusing), execute=execute, **self._options)
        except KilledError:
            self.kills += 1
            return False
        except (KafkaTimeoutError, MessageSizeTooLargeError):
            self.refusals += 1
            return False
        except click.UsageError as error:
            if not self.is_refused or self._ends() != before:
                raise AssertionError(f"it was refused wrongly, or too late: {error}") from error
            return True
        assert not self.is_refused or not execute, "a topic was written to that was not named"
        return True

    def _look(self):
        """Ask for its plan."""
        before, had_bookmark = self._ends(), self._bookmark.exists()
        self._start(None, execute=False)
        assert self._ends() == before, "something was sent without --execute"
        assert self._bookmark.exists() == had_bookmark

    def _meanwhile(self):
        """Let others write to the topics, and records fail, before it is started again."""
        chance, allowed = self.chance, self._options["allowed"]
        for topic in allowed:
            if chance.random() < 0.3:
                self.cluster.append(topic, b"fresh", b"k", headers=[("kafka-parallel.replayed", b"other/dead/0/0")])
        if chance.random() < 0.1:
            self.cluster.add_partitions("a", len(self.cluster.partitions_of("a")) + 1)
        if chance.random() < 0.3 and not self.is_refused:
            self._fail(chance.choice([topic for topic in self._sources if topic in allowed] or ["a"]))

    def _ends(self):
        return {partition: log.end for partition, log in self.cluster.logs.items() if partition.topic != DEAD}

    # Invariants

    def _check(self):
        found = {}
        counts = Counter()
        for partition, log in self.cluster.logs.items():
            for record in log.records:
                marks = [value.decode() for name, value in record.headers if name == "kafka-parallel.replayed"]
                if partition.topic == DEAD or marks in ([], ["other/dead/0/0"]):
                    continue
                [mark] = marks
                place = tuple(map(int, mark.split("/")[2:]))
                counts[place] += 1
                found[place] = record
        expected = {} if self.is_refused else self._chosen()
        assert sorted(counts) == sorted(expected), "other letters were sent than the chosen ones"
        assert not (twice := {place: count for place, count in counts.items() if count > 1}), f"{twice} were sent twice"
        for place, record in found.items():
            self._check_record(record, expected[place])

    def _check_record(self, record, says):
        original = says["record"]
        assert (record.topic, record.key, record.value) == (says["topic"], original.key, original.value)
        assert record.topic in self._options["allowed"]
        if says["partition"] < self._counts[record.topic]:
            assert record.partition == says["partition"]
        names = [name for name, _ in record.headers]
        kept = [name for name, _ in original.headers if name != "kafka-parallel.replayed"]
        assert names == [*(kept if self._options["keep_headers"] else ["trace"]), "kafka-parallel.replayed"]
