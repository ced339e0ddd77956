"""Process the records of an existing kafka-python consumer in parallel, in order per key, without losing any."""

from kafka_parallel import _client_files, hookspecs  # noqa: F401 - the first says why kafka cannot be imported
from kafka_parallel._consumer import ParallelConsumer
from kafka_parallel._run_all import run_all
from kafka_parallel.decoders import Decoded, Decoder, RawBatch
from kafka_parallel.errors import (
    BatchFailed,
    CommitFailed,
    ConfigurationError,
    HandlerCancelled,
    HandlerTimeout,
    HandlerUnfinished,
    InvalidResult,
    KafkaParallelError,
    MemberFenced,
    NoRoute,
    NotHandedOver,
    PluginError,
    RecordFailed,
    RecordUnreadable,
    ResultNotWritten,
    StateError,
)
from kafka_parallel.executors import Chunk, Executor, Work
from kafka_parallel.facts import Statistics
from kafka_parallel.hookspecs import hookimpl
from kafka_parallel.results import Producing, Result, producing
from kafka_parallel.routing import AsyncRouter, Router
from kafka_parallel.throttle import Throttle
from kafka_parallel.values import (
    BackpressureEvent,
    Batch,
    BatchContext,
    CommitContext,
    DelayedTopics,
    Halt,
    Handled,
    RecordContext,
    Retry,
    Settings,
    Skip,
)

__all__ = [
    "AsyncRouter",
    "BackpressureEvent",
    "Batch",
    "BatchContext",
    "BatchFailed",
    "Chunk",
    "CommitContext",
    "CommitFailed",
    "ConfigurationError",
    "Decoded",
    "Decoder",
    "DelayedTopics",
    "Executor",
    "Halt",
    "Handled",
    "HandlerCancelled",
    "HandlerTimeout",
    "HandlerUnfinished",
    "InvalidResult",
    "KafkaParallelError",
    "MemberFenced",
    "NoRoute",
    "NotHandedOver",
    "ParallelConsumer",
    "PluginError",
    "Producing",
    "RawBatch",
    "RecordContext",
    "RecordFailed",
    "RecordUnreadable",
    "Result",
    "ResultNotWritten",
    "Retry",
    "Router",
    "Settings",
    "Skip",
    "StateError",
    "Statistics",
    "Throttle",
    "Work",
    "hookimpl",
    "hookspecs",
    "producing",
    "run_all",
]
