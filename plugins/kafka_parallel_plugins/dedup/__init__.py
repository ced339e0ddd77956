"""Repeats fewer records after a crash, by asking Redis; it does not make sure that none is repeated.

Before a handler runs, Redis is asked about the message: one that is done is left out; one that another attempt works on
waits for the end of that one's lease. After the handler, the message is done, or its lease is given back.

The effect of the handler and the word ``done`` are two steps in two systems. A crash between them repeats the record.
So do an outage of Redis, an eviction, a failover that loses the last writes, and a handler that outlasts its lease. For
effects in a database, `kafka_parallel.inbox` has no such gap.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal

from kafka_parallel import ConfigurationError, Halt, KafkaParallelError, Retry, Skip, hookimpl
from kafka_parallel.inbox import message_id
from kafka_parallel.plugin_support import class_name, get_logger, wrong_setting
from kafka_parallel_plugins.dedup.leases import LeaseHeld, Leases
from kafka_parallel_plugins.dedup.outages import Outages, error_of

if TYPE_CHECKING:
    from kafka.consumer.fetcher import ConsumerRecord

    from kafka_parallel import RecordContext, Settings

__all__ = ["Dedup", "RedisUnavailable"]

log = get_logger(__name__)

# Seconds that one answer may take, for a client that is made here.
REDIS_TIMEOUT = 1.0
# The longest that a start waits for the first answer, in seconds, however long the client would.
START_TIMEOUT = 2.0
# Threads that ask Redis for coroutines, at most.
MOST_THREADS = 32


class RedisUnavailable(KafkaParallelError):  # noqa: N818 - named after what happened
    """Redis did not answer, and ``on_unavailable="halt"`` forbids to handle the record without it."""


# see docs/decisions/0083-fewer-repeats-with-redis.md
class Dedup:
    """Leaves out records that were handled before, as far as Redis knows.

    Threads: the hooks run on any number of workers. Beside ``async def`` handlers Redis is asked on threads of the
    plugin.

    :param redis: a client of ``redis`` (not of ``redis.asyncio``), or a URL. Give the client a short ``socket_timeout``
        and no retries of its own: a handler waits for its answers.
    :param ttl_ms: milliseconds for which a message is known to be done.
    :param lease_ms: milliseconds for which an attempt keeps others from its message: longer than a handler takes. After
        a kill, the records that were running wait for so long.
    :param id: which message a record is, as for `kafka_parallel.inbox.first_time`.
    :param on_unavailable: ``"handle"`` = without an answer of Redis records are handled, and may be repeats; Redis is
        asked again after 5 s. ``"halt"`` = run() stops.
    :raises ConfigurationError: a setting cannot work, or there is no package ``redis`` for a URL.
    """

    serves_one_run = True

    def __init__(
        self,
        *,
        redis: Any,
        ttl_ms: int = 86_400_000,
        lease_ms: int = 60_000,
        id: Literal["place", "ce"] | Callable[[ConsumerRecord], str] = "place",  # noqa: A002 - as in the inbox
        on_unavailable: Literal["handle", "halt"] = "handle",
    ) -> None:
        for name, value in (("ttl_ms", ttl_ms), ("lease_ms", lease_ms)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise wrong_setting("dedup", name, value, "an integer of at least 1 millisecond")
        if ttl_ms < lease_ms:
            raise wrong_setting("dedup", "ttl_ms", ttl_ms, f"not below lease_ms={lease_ms}")
        if on_unavailable not in ("handle", "halt"):
            raise wrong_setting("dedup", "on_unavailable", on_unavailable, "'handle' or 'halt'")
        if id not in ("place", "ce") and not callable(id):
            raise wrong_setting("dedup", "id", id, "'place', 'ce', header(NAME) or a function of the record")
        self._client = _client(redis)
        self._ttl_ms, self._lease_ms = ttl_ms, lease_ms
        self._id = id
        self._halts = on_unavailable == "halt"
        self._held: dict[tuple[object, ...], tuple[str, str]] = {}  # by attempt: the message, and the lease's owner
        self._leases: Leases
        self._outages: Outages
        self._prefix: str
        self._pool: ThreadPoolExecutor | None = None

    @hookimpl
    def on_start(self, settings: Settings) -> None:
        """Take the consumer's group and clock, and ask Redis for a sign of life.

        :raises ConfigurationError: there is no group, a lease would end before its handler, each record of an async
            batch would hold up the event loop, or results are written in transactions with the offsets.
        :raises RedisUnavailable: Redis does not answer, and that halts.
        """
        if settings.group_id is None:
            raise ConfigurationError("plugin dedup needs a consumer group: it keeps the messages of each group apart")
        if settings.transactions is not None:
            raise ConfigurationError(
                "plugin dedup cannot run beside one that writes results and offsets in one transaction, as "
                "exactly-once does: Redis knows a record as done before its results are written, so a crash between "
                "the two would lose them; leave dedup out, for exactly-once lets no reader see a repeat"
            )
        timeout_ms = settings.handler_timeout_ms
        if timeout_ms is not None and timeout_ms > self._lease_ms:
            raise ConfigurationError(
                f"lease_ms={self._lease_ms} of plugin dedup is below handler_timeout_ms={timeout_ms:g}: a lease would "
                "end before its handler does"
            )
        is_async = settings.executor == "asyncio"
        if is_async and settings.batch is not None:
            raise ConfigurationError(
                "plugin dedup asks Redis about each record of a batch, which would hold up the event loop: use a plain "
                "handler, or one of single records"
            )
        self._prefix = f"kafka-parallel:dedup:{settings.group_id}:"
        self._leases = Leases(self._client, self._lease_ms, self._ttl_ms, settings.clock)
        self._outages = Outages(settings.clock)
        self._look_for_redis()
        if is_async:
            self._pool = ThreadPoolExecutor(min(settings.workers, MOST_THREADS), "kafka-parallel-dedup")

    def _look_for_redis(self) -> None:
        """Note an outage before the first record meets it; a wrong host is one."""
        error = error_of(lambda: self._client.execute_command("PING"), START_TIMEOUT)
        if error is not None and self._halts:
            raise RedisUnavailable(f"{_place(self._client)} does not answer ({class_name(error)})") from error
        if error is not None:
            self._is_gone(error)

    @hookimpl
    def on_record(self, record: ConsumerRecord, context: RecordContext) -> Any:
        """Answer `Skip` for a message that is done.

        :raises LeaseHeld: another attempt works on it.
        :raises RedisUnavailable: Redis did not answer, and that halts.
        """
        message = self._prefix + message_id(record, self._id)
        if self._pool is not None:
            return self._claim_on_thread(self._pool, message, context)
        return self._noted(message, context, self._claim(message))

    async def _claim_on_thread(self, pool: ThreadPoolExecutor, message: str, context: RecordContext) -> Skip | None:
        owner = await asyncio.get_running_loop().run_in_executor(pool, self._claim, message)
        return self._noted(message, context, owner)

    def _noted(self, message: str, context: RecordContext, owner: str | None) -> Skip | None:
        if owner is None:
            return Skip("it was handled before: Redis knows it")
        if owner:
            self._held[_attempt(context)] = message, owner
        return None

    @hookimpl(wrapper=True, tryfirst=True, specname="on_record")
    def tell_redis(self, context: RecordContext) -> Generator[None, Any, Any]:
        """Mark the message as done in Redis if the handler returned; give the lease back if it raised.

        Neither is done for an attempt, that of *context*, for which the plugin has no lease.
        """
        try:
            result = yield
        except BaseException:
            if (held := self._held.pop(_attempt(context), None)) is not None:
                self._tell(self._leases.give_back, *held)
            raise
        if (held := self._held.pop(_attempt(context), None)) is not None:
            self._tell(self._leases.mark_done, held[0])
        return result

    @hookimpl(tryfirst=True)
    def on_error(self, error: BaseException) -> Retry | Halt | None:
        """Try a record again when the lease on it has ended; stop if Redis is away and that halts."""
        if isinstance(error, LeaseHeld):
            return Retry(error.delay_ms)
        if isinstance(error, RedisUnavailable):
            return Halt("on_unavailable of plugin dedup is 'halt'")
        return None

    @hookimpl
    def on_revoke(self) -> None:
        """Forget which leases of others were seen: this run may not get their records again."""
        self._leases.forget_owners()

    @hookimpl
    def on_stop(self) -> None:
        """Wait until Redis was told of all attempts, and end the threads that tell it."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None

    def _claim(self, message: str) -> str | None:
        """The owner of a new lease; ``""`` if Redis is away, ``None`` if the message is done."""
        if not (self._halts or self._outages.may_ask()):
            return ""
        try:
            owner = self._leases.claim(message)
        except LeaseHeld:
            self._is_back()
            raise
        except Exception as error:
            if self._halts:
                raise RedisUnavailable(f"{_place(self._client)} does not answer ({class_name(error)})") from error
            self._is_gone(error)
            return ""
        self._is_back()
        return owner

    def _tell(self, act: Callable[..., None], *arguments: str) -> None:
        if self._pool is None:
            self._told(act, *arguments)
        else:
            self._pool.submit(self._told, act, *arguments)

    def _told(self, act: Callable[..., None], *arguments: str) -> None:
        """Tell Redis; the record has ended as it has, whether that works or not."""
        if not (self._halts or self._outages.may_ask()):
            return
        try:
            act(*arguments)
        except Exception as error:  # noqa: BLE001 - any error of the client means that Redis does not know
            self._is_gone(error)

    def _is_gone(self, error: Exception) -> None:
        if self._outages.began():
            log.warning("%s does not answer (%s): records are handled without it, and some may be repeats",
                        _place(self._client), class_name(error))  # fmt: skip

    def _is_back(self) -> None:
        if self._outages.ended():
            log.warning("%s answers again: records that were handled before are left out", _place(self._client))


def _place(client: Any) -> str:
    """Name the Redis of *client* by host and port: other settings of it may be secret."""
    given = getattr(getattr(client, "connection_pool", None), "connection_kwargs", {})
    place = given.get("path") or ":".join(str(given[name]) for name in ("host", "port") if name in given)
    return f"Redis at {place}" if place else "Redis"


def _client(redis: Any) -> Any:
    if isinstance(redis, str):
        return _connected(redis)
    if not callable(getattr(redis, "register_script", None)):
        raise wrong_setting("dedup", "redis", redis, "a client of redis, or a URL such as redis://host:6379/0")
    if inspect.iscoroutinefunction(redis.execute_command):
        raise wrong_setting("dedup", "redis", redis, "a client of redis, not of redis.asyncio: it is asked on threads")
    return redis


def _connected(url: str) -> Any:
    try:
        from redis import Redis
    except ImportError:
        raise ConfigurationError("plugin dedup needs redis for a URL: pip install 'kafka-parallel[redis]'") from None
    try:
        return Redis.from_url(url, socket_timeout=REDIS_TIMEOUT, socket_connect_timeout=REDIS_TIMEOUT, retry=None)
    except ValueError:
        raise ConfigurationError("redis of plugin dedup is no URL: write redis://host:6379/0") from None


def _attempt(context: RecordContext) -> tuple[object, ...]:
    raw = context.raw
    return raw.topic, raw.partition, raw.offset, context.assignment_id, context.attempt
