"""Whether a failed record is finished exactly when its dead letter is acknowledged, and which topics are refused."""

import re
import threading
from types import SimpleNamespace

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaConnectionError, KafkaTimeoutError, TopicAuthorizationFailedError

from kafka_parallel import ConfigurationError, Halt, RecordContext, Settings, Skip, StateError
from kafka_parallel_plugins.dlq import DeadLetterQueue


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

    def answer(self, call, topic):
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


def context(*, topic="orders", partition=1, offset=5, key=b"k", value=b"v", headers=()):
    raw = ConsumerRecord(topic, partition, -1, offset, 1000, 0, key, value, list(headers), None, 1, 1, -1)
    return RecordContext(raw=raw, attempt=1, epoch=1, queued_at=0.0, first_failed_at=12.5)


def started(start=None, producer=None, **plugin_settings):
    """Return a started plugin and its producer, with *producer* describing the fake one."""
    start = start or settings()
    made = []

    def make(**config):
        made.append(FakeProducer(clock=start.clock, **(producer or {}), **config))
        return made[0]

    plugin = DeadLetterQueue(make_producer=make, **plugin_settings)
    plugin.on_start(start)
    return plugin, made[0]


class TestDeadLetter:
    def test_it_has_the_bytes_of_the_record_and_finishes_it(self):
        plugin, producer = started()

        verdict = plugin.on_error(ValueError("no amount"), context(headers=[("trace", b"1")]))

        assert verdict == Skip("ValueError: dead letter orders-dlq[1]@0")
        [(topic, sent)] = producer.sent
        assert (topic, sent["key"], sent["value"], sent["partition"]) == ("orders-dlq", b"k", b"v", 1)
        assert sent["headers"][0] == ("trace", b"1")
        assert ("__dlq.errors.group", b"billing") in sent["headers"]
        assert sent.keys() == {"value", "key", "headers", "partition"}, "the timestamp is that of the dead letter"

    def test_a_fixed_topic_takes_those_of_all_topics(self):
        plugin, producer = started(settings(topics=["orders", "bills"]), topic="dead")

        plugin.on_error(ValueError(), context(topic="orders"))
        plugin.on_error(ValueError(), context(topic="bills"))

        assert [topic for topic, _ in producer.sent] == ["dead", "dead"]

    @pytest.mark.parametrize(("source", "partitions", "target"), [(3, 4, 3), (4, 4, 0), (7, 4, 3), (7, 1, 0)])
    def test_it_goes_to_the_same_partition_or_modulo(self, source, partitions, target):
        plugin, producer = started(producer={"partitions": partitions})

        plugin.on_error(ValueError(), context(partition=source))

        assert producer.sent[0][1]["partition"] == target

    @pytest.mark.parametrize(("key", "value"), [(b"k", None), (None, b"v"), (b"", None), (None, None)])
    def test_nulls_stay_nulls(self, key, value):
        plugin, producer = started()

        plugin.on_error(ValueError(), context(key=key, value=value))

        assert (producer.sent[0][1]["key"], producer.sent[0][1]["value"]) == (key, value)

    def test_many_workers_share_the_producer(self):
        plugin, producer = started()
        verdicts = []
        workers = [
            threading.Thread(target=lambda i=i: verdicts.append(plugin.on_error(ValueError(), context(offset=i))))
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

        verdict = plugin.on_error(KeyError("amount"), context())

        assert isinstance(verdict, Halt)
        assert verdict.reason.startswith("KeyError, and topic 'orders-dlq' did not acknowledge its dead letter")
        assert repr(error) in verdict.reason

    def test_the_wait_for_the_answer_is_what_the_metadata_left_over(self):
        plugin, producer = started(timeout_ms=30_000)
        producer.calls["partitions_for"] = 12.0

        plugin.on_error(ValueError(), context())

        assert producer.waited == [18.0]

    def test_nothing_is_left_over_when_the_metadata_took_too_long(self):
        plugin, producer = started(timeout_ms=1_000)
        producer.calls["partitions_for"] = 12.0

        plugin.on_error(ValueError(), context())

        assert producer.waited == [0.0]

    def test_an_error_before_the_start_is_refused(self):
        with pytest.raises(StateError, match="before on_start"):
            DeadLetterQueue().on_error(ValueError(), context())


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

        verdict = plugin.on_error(ValueError(), context())

        assert isinstance(verdict, Halt)
        assert "'orders-dlq', which this consumer reads itself" in verdict.reason
        assert producer.sent == []


class TestStart:
    def test_it_looks_up_the_topics_that_are_known(self):
        missing = {("partitions_for", "bills-dlq"): KafkaTimeoutError("no metadata")}

        with pytest.raises(ConfigurationError, match=r"'bills-dlq' \(KafkaTimeoutError\(.*create the topic") as caught:
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

    def test_the_stop_closes_the_producer_once(self):
        plugin, producer = started(timeout_ms=5_000)

        plugin.on_stop()
        plugin.on_stop()

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
    @pytest.mark.parametrize("topic", ["", "a b", "ä", ".", "..", "x" * 250, "__consumer_offsets", 7])
    def test_a_name_that_is_no_topic_is_refused(self, topic):
        with pytest.raises(ConfigurationError, match=re.escape(repr(topic))):
            DeadLetterQueue(topic=topic)

    @pytest.mark.parametrize("timeout_ms", [0, -1, float("inf"), float("nan"), "30"])
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
