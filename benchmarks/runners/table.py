"""The runners that are compared, their workloads, and the promises of each."""

from __future__ import annotations

from dataclasses import dataclass

OWN = "own"
# Ours, with kafka-parallel-compiled.
COMPILED = "compiled"


@dataclass(frozen=True)
class Runner:
    """One program.

    :ivar entry: ``module:function`` in this package; for the Java program, its ordering.
    :ivar environment: which environment it needs; see `benchmarks.environments`.
    :ivar keeps: "yes" if it keeps every record, or the records it loses.
    :ivar order: which records it handles one at a time, in offset order: "none", "key" or "partition".
    :ivar most: how many records it gets if the handler does nothing, for the slow ones; ``None`` for all.
    :ivar without: the runner that is the same without plugins.
    """

    name: str
    entry: str
    environment: str = OWN
    keeps: str = "yes"
    order: str = "none"
    most: int | None = None
    without: str = ""

    @property
    def is_ours(self) -> bool:
        """True if it is kafka-parallel."""
        return self.name.startswith("kafka-parallel")


RUNNERS = (
    Runner("poll loop", "poll_loop:run", order="partition"),
    Runner("poll loop, auto-commit", "poll_loop:run_auto_commit", keeps="not if a handler raises", order="partition"),
    Runner("naive pool", "naive_pool:run"),
    Runner("kafka-parallel", "ours_threads:run"),
    Runner("kafka-parallel, by key", "ours_threads:run_by_key", order="key"),
    Runner("kafka-parallel, 3 plugins", "ours_threads:run_with_plugins", without="kafka-parallel"),
    Runner("kafka-parallel, client's decoder", "ours_threads:run_with_clients_decoder", without="kafka-parallel"),
    Runner(
        "kafka-parallel, compiled decoder",
        "ours_threads:run_with_compiled_decoder",
        COMPILED,
        without="kafka-parallel",
    ),
    Runner("kafka-parallel, asyncio", "ours_asyncio:run"),
    Runner("kafka-parallel, asyncio, by key", "ours_asyncio:run_by_key", order="key"),
    Runner("kafka-parallel, asyncio, 3 plugins", "ours_asyncio:run_with_plugins", without="kafka-parallel, asyncio"),
    Runner(
        "kafka-parallel, asyncio, client's decoder",
        "ours_asyncio:run_with_clients_decoder",
        without="kafka-parallel, asyncio",
    ),
    Runner("kafka-parallel, batches of 1", "ours_batches:run_of_1"),
    Runner("kafka-parallel, batches of 10", "ours_batches:run_of_10"),
    Runner("kafka-parallel, batches of 1,000", "ours_batches:run_of_1000"),
    Runner("kafka-parallel, 2 processes", "ours_processes:run"),
    Runner("kafka-parallel, none fails", "failing:run_without_failures", order="key"),
    Runner("kafka-parallel, 50 fail", "failing:run_with_failures", order="key"),
    Runner("aiokafka sem", "aiokafka_semaphore:run", "aiokafka", keeps="no: commits what runs"),
    Runner("aiokafka gather", "aiokafka_gather:run", "aiokafka"),
    Runner("aiokafka lists", "aiokafka_lists:run", "aiokafka", keeps="not if a handler raises", order="partition"),
    Runner("arroyo threads", "arroyo_threads:run", "arroyo"),
    Runner("arroyo, 2 processes", "arroyo_processes:run", "arroyo"),
    Runner("faststream kcm", "faststream_kcm:run", "faststream", keeps="not if a handler raises", most=3_000),
    Runner("pyrallel", "pyrallel:run", "pyrallel", most=10_000),
    Runner("pyrallel, by key", "pyrallel:run_by_key", "pyrallel", order="key", most=10_000),
    Runner("Java PC", "UNORDERED", "java"),
    Runner("Java PC, by key", "KEY", "java", order="key"),
)
BY_NAME = {runner.name: runner for runner in RUNNERS}

_THREADS = ("naive pool", "kafka-parallel", "kafka-parallel, by key")
_ASYNCIO = ("kafka-parallel, asyncio", "kafka-parallel, asyncio, by key")
_PLUGINS = ("kafka-parallel, 3 plugins", "kafka-parallel, asyncio, 3 plugins")
_DECODER = ("kafka-parallel, client's decoder", "kafka-parallel, asyncio, client's decoder")
_COMPILED = "kafka-parallel, compiled decoder"  # it needs a compiler, so it is measured where peers are installed
_BATCHES = tuple(f"kafka-parallel, batches of {size}" for size in ("1", "10", "1,000"))
_PEERS = (
    "aiokafka sem", "aiokafka gather", "arroyo threads", "faststream kcm", "pyrallel", "pyrallel, by key",
    "Java PC", "Java PC, by key",
)  # fmt: skip
# pyrallel costs the same in both orders, and takes long.
_PEERS_ONCE = tuple(name for name in _PEERS if name != "pyrallel")
# The runners of each workload: first ours and kafka-python's recipes, then the peers.
ENTRANTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "no-op": (
        ("poll loop", "poll loop, auto-commit", *_THREADS, *_ASYNCIO, *_PLUGINS, *_DECODER),
        (_COMPILED, *_PEERS),
    ),
    "no-op, in batches": (("poll loop", "poll loop, auto-commit", "kafka-parallel", *_BATCHES), ("aiokafka lists",)),
    "5 ms": ((*_THREADS, *_ASYNCIO), _PEERS_ONCE),
    "5 ms, Zipf keys": ((_THREADS[2], _ASYNCIO[1]), ("pyrallel, by key", "Java PC, by key")),
    "100 ms, 1,000 at once": (_ASYNCIO, ("aiokafka sem", "aiokafka gather", "pyrallel")),
    "1 % 500 ms, else 2 ms": ((*_THREADS, *_ASYNCIO), _PEERS_ONCE),
    "5 ms, 50 fail 3 times": (("kafka-parallel, none fails", "kafka-parallel, 50 fail"), ()),
    "1 ms of Python": (("poll loop", "kafka-parallel, 2 processes"), ("arroyo, 2 processes",)),
    "at rest": ((*_THREADS[:2], _ASYNCIO[0]), ("aiokafka gather", "arroyo threads", "Java PC")),
    "20 ms, 100,000 wait": ((*_THREADS[:2], _ASYNCIO[0]), ("aiokafka gather", "arroyo threads", "Java PC")),
}


def entrants(workload: str, *, with_peers: bool) -> list[Runner]:
    """The runners that are measured on the workload of that name."""
    own, peers = ENTRANTS[workload]
    return [BY_NAME[name] for name in (*own, *(peers if with_peers else ()))]
