"""A failed record is finished exactly when its dead letter is acknowledged, and some topics are refused."""

import dataclasses
import re
import threading
from types import SimpleNamespace

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    NotLeaderForPartitionError,
    TopicAuthorizationFailedError,
)

from kafka_parallel import ConfigurationError, Halt, HandlerTimeout, RecordContext, Retry, Settings, Skip, StateError
from kafka_parallel._showing import shown
from kafka_parallel_plugins.dlq import DeadLetterQueue, DlqLimit


class FakeProducer:
    """Takes records as KafkaProducer does; each call can be told to raise or to take time."""

    def __init__(self, partitions=4, calls=None, clock=None, **config):
        self.config = config
        self.partitions = partitions
        self.calls = calls or {}
        self.clock = clock
        self.sent = []
        self.waited = []
        self.closed = []
        self.failures = {}

    def answer(self, call, topic):
        if self.failures.get(call):
            raise self.failures[call].pop(0)
        answer = self.calls.get((call, topic), self.calls.get(call))
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            self.clock.now += answer

    def partitions_for(self, topic):
        self.answer("partitions_for", topic)
        return set(range(self.partitions))

    def send(self, topic, **record):
        self.answer("send", topic)
        record["key"] = self.config["key_serializer"].serialize(topic, record["headers"], record["key"])
        self.sent.append((topic, record))
        return SimpleNamespace(get=lambda timeout: self.acknowledge(topic, record["partition"], timeout))

    def acknowledge(self, topic, partition, timeout):
        self.waited.append(timeout)
        self.answer("get", topic)
        return SimpleNamespace(topic=topic, partition=partition, offset=len(self.sent) - 1)

    def close(self, timeout):
        self.answer("close", None)
        self.closed.append(timeout)


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def settings(topics=("orders",), pattern=None, group_id="billing", config=None, clock=None):
    return Settings(
        workers=4,
        group_id=group_id,
        topics=frozenset(topics),
        pattern=None if pattern is None else re.compile(pattern),
        consumer_config={**KafkaConsumer.DEFAULT_CONFIG, **(config or {})},
        clock=clock or Clock(),
    )


def context(*, topic="orders", partition=1, offset=5, key=b"k", value=b"v", headers=(), attempt=1):
    raw = ConsumerRecord(topic, partition, -1, offset, 1000, 0, key, value, list(headers), None, 1, 1, -1)
    return RecordContext(raw=raw, attempt=attempt, assignment_id=1, queued_at=0.0, first_failed_at_ms=12_500.0)


def stop(plugin):
    """End the run that *plugin* is in, if it is in one."""
    plugin.on_stop(plugin._running and plugin._running[0])


def started(start=None, producer=None, **plugin_settings):
    """Return a started plugin and its producer, with *producer* describing the fake one."""
    start = start or settings()
    made = []

    def make(**config):
        made.append(FakeProducer(clock=start.clock, **(producer or {}), **config))
        made[-1].__dict__.update({name: made[0].__dict__[name] for name in ("calls", "failures", "sent", "closed")})
        return made[-1]

    plugin = DeadLetterQueue(make_producer=make, **plugin_settings)
    plugin.on_start(start)
    return plugin, made[0]


def decided(plugin, error, place, others=None):
    """The result of on_error if the other plugins answer *others*."""
    asking = plugin.on_error(error, place)
    next(asking)
    with pytest.raises(StopIteration) as end:
        asking.send(others)
    return end.value.value


class TestDeadLetter:
    def test_it_has_the_bytes_of_the_record_and_finishes_it(self):
        plugin, producer = started()

        verdict = plugin.bury(ValueError("no amount"), context(headers=[("trace", b"1")]))

        assert verdict == Skip("ValueError: dead letter orders-dlq[1]@0", written_to="orders-dlq")
        [(topic, sent)] = producer.sent
        assert (topic, sent["key"], sent["value"], sent["partition"]) == ("orders-dlq", b"k", b"v", 1)
        assert sent["headers"][0] == ("trace", b"1")
        assert ("__dlq.errors.group", b"billing") in sent["headers"]
        assert sent.keys() == {"value", "key", "headers", "partition"}, "the timestamp is that of the dead letter"

    def test_a_fixed_topic_takes_those_of_all_topics(self):
        plugin, producer = started(settings(topics=["orders", "bills"]), topic="dead")

        plugin.bury(ValueError(), context(topic="orders"))
        plugin.bury(ValueError(), context(topic="bills"))

        assert [topic for topic, _ in producer.sent] == ["dead", "dead"]

    @pytest.mark.parametrize(("source", "partitions", "target"), [(3, 4, 3), (4, 4, 0), (7, 4, 3), (7, 1, 0)])
    def test_it_goes_to_the_same_partition_or_modulo(self, source, partitions, target):
        plugin, producer = started(producer={"partitions": partitions})

        plugin.bury(ValueError(), context(partition=source))

        assert producer.sent[0][1]["partition"] == target

    @pytest.mark.parametrize(("key", "value"), [(b"k", None), (None, b"v"), (b"", None), (None, None)])
    def test_nulls_stay_nulls(self, key, value):
        plugin, producer = started()

        plugin.bury(ValueError(), context(key=key, value=value))

        assert (producer.sent[0][1]["key"], producer.sent[0][1]["value"]) == (key, value)

    def test_many_workers_share_the_producer(self):
        plugin, producer = started()
        verdicts = []
        workers = [
            threading.Thread(target=lambda i=i: verdicts.append(plugin.bury(ValueError(), context(offset=i))))
            for i in range(16)
        ]

        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

        offsets = {int(dict(sent["headers"])["__dlq.errors.offset"]) for _, sent in producer.sent}
        assert offsets == set(range(16))
        assert all(isinstance(verdict, Skip) for verdict in verdicts)


class TestNoAcknowledgement:
    @pytest.mark.parametrize("call", ["partitions_for", "send", "get"])
    @pytest.mark.parametrize(
        "error",
        [KafkaTimeoutError("no metadata"), AssertionError("Unrecognized partition"), ValueError("too large")],
        ids=lambda error: type(error).__name__,
    )
    def test_it_halts_with_the_cause(self, call, error):
        plugin, producer = started()
        producer.calls[call] = error

        verdict = plugin.bury(KeyError("amount"), context())

        assert isinstance(verdict, Halt)
        assert verdict.reason.startswith("KeyError, and topic 'orders-dlq' did not acknowledge its dead letter")
        assert repr(error) in verdict.reason

    def test_the_wait_for_the_answer_is_what_the_metadata_left_over(self):
        plugin, producer = started(timeout_ms=30_000)
        producer.calls["partitions_for"] = 12.0

        plugin.bury(ValueError(), context())

        assert producer.waited == [18.0]

    def test_nothing_is_left_over_when_the_metadata_took_too_long(self):
        plugin, producer = started(timeout_ms=1_000)
        producer.calls["partitions_for"] = 12.0

        plugin.bury(ValueError(), context())

        assert producer.waited == [0.0]

    def test_an_error_before_the_start_is_refused(self):
        with pytest.raises(StateError, match="before on_start"):
            DeadLetterQueue().bury(ValueError(), context())

    def test_a_failure_that_may_pass_is_tried_again(self):
        plugin, producer = started()
        producer.failures["get"] = [NotLeaderForPartitionError(), KafkaTimeoutError()]

        verdict = plugin.bury(KeyError("amount"), context())

        assert isinstance(verdict, Skip)
        assert len(producer.sent) == 3

    def test_it_is_tried_again_no_more_than_a_few_times(self):
        plugin, producer = started()
        producer.failures["get"] = [NotLeaderForPartitionError()] * 9

        verdict = plugin.bury(KeyError("amount"), context())

        assert isinstance(verdict, Halt)
        assert len(producer.sent) == 3

    def test_it_is_not_tried_again_when_the_time_is_over(self):
        plugin, producer = started(timeout_ms=1_000)
        producer.calls["partitions_for"] = 2.0
        producer.failures["get"] = [NotLeaderForPartitionError()] * 9

        assert isinstance(plugin.bury(KeyError("amount"), context()), Halt)
        assert len(producer.sent) == 1

    def test_a_failure_that_will_not_pass_is_final(self):
        plugin, producer = started()
        producer.failures["get"] = [TopicAuthorizationFailedError("orders-dlq")]

        assert isinstance(plugin.bury(KeyError("amount"), context()), Halt)
        assert len(producer.sent) == 1


class TestTooLarge:
    def written(self, refusals, value=b"v" * 500):
        plugin, producer = started()
        # the whole letter is refused twice: as one of many, and alone
        producer.failures["get"] = [MessageSizeTooLargeError() for _ in range(refusals + bool(refusals))]
        try:
            raise ValueError("x" * 2000)
        except ValueError as error:
            verdict = plugin.bury(error, context(value=value))
        sent = producer.sent[-1][1]
        return verdict, sent["value"], dict(sent["headers"]), len(producer.sent)

    @pytest.mark.parametrize(("refusals", "trace_bytes"), [(0, range(2000, 8193)), (1, [1024]), (2, [0])])
    def test_it_goes_with_less_and_less_of_the_stack_trace(self, refusals, trace_bytes):
        verdict, value, headers, tries = self.written(refusals)

        assert isinstance(verdict, Skip)
        assert tries == refusals + 1 + bool(refusals)
        assert value == b"v" * 500
        assert len(headers.get("kafka_dlt-exception-stacktrace", b"")) in trace_bytes
        assert "kafka-parallel.value-omitted" not in headers

    def test_one_that_suffers_from_a_large_one_of_another_worker_is_written_whole(self):
        plugin, producer = started()
        producer.failures["get"] = [MessageSizeTooLargeError()]

        assert isinstance(plugin.bury(ValueError("x" * 2000), context()), Skip)
        stop(plugin)

        headers = dict(producer.sent[-1][1]["headers"])
        assert len(headers["kafka_dlt-exception-stacktrace"]) > 2000
        assert producer.sent[-1][1]["value"] == b"v"
        assert producer.closed == [30.0, 30.0], "the broken producer was replaced, and both were closed"

    def test_at_last_it_goes_without_its_value_and_says_how_large_that_was(self):
        verdict, value, headers, _ = self.written(3)

        assert isinstance(verdict, Skip)
        assert value is None
        assert headers["kafka-parallel.value-omitted"] == b"500"
        assert headers["__dlq.errors.offset"] == b"5"

    def test_if_nothing_is_small_enough_it_halts(self):
        verdict, *_ = self.written(4)

        assert isinstance(verdict, Halt)
        assert "takes records of this size" in verdict.reason

    def test_a_record_without_a_value_does_not_claim_to_have_had_one(self):
        _, value, headers, _ = self.written(3, value=None)

        assert value is None
        assert "kafka-parallel.value-omitted" not in headers


class TestLimit:
    def ended(self, plugin, outcomes, partition=1):
        """The plugin's answers to records that fail where *outcomes* has an F; the watch sees the others."""
        answers = []
        for outcome in outcomes:
            place = context(partition=partition)
            if outcome == "F":
                answers.append(type(plugin.bury(ValueError(), place)).__name__)
            else:
                watch = plugin.on_record(place)
                next(watch)
                with pytest.raises(StopIteration):
                    watch.send(None)
        return answers

    def test_a_few_in_a_row_may_fail_and_a_success_ends_the_row(self):
        plugin, producer = started(limit=DlqLimit(max_consecutive=2))

        assert self.ended(plugin, "FF.FF.FFF") == ["Skip"] * 6 + ["Halt"]
        assert len(producer.sent) == 6, "letters beyond the limit are not written"

    def test_each_partition_has_its_own_row(self):
        plugin, _ = started(limit=DlqLimit(max_consecutive=2))

        assert self.ended(plugin, "FF", partition=1) + self.ended(plugin, "FF", partition=2) == ["Skip"] * 4

    def test_a_record_counts_where_it_was_read_whatever_its_headers_claim(self):
        start = dataclasses.replace(settings(), sources={"orders-retry-0": "orders"})
        plugin, _ = started(start, limit=DlqLimit(max_consecutive=2))

        def claiming(partition):
            place = [("kafka_original-partition", partition.to_bytes(4, "big")), ("kafka_original-offset", bytes(8))]
            return plugin.bury(ValueError(), context(topic="orders-retry-0", headers=place))

        assert [type(claiming(number)) for number in (1, 2, 3)] == [Skip, Skip, Halt]
        assert len(plugin._watch._recent) == 1, "headers must not decide how much is remembered"

    def test_the_ratio_is_judged_over_a_full_window_that_slides(self):
        plugin, _ = started(limit=DlqLimit(max_ratio=0.5, window=4))

        assert self.ended(plugin, "FF..F.F.") == ["Skip"] * 4
        assert self.ended(plugin, "FF") == ["Skip", "Halt"]

    def test_a_handler_that_returns_after_its_deadline_does_not_count_as_a_success(self):
        plugin, _ = started(limit=DlqLimit(max_consecutive=2))
        answers = []

        for offset in range(3):
            place = context(offset=offset)
            watch = plugin.on_record(place)
            next(watch)
            answers.append(type(plugin.bury(HandlerTimeout("too long"), place)))
            with pytest.raises(StopIteration):
                watch.send(None)

        assert answers == [Skip, Skip, Halt]
        assert not plugin._watch._running

    def test_neither_does_one_whose_record_is_tried_again(self):
        plugin, _ = started(limit=DlqLimit(max_consecutive=2))
        answers = []

        for offset in range(3):
            late, last = context(offset=offset), context(offset=offset, attempt=2)
            watch = plugin.on_record(late)
            next(watch)
            assert decided(plugin, HandlerTimeout("too long"), late, others=Retry(0)) == Retry(0)
            with pytest.raises(StopIteration):
                watch.send(None)
            answers.append(type(decided(plugin, HandlerTimeout("too long"), last)))

        assert answers == [Skip, Skip, Halt]

    def test_it_says_which_limit(self):
        plugin, _ = started(limit=DlqLimit(max_consecutive=1))
        self.ended(plugin, "F")

        reason = plugin.bury(ValueError(), context()).reason

        assert reason.startswith("2 records in a row would be dead letters (max_consecutive=1)")

    def test_without_a_limit_no_wrapper_costs_anything(self):
        assert not hasattr(DeadLetterQueue(), "on_record")
        assert hasattr(DeadLetterQueue(limit=DlqLimit(max_consecutive=1)), "on_record")

    @pytest.mark.parametrize(
        "numbers",
        [{"max_ratio": 1}, {"max_ratio": -0.1}, {"max_ratio": float("nan")}, {"max_consecutive": 0},
         {"max_ratio": 0.5, "window": 0}, {"max_consecutive": 1.5}, {}],
    )  # fmt: skip
    def test_a_limit_that_cannot_work_is_refused(self, numbers):
        with pytest.raises(ConfigurationError, match=r"limit.*limits nothing|of plugin dlq's limit is"):
            DlqLimit(**numbers)


class TestOwnTopics:
    def test_a_subscribed_dead_letter_topic_is_refused(self):
        with pytest.raises(ConfigurationError, match="dlq would write to topic 'orders-dlq', which this"):
            started(settings(topics=["orders", "orders-dlq"]))

    def test_a_fixed_topic_that_is_subscribed_is_refused(self):
        with pytest.raises(ConfigurationError, match=r"'dead'.*set the plugin's topic="):
            started(settings(topics=["orders", "dead"]), topic="dead")

    def test_a_fixed_topic_that_the_pattern_matches_is_refused(self):
        with pytest.raises(ConfigurationError, match="'orders-dead'"):
            started(settings(topics=(), pattern="^orders-"), topic="orders-dead")

    @pytest.mark.parametrize("pattern", ["orders", "^orders-.*", ".*", "^(orders|bills)-[a-z]+", "^orders-.*$", ".+$"])
    def test_a_pattern_that_matches_the_dead_letters_of_its_topics_is_refused(self, pattern):
        with pytest.raises(ConfigurationError, match=re.escape(repr(pattern))):
            started(settings(topics=(), pattern=pattern))

    @pytest.mark.parametrize("pattern", ["^orders$", "^orders-[a-z]+$", r"^orders\Z", "^(?!.*-dlq$)orders", ".*[0-9]$"])
    def test_a_pattern_that_leaves_them_out_is_accepted(self, pattern):
        started(settings(topics=(), pattern=pattern))

    def test_a_pattern_that_got_past_the_start_halts_the_first_dead_letter(self):
        plugin, producer = started(settings(topics=(), pattern="^(orders|orders-dlq)$"))

        verdict = plugin.bury(ValueError(), context())

        assert isinstance(verdict, Halt)
        assert "'orders-dlq', which this consumer reads itself" in verdict.reason
        assert producer.sent == []


class TestStart:
    def test_it_looks_up_the_topics_that_are_known(self):
        missing = {("partitions_for", "bills-dlq"): KafkaTimeoutError("no metadata")}

        with pytest.raises(ConfigurationError, match=r"'bills-dlq': no broker told of it .*create the topic") as caught:
            started(settings(topics=["bills", "orders"]), producer={"calls": missing})

        assert isinstance(caught.value.__cause__, KafkaTimeoutError)

    def test_a_producer_that_found_no_topic_is_closed(self):
        made = []

        def make(**config):
            made.append(FakeProducer(calls={"partitions_for": TopicAuthorizationFailedError("orders-dlq")}, **config))
            return made[0]

        with pytest.raises(ConfigurationError):
            DeadLetterQueue(make_producer=make).on_start(settings())

        assert made[0].closed == [30.0]

    def test_a_cluster_that_does_not_answer_is_a_configuration_error(self):
        def make(**config):
            raise KafkaConnectionError("refused")

        with pytest.raises(ConfigurationError, match=r"start its producer \(KafkaConnectionError.*bootstrap_servers"):
            DeadLetterQueue(make_producer=make).on_start(settings(config={"bootstrap_servers": "broker:9092"}))

    def test_a_topic_whose_dead_letter_topic_would_be_too_long_is_refused(self):
        with pytest.raises(ConfigurationError, match="1 to 249 characters"):
            started(settings(topics=["x" * 246]))

    def test_a_producer_that_cannot_send_a_letter_is_closed_by_force(self):
        plugin, producer = started(timeout_ms=5_000)
        acts = []

        def close(timeout):
            acts.append("close")
            if "force_close" not in acts:
                raise KafkaTimeoutError("Timeout waiting for future")

        producer.close = close
        producer._sender = SimpleNamespace(
            force_close=lambda: acts.append("force_close"), join=lambda timeout: acts.append("join")
        )

        stop(plugin)

        assert acts == ["close", "force_close", "join", "close"]

    def test_a_producer_whose_thread_is_stuck_is_said_and_fails_nothing(self, caplog):
        plugin, producer = started(timeout_ms=5_000)
        closed = []

        def close(timeout):
            closed.append(timeout)
            raise KafkaTimeoutError("Timeout waiting for future")

        producer.close = close
        producer._sender = SimpleNamespace(force_close=lambda: None, join=lambda timeout: None)

        stop(plugin)

        assert closed == [5.0, 5.0]
        assert "a producer did not end within 10 s after it was told to give everything up" in caplog.text

    # kafka-python 2.3: the thread of the producer has closed its sockets while close() was about to wake it
    @pytest.mark.parametrize("missed", [AttributeError("'NoneType' has no attribute 'sendall'"), OSError(9, "bad fd")])
    def test_a_producer_whose_thread_ends_before_it_is_woken_is_closed_all_the_same(self, missed):
        plugin, producer = started(timeout_ms=5_000)
        producer.failures["close"] = [missed]

        stop(plugin)

        assert producer.closed == [5.0]

    def test_a_large_letter_takes_the_new_producer_even_if_the_old_one_is_hard_to_close(self):
        plugin, producer = started()
        producer.failures = {"get": [MessageSizeTooLargeError()], "close": [AttributeError("sendall")]}

        assert isinstance(plugin.bury(ValueError("large"), context()), Skip)
        assert len(producer.sent) == 2

    def test_a_letter_that_meets_the_change_of_producers_takes_the_new_one(self):
        plugin, old = started()

        def send(topic, **record):
            del old.send
            old.failures["get"] = [MessageSizeTooLargeError()]
            plugin.bury(ValueError("large"), context(offset=6))  # of another worker, which closes the old producer
            raise AttributeError("'NoneType' has no attribute 'sendall'")

        old.send = send

        assert isinstance(plugin.bury(ValueError("small"), context()), Skip)
        assert len(old.sent) == 3

    def test_the_stop_closes_the_producer_once(self):
        plugin, producer = started(timeout_ms=5_000)

        stop(plugin)
        stop(plugin)

        assert producer.closed == [5.0]


class TestProducerConfig:
    def test_connection_and_security_are_those_of_the_consumer(self):
        theirs = {
            "bootstrap_servers": ["a:1", "b:2"],
            "security_protocol": "SASL_SSL",
            "ssl_cafile": "ca.pem",
            "ssl_password": "secret-1",
            "sasl_mechanism": "SCRAM-SHA-512",
            "sasl_plain_username": "me",
            "sasl_plain_password": "secret-2",
            "connections_max_idle_ms": 60_000,
            "reconnect_backoff_ms": 70,
            "retry_backoff_ms": 80,
            "api_version": (3, 9),
            "socks5_proxy": "socks5://proxy:1",
        }

        _, producer = started(settings(config=theirs))

        assert producer.config.items() >= theirs.items()

    def test_what_only_a_consumer_knows_stays_with_it(self):
        _, producer = started(settings(config={"group_id": "g", "max_poll_records": 7, "fetch_max_bytes": 8}))

        assert producer.config.keys() <= KafkaProducer.DEFAULT_CONFIG.keys()

    def test_every_in_sync_replica_has_to_answer(self):
        _, producer = started()

        assert producer.config["acks"] == "all"
        assert producer.config["enable_idempotence"] is True

    def test_the_client_can_be_told_from_the_consumer(self):
        _, producer = started(settings(config={"client_id": "app-7"}))

        assert producer.config["client_id"] == "app-7-dlq"

    @pytest.mark.parametrize(
        ("consumer", "timeout_ms", "answer_ms"), [(305_000, 30_000, 15_000), (2_000, 30_000, 2_000)]
    )
    def test_waits_fit_into_the_timeout(self, consumer, timeout_ms, answer_ms):
        _, producer = started(settings(config={"request_timeout_ms": consumer}), timeout_ms=timeout_ms)

        assert producer.config["max_block_ms"] == producer.config["delivery_timeout_ms"] == timeout_ms
        assert producer.config["request_timeout_ms"] == answer_ms

    def test_a_fraction_of_a_millisecond_is_rounded_up_because_requests_carry_integers(self):
        _, producer = started(timeout_ms=2_000.5)

        waits = [producer.config[name] for name in ("max_block_ms", "delivery_timeout_ms", "request_timeout_ms")]
        assert list(map(repr, waits)) == ["2001", "2001", "1001"]

    def test_a_setting_of_the_user_wins(self):
        overrides = {"client_id": "dead-letters", "compression_type": "gzip"}

        _, producer = started(settings(config={"client_id": "app-7"}), producer_config=overrides)

        assert producer.config.items() >= overrides.items()

    @pytest.mark.parametrize(
        "name",
        ["acks", "key_serializer", "value_serializer", "transactional_id", "max_block_ms", "delivery_timeout_ms"],
    )
    def test_a_setting_that_breaks_the_promise_is_refused(self, name):
        with pytest.raises(ConfigurationError, match=f"must not set '{name}'"):
            DeadLetterQueue(producer_config={name: "secret"})


class TestSettings:
    @pytest.mark.parametrize("dialects", ["karafka", ["kafka", "sprnig"], [], [7]])
    def test_an_unknown_dialect_is_refused(self, dialects):
        with pytest.raises(ConfigurationError, match=r"dialects of plugin dlq (has|is) .*kafka, spring, connect"):
            DeadLetterQueue(dialects=dialects)

    @pytest.mark.parametrize(
        ("setting", "value"), [("stack_trace", "no"), ("limit", 0.5), ("headers", "trace"), ("headers", [1])]
    )
    def test_a_choice_that_is_none_is_refused(self, setting, value):
        with pytest.raises(ConfigurationError, match=f"{setting} of plugin dlq is {shown(value)}"):
            DeadLetterQueue(**{setting: value})

    def test_a_consumer_without_bytes_is_refused(self):
        with pytest.raises(ConfigurationError, match="lazy_deserialization"):
            DeadLetterQueue().on_start(dataclasses.replace(settings(), has_raw_bytes=False))

    @pytest.mark.parametrize("topic", ["", "a b", "ä", ".", "..", "x" * 250, "__consumer_offsets", 7])
    def test_a_name_that_is_no_topic_is_refused(self, topic):
        with pytest.raises(ConfigurationError, match=re.escape(f"topic {shown(topic)}: ")):
            DeadLetterQueue(topic=topic)

    @pytest.mark.parametrize("timeout_ms", [0, -1, float("inf"), float("nan"), "30", True])
    def test_a_timeout_that_is_no_time_is_refused(self, timeout_ms):
        with pytest.raises(ConfigurationError, match=f"timeout_ms of plugin dlq is {timeout_ms!r}"):
            DeadLetterQueue(timeout_ms=timeout_ms)

    def test_a_misspelt_setting_is_named_without_its_value(self):
        with pytest.raises(ConfigurationError, match="sasl_plain_pasword") as caught:
            DeadLetterQueue(producer_config={"sasl_plain_pasword": "secret"})

        assert "secret" not in str(caught.value)

    def test_a_configuration_that_is_no_mapping_is_refused_without_its_value(self):
        with pytest.raises(ConfigurationError, match="is a str, not a mapping") as caught:
            DeadLetterQueue(producer_config="secret")

        assert "secret" not in str(caught.value)

    def test_no_secret_is_shown(self):
        plugin, _ = started(
            settings(config={"sasl_plain_password": "secret-1"}), producer_config={"ssl_password": "secret-2"}
        )

        assert "secret" not in repr(plugin)
        assert "ssl_password" in repr(plugin)
