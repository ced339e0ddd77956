"""The settings of a consumer, and the combinations that are refused.

A new option is a field of `Options`, and an argument of `ParallelConsumer` in ``_consumer.py``, which describes it.
``_runtime/loop/assembly.py`` hands it to the part of a run that needs it. The command takes it by its type, and
``python -m docs._site.write_tables`` puts it into the reference.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from kafka_parallel._core.commit_schedule import CommitRules
from kafka_parallel._showing import shown
from kafka_parallel._unfinished import is_async, makes_generator
from kafka_parallel.errors import ConfigurationError

OrderingOption: TypeAlias = "str | Callable[[Any], Hashable | None] | None"
ExecutorOption: TypeAlias = "str | tuple[str, Mapping[str, Any]] | None"
PluginOption: TypeAlias = "str | tuple[str, Mapping[str, Any]] | object"

# Below the 30 seconds that Kubernetes grants between SIGTERM and SIGKILL, with room for the last commit.
STOP_TIMEOUT_MS = 20_000
# Well below kafka-python's max_poll_interval_ms (300 s): the whole group waits for a revoke.
REVOKE_TIMEOUT_MS = 15_000

# The default bound of buffered records: they cost memory, and a few records per worker keep all of them busy.
BUFFERED_RECORDS = 2_000
BUFFERED_PER_WORKER = 4
# When a record is reported to take long: no handler is meant to take a minute, and some do.
STUCK_AFTER_MS = 60_000
# More is not a number of seconds that Python can compute with, although its integers are larger.
LONGEST = sys.float_info.max


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Settings of one consumer; `ParallelConsumer` explains each.

    :raises ConfigurationError: for a value that cannot work, naming it.
    """

    ordering: OrderingOption = None
    workers: int = 16
    executor: ExecutorOption = field(default=None, repr=False)  # settings may hold passwords
    plugins: Sequence[PluginOption] = field(default=(), repr=False)  # settings may hold passwords
    max_buffered_records: int | None = None
    max_buffered_bytes: int = 64 * 1024 * 1024
    max_uncommitted: int = 10_000
    revoke_timeout_ms: float = REVOKE_TIMEOUT_MS
    stop_timeout_ms: float = STOP_TIMEOUT_MS
    install_signal_handlers: bool = True
    lazy_deserialization: bool = True
    handler_timeout_ms: float | None = None
    stuck_after_ms: float | None = STUCK_AFTER_MS
    explain_signal: int | None = None

    def __post_init__(self) -> None:
        for name in ("workers", "max_buffered_bytes", "max_uncommitted"):
            _require_count(name, getattr(self, name))
        if self.max_buffered_records is not None:
            _require_count("max_buffered_records", self.max_buffered_records)
        for name in ("revoke_timeout_ms", "stop_timeout_ms"):
            require_duration(name, getattr(self, name))
        for name in ("handler_timeout_ms", "stuck_after_ms"):
            if getattr(self, name) is not None:
                require_duration(name, getattr(self, name), least=1)
        if not (self.ordering is None or isinstance(self.ordering, str) or callable(self.ordering)):
            raise ConfigurationError(
                f"ordering={shown(self.ordering)}: give 'key', 'partition', 'unordered', the name of a plugin "
                "that provides an ordering, or a function from a record to its ordering key"
            )
        if callable(self.ordering) and (is_async(self.ordering) or makes_generator(self.ordering)):
            raise ConfigurationError(
                f"ordering={shown(self.ordering)}: a call of it runs nothing, and each record would get a key of its "
                "own and no order; give a plain function, without async and yield, that returns the ordering key"
            )
        _require_list(self.plugins)
        _require_executor(self.executor)
        for name in ("install_signal_handlers", "lazy_deserialization"):
            _require_flag(name, getattr(self, name))
        _require_signal(self.explain_signal)

    @property
    def executor_name(self) -> str | None:
        """The name of the plugin that is chosen as the executor; ``None`` if none is."""
        return self.executor[0] if isinstance(self.executor, tuple) else self.executor

    @property
    def buffered_records(self) -> int:
        """The number of records that may be buffered: as asked for, or enough for these workers and little more."""
        return self.max_buffered_records or max(BUFFERED_RECORDS, BUFFERED_PER_WORKER * self.workers)

    def commit_rules(self, config: Mapping[str, Any], interval_ms: float | None = None) -> CommitRules:
        """When commits are due, for a consumer with these settings and kafka-python's *config*.

        :param interval_ms: milliseconds between commits in the place of *config*'s.
        """
        return CommitRules(
            interval=(config["auto_commit_interval_ms"] if interval_ms is None else interval_ms) / 1000,
            stores_starts=config["auto_offset_reset"] != "earliest",
        )


def _require_list(plugins: object) -> None:
    if isinstance(plugins, (str, bytes)) or not isinstance(plugins, Sequence):
        raise ConfigurationError(
            f"plugins={_names_in(plugins)}: give a list of plugins, even for a single one{_as_list(plugins)}"
        )


def _require_executor(executor: object) -> None:
    if executor is None or isinstance(executor, str):
        return
    if not (
        isinstance(executor, tuple)
        and len(executor) == 2
        and isinstance(executor[0], str)
        and isinstance(executor[1], Mapping)
    ):
        raise ConfigurationError(
            f"executor={shown(executor)}: give 'thread-pool', 'asyncio', 'process-pool' or the name of a plugin that "
            "provides one, alone or with its settings: ('futures', {'executor': ...}) for any "
            "concurrent.futures.Executor"
        )


def _require_signal(number: object) -> None:
    if number is None:
        return
    known = isinstance(number, int) and not isinstance(number, bool) and number in signal.valid_signals()
    if not known or number in {signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGSTOP}:
        raise ConfigurationError(
            f"explain_signal={shown(number)}: give a signal that a program may handle and that does not end it, such "
            "as signal.SIGUSR1"
        )


def _require_flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name}={shown(value)}: must be True or False")


def _names_in(plugins: object) -> str:
    """Show the names of plugins; never their settings, of which one may be a password."""
    if isinstance(plugins, (set, frozenset)) and all(isinstance(name, str) for name in plugins):
        return repr(plugins)
    return shown(plugins)


def _as_list(plugins: object) -> str:
    """Return the correct form; nothing if it cannot be told."""
    if isinstance(plugins, str):
        return f": plugins=[{shown(plugins)}]"
    if isinstance(plugins, Mapping) and plugins:
        return f": plugins=[{', '.join(f'({shown(name)}, {{...}})' for name in plugins)}]"
    return ""


def _require_count(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigurationError(f"{name}={shown(value)}: must be an integer of at least 1")


def require_duration(name: str, value: object, least: float = 0) -> None:
    """Refuse a value that is no finite number of milliseconds.

    :raises ConfigurationError: *value* is none, or below *least*.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= LONGEST:
        raise ConfigurationError(f"{name}={shown(value)}: must be a finite number of milliseconds, {least} or more")
