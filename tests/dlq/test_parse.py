"""The facts read from the headers of nine dialects, byte for byte, and from broken bytes."""

from __future__ import annotations

import random
import tracemalloc

import hypothesis.strategies as st
import pytest
from hypothesis import given

from kafka_parallel.dlq import DeadLetter, is_control, parse
from kafka_parallel.dlq._dialects import DIALECTS
from kafka_parallel_plugins.dlq.headers import DIALECTS as WRITTEN
from tests.plugins.test_dlq_headers import CONNECT, GOLDEN, a_context, dead_letter_headers

# Written out by hand from each project's documentation and source.
LETTERS = {
    "kafka": (
        {
            "__dlq.errors.topic": b"orders", "__dlq.errors.partition": b"12", "__dlq.errors.offset": b"4294967297",
            "__dlq.errors.group": b"billing", "__dlq.errors.delivery.count": b"5",
            "__dlq.errors.message": b"Offset delivery count exceeded the threshold.",
        },
        DeadLetter(
            topic="orders", partition=12, offset=4294967297, group="billing", attempts=5,
            message="Offset delivery count exceeded the threshold.",
        ),
    ),
    "spring": (
        {
            "kafka_dlt-original-topic": b"orders", "kafka_dlt-original-partition": b"\x00\x00\x00\x0c",
            "kafka_dlt-original-offset": b"\x00\x00\x00\x01\x00\x00\x00\x01",
            "kafka_dlt-original-timestamp": b"\x00\x00\x01\x8b\xcf\xe5\x68\x7b",
            "kafka_dlt-original-timestamp-type": b"CreateTime", "kafka_dlt-original-consumer-group": b"billing",
            "kafka_dlt-exception-fqcn": b"org.springframework.kafka.listener.ListenerExecutionFailedException",
            "kafka_dlt-exception-cause-fqcn": b"java.lang.IllegalStateException",
            "kafka_dlt-exception-message": b"no \xc3\xa4mount", "kafka_dlt-exception-stacktrace": b"at a.B.c(B.java:7)",
        },
        DeadLetter(
            topic="orders", partition=12, offset=4294967297, timestamp_ms=1700000000123, group="billing",
            exception="org.springframework.kafka.listener.ListenerExecutionFailedException",
            cause="java.lang.IllegalStateException", message="no \xe4mount", stack_trace="at a.B.c(B.java:7)",
        ),
    ),
    "spring-retry": (
        {
            "retry_topic-attempts": b"\x00\x00\x00\x03",
            "retry_topic-original-timestamp": b"\x01\x8b\xcf\xe5\x68\x7b",
            "retry_topic-backoff-timestamp": b"\x01\x8b\xcf\xe5\x6c\x63",
        },
        DeadLetter(attempts=3, timestamp_ms=1700000000123, due_at_ms=1700000001123),
    ),
    "connect": (
        {
            "__connect.errors.topic": b"orders", "__connect.errors.partition": b"12",
            "__connect.errors.offset": b"7", "__connect.errors.connector.name": b"sink",
            "__connect.errors.task.id": b"0", "__connect.errors.stage": b"VALUE_CONVERTER",
            "__connect.errors.class.name": b"org.apache.kafka.connect.json.JsonConverter",
            "__connect.errors.exception.class.name": b"org.apache.kafka.connect.errors.DataException",
            "__connect.errors.exception.message": b"no schema", "__connect.errors.exception.stacktrace": b"at a.B",
        },
        DeadLetter(
            topic="orders", partition=12, offset=7, exception="org.apache.kafka.connect.errors.DataException",
            message="no schema", stack_trace="at a.B",
        ),
    ),
    "streams": (
        {
            "__streams.errors.exception": b"java.lang.ArithmeticException", "__streams.errors.message": b"/ by zero",
            "__streams.errors.stacktrace": b"at a.B", "__streams.errors.topic": b"orders",
            "__streams.errors.partition": b"0", "__streams.errors.offset": b"7",
        },
        DeadLetter(
            topic="orders", partition=0, offset=7, exception="java.lang.ArithmeticException", message="/ by zero",
            stack_trace="at a.B",
        ),
    ),
    "spring-cloud-stream": (
        {
            "x-original-topic": b"orders", "x-original-partition": b"\x00\x00\x00\x0c",
            "x-original-offset": b"\x00\x00\x00\x00\x00\x00\x00\x07",
            "x-original-timestamp": b"\x00\x00\x01\x8b\xcf\xe5\x68\x7b", "x-original-timestamp-type": b"CreateTime",
            "x-exception-fqcn": b"java.lang.RuntimeException", "x-exception-message": b"no",
            "x-exception-stacktrace": b"at a.B",
        },
        DeadLetter(
            topic="orders", partition=12, offset=7, timestamp_ms=1700000000123, exception="java.lang.RuntimeException",
            message="no", stack_trace="at a.B",
        ),
    ),
    "smallrye": (
        {
            "dead-letter-topic": b"orders", "dead-letter-partition": b"12", "dead-letter-offset": b"7",
            "dead-letter-reason": b"no", "dead-letter-exception-class-name": b"java.io.IOException",
            "dead-letter-cause": b"reset", "dead-letter-cause-class-name": b"java.net.SocketException",
        },
        DeadLetter(
            topic="orders", partition=12, offset=7, exception="java.io.IOException", cause="java.net.SocketException",
            message="no",
        ),
    ),
    "karafka": (
        {
            "source_topic": b"orders", "source_partition": b"12", "source_offset": b"7",
            "source_consumer_group": b"billing", "source_attempts": b"2", "source_trace_id": b"3f2a",
        },
        DeadLetter(topic="orders", partition=12, offset=7, group="billing", attempts=2),
    ),
    "python": (
        {
            "DEAD_LETTER_MESSAGE_TOPIC": b"orders", "DEAD_LETTER_MESSAGE_PARTITION": b"12",
            "DEAD_LETTER_MESSAGE_OFFSET": b"7", "DEAD_LETTER_SUMMARY": b"ValueError('no')",
            "DEAD_LETTER_DETAIL": b"Traceback", "retriable_kafka_attempt": b"\x00\x00\x00\x00\x00\x00\x00\x02",
        },
        DeadLetter(
            topic="orders", partition=12, offset=7, attempts=2, message="ValueError('no')", stack_trace="Traceback"
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("dialect", LETTERS)
def test_a_dialect_is_read_from_its_bytes(dialect):
    headers, expected = LETTERS[dialect]

    found = parse([("trace", b"1"), *headers.items()])

    values = {name: getattr(found, name) for name in DeadLetter.__dataclass_fields__}
    assert values.pop("dialects") == (dialect,)
    assert values.pop("damaged") == ()
    assert values == {name: getattr(expected, name) for name in values}


@pytest.mark.parametrize(
    ("name", "data", "field", "value"),
    [
        ("retry_topic-attempts", b"\x03", "attempts", 3),
        ("x-original-partition", b"12", "partition", 12),
        ("x-original-offset", b"12345678", "offset", 12345678),
        ("delayed-retry-count", b"2", "attempts", 2),
        ("x-dlt-error-type", b"KeyError", "exception", "KeyError"),
        ("x-dlt-origin-offset", b"7", "offset", 7),
        ("kafka_dlt-key-exception-message", b"no", "message", "no"),
        ("__dlq.errors.message", b"\xff!", "message", "!"),
        ("__dlq.errors.delivery.count", b"99999", "attempts", 32767),
        ("retry_topic-attempts", b"\xff\xff\xff\xff", "attempts", 1),
    ],
)  # fmt: skip
def test_what_else_is_written_is_read_too(name, data, field, value):
    assert getattr(parse([(name, data)]), field) == value


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("kafka_dlt-original-partition", b"\x01"), ("kafka_dlt-original-partition", b"\xff\xff\xff\xff"),
        ("kafka_dlt-original-offset", b""), ("__dlq.errors.partition", b"4294967296"), ("__dlq.errors.offset", b"-1"),
        ("__dlq.errors.offset", b"1e3"), ("__dlq.errors.offset", b"9" * 1_000_000), ("__dlq.errors.topic", b"a/b"),
        ("__dlq.errors.topic", b"a" * 250), ("retry_topic-backoff-timestamp", b""),
        ("retry_topic-backoff-timestamp", b"\x01" * 9), ("retry_topic-attempts", b"\x00\x03"),
        ("__dlq.errors.message", None), ("source_attempts", b" 3"), ("__dlq.errors.offset", "\u0663".encode()),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_and_tells_nothing(name, data):
    found = parse([(name, data)])

    assert found == DeadLetter(damaged=(name,))


def test_of_headers_of_one_name_the_last_one_counts():
    assert parse([("__dlq.errors.topic", b"old"), ("__dlq.errors.topic", b"new")]).topic == "new"


def test_karafkas_plain_names_are_believed_only_where_nobody_else_says_anything():
    headers = [("source_topic", b"users"), ("__dlq.errors.topic", b"orders")]

    assert parse(headers).topic == parse(headers[::-1]).topic == "orders"


def test_our_own_letters_are_read_back():
    context = a_context()
    found = parse(dead_letter_headers(ValueError("no amount"), context, "billing", dialects=WRITTEN))

    raw = context.raw
    assert (found.topic, found.partition, found.offset) == (raw.topic, raw.partition, raw.offset)
    assert (found.timestamp_ms, found.attempts, found.group) == (raw.timestamp, 3, "billing")
    assert (found.exception, found.message) == ("builtins.ValueError", "no amount")
    assert found.first_failed_at_ms == 1_700_000_000_250
    assert found.dialects == ("kafka-parallel", "kafka", "spring", "connect")


def test_what_we_write_is_moved_away_when_it_comes_back():
    assert all(is_control(name) for name in [*GOLDEN, *CONNECT])
    assert not is_control("kafka-parallel.prev.kafka_dlt-original-topic")
    assert not is_control("trace")


NAMES = sorted(name for table in DIALECTS.values() for name in table)
VALUES = st.one_of(st.none(), st.binary(max_size=64), st.integers(-(2**70), 2**70).map(lambda number: b"%d" % number))


@given(st.lists(st.tuples(st.one_of(st.sampled_from(NAMES), st.text(max_size=9)), VALUES), max_size=30))
def test_any_headers_are_read_without_an_exception_and_within_the_ranges(headers):
    found = parse(headers)

    assert found.attempts is None or 1 <= found.attempts <= 32767
    assert found.partition is None or 0 <= found.partition < 2**31
    for number in (found.offset, found.timestamp_ms, found.due_at_ms, found.first_failed_at_ms):
        assert number is None or 0 <= number < 2**63


def random_headers(chance):
    """Headers as an attacker might send them: known names, values of any length and content."""
    headers = []
    for _ in range(chance.randrange(12)):
        length = chance.choice([0, 1, 2, 4, 8, 9, 20, 21, 300, 5000])
        content = chance.choice([chance.randbytes, lambda size: b"9" * size, lambda size: b"\xff" * size])
        headers.append((chance.choice([*NAMES, "trace"]), None if chance.random() < 0.05 else content(length)))
    return headers


def test_a_hundred_thousand_header_sets_raise_nothing_and_allocate_in_proportion_to_their_length():
    chance, worst = random.Random(20261125), 0.0
    for number in range(100_000):
        headers = random_headers(chance)
        if number % 50:
            parse(headers)
            continue
        size = sum(len(name) + len(value or b"") for name, value in headers)
        tracemalloc.start()
        parse(headers)
        worst = max(worst, (tracemalloc.get_traced_memory()[1] - 16_384) / max(size, 1))
        tracemalloc.stop()

    # Python keeps a character that is no ASCII in 2 bytes, and has both while it decodes.
    assert worst <= 3
