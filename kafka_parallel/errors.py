"""The errors that the library raises on purpose, and whose fault each one is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kafka_parallel._showing import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = [
    "FATAL",
    "BatchFailed",
    "BrokerError",
    "CommitFailed",
    "ConfigurationError",
    "HandlerCancelled",
    "HandlerError",
    "HandlerTimeout",
    "HandlerUnfinished",
    "KafkaParallelError",
    "MemberFenced",
    "NoRoute",
    "NotHandedOver",
    "PluginError",
    "RecordFailed",
    "RecordUnreadable",
    "RemoteTraceback",
    "StateError",
    "WorkerDied",
]

FATAL = (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError)
"""The errors of user code that stop run() at once and come out as they are; all else is the failure of its record."""


class KafkaParallelError(Exception):
    """Everything this library raises on purpose.

    It can be pickled, with all that it says; its ``__cause__`` stays behind, as with every exception.
    """

    def __reduce__(self) -> tuple[Callable[..., KafkaParallelError], tuple[Any, ...]]:
        """Let it be sent to another process; made anew from its message, it would need other arguments."""
        return _made_again, (type(self), self.args, vars(self).copy())


def _made_again(
    kind: type[KafkaParallelError], arguments: tuple[Any, ...], attributes: dict[str, Any]
) -> KafkaParallelError:
    error = kind.__new__(kind, *arguments)
    vars(error).update(attributes)
    return error


class ConfigurationError(KafkaParallelError, ValueError):
    """The caller's fault: an option, a handler or a consumer that cannot work; mostly raised before any record."""


class PluginError(KafkaParallelError):
    """A plugin's fault: it cannot be found, loaded or combined, or it broke the contract of a hook."""


class RecordFailed(KafkaParallelError):  # noqa: N818 - named after what happened to the record
    """A record's handler failed and no plugin chose to retry or skip it; ``__cause__`` is the handler's error.

    Nothing at or above the record was committed in its partition: the next run sees it again.

    :ivar topic: topic of the record.
    :ivar partition: partition of the record.
    :ivar offset: offset of the record.
    :param reason: why it failed, for the message.
    """

    def __init__(self, topic: str, partition: int, offset: int, reason: str) -> None:
        super().__init__(
            f"record {topic}[{partition}]@{offset} failed: {reason}; "
            "nothing at or above it was committed in its partition, so it will be processed again"
        )
        self.topic = topic
        self.partition = partition
        self.offset = offset


class BatchFailed(KafkaParallelError):  # noqa: N818 - named after what happened to the batch
    """Raise it from a batch handler to say which records failed; all others of the batch are handled.

    :param failed: index of a record in the handler's list, as it came -> its error, which ``on_error`` gets.
    :raises ConfigurationError: if it is empty, or something in it is no index or no error.
    """

    def __init__(self, failed: Mapping[int, Exception]) -> None:
        if not hasattr(failed, "items"):
            raise ConfigurationError(f"failed={shown(failed)}: give {{index: error}} of the records that failed")
        wrong = {
            index: error
            for index, error in failed.items()
            if isinstance(index, bool) or not isinstance(index, int) or index < 0 or not isinstance(error, Exception)
        }
        if wrong or not failed:
            raise ConfigurationError(
                f"failed={{{_shown_items(wrong or failed)}}}: give the index of each failed record and its error"
            )
        super().__init__(f"{len(failed)} records of the batch failed, at {', '.join(map(str, sorted(failed)))}")
        self.failed: dict[int, Exception] = dict(failed)

    def __reduce__(self) -> tuple[type[BatchFailed], tuple[dict[int, Exception]]]:
        """Let the error be sent from another process, whatever is in it."""
        return type(self), ({index: _sendable(error) for index, error in self.failed.items()},)


def _shown_items(failed: Mapping[int, Exception]) -> str:
    return ", ".join(f"{shown(index)}: {shown(error)}" for index, error in failed.items())


def _sendable(error: Exception) -> Exception:
    """Return *error* if it can be pickled and made again, else a stand-in."""
    import pickle  # a process that sends errors has it; it takes 0.4 MB of the others

    try:
        if type(pickle.loads(pickle.dumps(error))) is type(error):  # noqa: S301 - we just pickled it
            return error
    except Exception:  # noqa: BLE001, S110 - its class is at fault; what stands for it says what it was
        pass
    return HandlerError(f"{type(error).__module__}.{type(error).__qualname__}", str(error))


class NotHandedOver(KafkaParallelError):  # noqa: N818 - named after what happened to the record
    """Raise it from a function that hands records over to others, for a record that it could not hand over.

    The record has failed with *error*, not with this one, and ``context.stage`` is ``"prepare"``, as of a record that
    could not be deserialised: the plugin ``retry`` does not try it again, and ``circuit-breaker`` does not count it.

    :param error: the reason.
    :ivar error: the same.
    """

    def __init__(self, error: Exception) -> None:
        super().__init__(f"the record was not handed over: {error}")
        self.error = error
        self.__cause__: BaseException | None = error

    def __reduce__(self) -> tuple[type[NotHandedOver], tuple[Exception]]:
        """Let the error be sent from another process, whatever is in it."""
        return type(self), (_sendable(self.error),)


class NoRoute(KafkaParallelError):  # noqa: N818 - named after what there is not
    """No handler of a `kafka_parallel.Router` is for a record, so it failed."""


class HandlerTimeout(KafkaParallelError, TimeoutError):  # noqa: N818 - named after what happened to the handler
    """The handler's fault: it took longer than ``handler_timeout_ms``."""


class HandlerCancelled(KafkaParallelError):  # noqa: N818 - named after what happened to the handler
    """The handler's fault: an ``async def`` handler let out a CancelledError that the consumer did not send."""


class HandlerUnfinished(KafkaParallelError, TypeError):  # noqa: N818 - named after what happened to the handler
    """The handler's fault: it returned work, or an answer of ``on_error``, instead of doing the work.

    Work is a coroutine, a generator, a context manager, a future, a ``map`` or a function.
    """


class InvalidResult(KafkaParallelError, TypeError):  # noqa: N818 - named after the result
    """The handler's fault: it is made by `kafka_parallel.producing`, and returned something that is no result."""


class ResultNotWritten(KafkaParallelError):  # noqa: N818 - named after what happened to the result
    """A result of a handler of `kafka_parallel.producing` was not acknowledged, so its record failed.

    ``__cause__`` says why.

    :ivar topic: where it was to be written.
    :param reason: the answer, for the message.
    :param advice: the remedy, for the message.
    """

    def __init__(
        self,
        topic: str,
        reason: str,
        advice: str = "check that the topic exists, may be written and takes records of this size",
    ) -> None:
        super().__init__(f"topic {topic!r} did not acknowledge a result ({reason}): {advice}")
        self.topic = topic
        self._rest = (reason, advice)

    def __reduce__(self) -> tuple[type[ResultNotWritten], tuple[str, str, str]]:
        """Let the error be sent from another process."""
        return type(self), (self.topic, *self._rest)


class HandlerError(KafkaParallelError):
    """The handler raised something in another process that cannot be sent back; this stands for it.

    :ivar type_name: the class of the error, with its module.
    :ivar text: its message.
    """

    def __init__(self, type_name: str, text: str) -> None:
        super().__init__(f"{type_name}: {text}")
        self.type_name = type_name
        self.text = text

    def __reduce__(self) -> tuple[type[HandlerError], tuple[str, str]]:
        """Let the error be sent from another process."""
        return type(self), (self.type_name, self.text)


class RemoteTraceback(KafkaParallelError):  # noqa: N818 - it is the place of an error, not one of its own
    """The traceback of another process: the ``__cause__`` of an error from there, so that it is shown with it."""

    def __str__(self) -> str:
        return f"\n\n{self.args[0]}"


class WorkerDied(KafkaParallelError):  # noqa: N818 - named after what happened to the worker
    """The process that ran the handler ended in the middle of it: killed, out of memory, crashed, or it ended itself.

    The record has failed. run() raises it if several processes in a row ended before they had begun a record.

    :param message: how it ended, in a sentence.
    :ivar exitcode: how it ended; -N for signal N, ``None`` if that is not known.
    :ivar is_unwanted: whether its executor killed it because the record's partition had left: then it is no failure.
    """

    def __init__(self, message: str, exitcode: int | None, *, is_unwanted: bool = False) -> None:
        super().__init__(message)
        self.exitcode = exitcode
        self.is_unwanted = is_unwanted


class CommitFailed(KafkaParallelError):  # noqa: N818 - named after what happened to the commit
    """The group coordinator refused a commit for good (authorisation, invalid request); ``__cause__`` is its answer."""


class MemberFenced(KafkaParallelError):  # noqa: N818 - named after what happened to the member
    """Another member runs with the same ``group_instance_id``; this one's partitions are its, and nothing is committed.

    :ivar instance_id: the id that both have.
    :param group_id: the consumer group of both.
    """

    def __init__(self, group_id: str | None, instance_id: str | None) -> None:
        super().__init__(
            f"a newer member of group {group_id!r} runs with group_instance_id={instance_id!r}, so this one was fenced "
            "off: nothing of it is committed any more; give each consumer that runs at the same time an id of its own"
        )
        self.instance_id = instance_id


class RecordUnreadable(KafkaParallelError):  # noqa: N818 - named after what happened to the record
    """kafka-python cannot read a record: its partition stood still there while others went on; ``__cause__`` says why.

    Reasons are a wrong checksum, a codec that is not installed, or a header name that is not UTF-8. Nothing at or above
    the record was committed in its partition. ``consumer.seek(partition, offset)`` goes on behind it, during a run too.
    ``on_error`` is not asked: there is no record to decide about, and a ``Skip`` might pass any number of good ones.

    :ivar topic: topic of the record.
    :ivar partition: partition of the record.
    :ivar offset: offset of the record, or of the first record of the batch that cannot be read.
    """

    def __init__(self, topic: str, partition: int, offset: int) -> None:
        super().__init__(
            f"kafka-python cannot read record {topic}[{partition}]@{offset}: its partition stands still there, nothing "
            "at or above it was committed; mend the record, or go on behind it with "
            f"consumer.seek(TopicPartition({topic!r}, {partition}), OFFSET)"
        )
        self.topic = topic
        self.partition = partition
        self.offset = offset


class StateError(KafkaParallelError, RuntimeError):
    """The caller's fault: a call that the state forbids: run() a second time, poll() of a consumer that is run."""


class BrokerError(KafkaParallelError):
    """The test broker could not be prepared or started; the message names the cause and the remedy."""
