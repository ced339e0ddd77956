"""A dead letter carries the exact bytes that readers of KIP-1191 and of Spring Kafka expect."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.consumer.fetcher import ConsumerRecord

from kafka_parallel import RecordContext
from kafka_parallel_plugins.dlq.error_details import details_of
from kafka_parallel_plugins.dlq.headers import DIALECTS, Letterhead


def a_context(*, attempt=3, first_failed_at_ms=1_700_000_000_250.0, **fields):
    record = {
        "topic": "orders",
        "partition": 258,
        "leader_epoch": 7,
        "offset": 4_294_967_297,
        "timestamp": 1_700_000_000_123,
        "timestamp_type": 0,
        "key": b"k",
        "value": b"v",
        "headers": [],
        "checksum": None,
        "serialized_key_size": 1,
        "serialized_value_size": 1,
        "serialized_header_size": -1,
    }
    raw = ConsumerRecord(**{**record, **fields})
    return RecordContext(
        raw=raw, attempt=attempt, assignment_id=1, queued_at=0.0, first_failed_at_ms=first_failed_at_ms
    )


def dead_letter_headers(error, context, group_id, dialects=("kafka", "spring"), kept=None, stack_trace="full"):
    return Letterhead(dialects, kept, group_id).of(details_of(error, stack_trace), context)


def headers_of(error=None, context=None, group_id="billing", **choices):
    return dict(dead_letter_headers(error or ValueError("no amount"), context or a_context(), group_id, **choices))


GOLDEN = {
    "__dlq.errors.topic": b"orders",
    "__dlq.errors.partition": b"258",
    "__dlq.errors.offset": b"4294967297",
    "__dlq.errors.group": b"billing",
    "__dlq.errors.delivery.count": b"3",
    "__dlq.errors.message": b"no amount",
    "kafka_dlt-original-topic": b"orders",
    "kafka_dlt-original-partition": b"\x00\x00\x01\x02",
    "kafka_dlt-original-offset": b"\x00\x00\x00\x01\x00\x00\x00\x01",
    "kafka_dlt-original-timestamp": b"\x00\x00\x01\x8b\xcf\xe5\x68\x7b",
    "kafka_dlt-original-timestamp-type": b"CreateTime",
    "kafka_dlt-original-consumer-group": b"billing",
    "kafka_dlt-exception-fqcn": b"builtins.ValueError",
    "kafka_dlt-exception-cause-fqcn": b"builtins.ValueError",
    "kafka_dlt-exception-message": b"no amount",
    "kafka_dlt-exception-stacktrace": b"ValueError: no amount\n",
    "kafka-parallel.first-failed-at": b"1700000000250",
}


@pytest.mark.parametrize("name", GOLDEN)
def test_a_header_has_its_exact_bytes(name):
    assert headers_of()[name] == GOLDEN[name]


def test_there_is_no_other_header_and_none_twice():
    found = dead_letter_headers(ValueError("no amount"), a_context(), "billing")

    assert [name for name, _ in found] == list(GOLDEN)


@given(st.integers(0, 2**31 - 1), st.integers(0, 2**63 - 1), st.integers(-1, 2**63 - 1))
def test_numbers_can_be_read_back_from_both_dialects(partition, offset, timestamp):
    found = headers_of(context=a_context(partition=partition, offset=offset, timestamp=timestamp))

    assert int(found["__dlq.errors.partition"].decode()) == partition
    assert int(found["__dlq.errors.offset"].decode()) == offset
    assert int.from_bytes(found["kafka_dlt-original-partition"], "big", signed=True) == partition
    assert int.from_bytes(found["kafka_dlt-original-offset"], "big", signed=True) == offset
    assert int.from_bytes(found["kafka_dlt-original-timestamp"], "big", signed=True) == timestamp
    widths = {name: len(value) for name, value in found.items()}
    assert widths["kafka_dlt-original-partition"] == 4
    assert widths["kafka_dlt-original-offset"] == widths["kafka_dlt-original-timestamp"] == 8


def test_a_log_append_time_is_named_as_java_names_it():
    found = headers_of(context=a_context(timestamp_type=1))

    assert found["kafka_dlt-original-timestamp-type"] == b"LogAppendTime"


def test_a_record_without_a_timestamp_says_so_as_java_does():
    found = headers_of(context=a_context(timestamp=None, timestamp_type=None))

    assert found["kafka_dlt-original-timestamp"] == b"\xff" * 8
    assert found["kafka_dlt-original-timestamp-type"] == b"NoTimestampType"


def test_without_a_group_no_header_names_one():
    found = headers_of(group_id=None)

    assert found.keys() == GOLDEN.keys() - {"__dlq.errors.group", "kafka_dlt-original-consumer-group"}


def test_an_unknown_first_failure_has_no_header():
    found = headers_of(context=a_context(first_failed_at_ms=None))

    assert "kafka-parallel.first-failed-at" not in found


def test_the_delivery_count_stays_what_a_java_short_can_hold():
    found = headers_of(context=a_context(attempt=40_000))

    assert found["__dlq.errors.delivery.count"] == b"32767"


CONNECT = {
    "__connect.errors.topic": b"orders",
    "__connect.errors.partition": b"258",
    "__connect.errors.offset": b"4294967297",
    "__connect.errors.exception.class.name": b"builtins.ValueError",
    "__connect.errors.exception.message": b"no amount",
    "__connect.errors.exception.stacktrace": b"ValueError: no amount\n",
}


def test_the_dialects_are_a_choice():
    only_connect, all_three = headers_of(dialects=("connect",)), headers_of(dialects=DIALECTS)

    assert only_connect == {**CONNECT, "kafka-parallel.first-failed-at": b"1700000000250"}
    assert all_three == {**GOLDEN, **CONNECT}


def raised(text):
    try:
        try:
            int(text)
        except ValueError as error:
            raise KeyError(text) from error
    except KeyError as error:
        return error


def test_without_a_stack_trace_none_is_there():
    found = headers_of(raised("secret"), dialects=DIALECTS, stack_trace="off")

    assert not [name for name in found if name.endswith("stacktrace")]
    assert found["__dlq.errors.message"] == b"'secret'"


def test_a_redacted_error_tells_where_and_what_but_nothing_of_the_data():
    found = headers_of(raised("secret"), dialects=DIALECTS, stack_trace="redacted")

    trace = found["kafka_dlt-exception-stacktrace"].decode()
    assert "in raised\nbuiltins.ValueError\n" in trace
    assert trace.endswith("in raised\nbuiltins.KeyError\n")
    assert found["__dlq.errors.message"] == b"builtins.KeyError"
    assert not any(b"secret" in value for value in found.values())


class TestSourceHeaders:
    def test_only_those_that_are_named_are_copied(self):
        source = [("trace", b"1"), ("token", b"secret"), ("nothing", None), ("kafka_dlt-x", b"2")]

        found = dead_letter_headers(ValueError(), a_context(headers=source), None, kept=frozenset(["trace", "nothing"]))

        assert found[:3] == [("trace", b"1"), ("nothing", b""), ("kafka-parallel.null-header", b"nothing")]
        assert found[3][0] == "__dlq.errors.topic"

    def test_they_come_first_in_their_order_with_repeats(self):
        source = [("trace", b"1"), ("trace", b"2"), ("a", b"")]

        found = dead_letter_headers(ValueError(), a_context(headers=source), None)

        assert found[:3] == source

    def test_control_headers_are_moved_so_that_nobody_takes_them_for_ours(self):
        forged = [
            ("__dlq.errors.topic", b"payroll"),
            ("kafka_dlt-original-topic", b"payroll"),
            ("kafka_dlt-anything", b"x"),
            ("kafka-parallel.first-failed-at", b"1"),
        ]

        found = dead_letter_headers(ValueError("no amount"), a_context(headers=forged), "billing")

        assert found[:4] == [("kafka-parallel.prev." + name, value) for name, value in forged]
        assert [value for name, value in found if name == "kafka_dlt-original-topic"] == [b"orders"]
        assert [value for name, value in found if name == "__dlq.errors.topic"] == [b"orders"]

    def test_names_that_only_look_alike_stay(self):
        source = [("x__dlq.errors.topic", b"1"), ("Kafka_dlt-x", b"2"), ("kafka-parallel-mine", b"3")]

        found = dead_letter_headers(ValueError(), a_context(headers=source), None)

        assert found[:3] == source

    def test_a_record_that_goes_round_and_round_does_not_grow(self):
        def once_more(headers):
            return dead_letter_headers(ValueError("no amount"), a_context(headers=headers), "billing")

        second = once_more(once_more([("trace", b"1")]))

        assert sorted(once_more(second)) == sorted(second)
        assert len(second) == 1 + 2 * len(GOLDEN)

    def test_a_null_value_becomes_empty_and_is_marked(self):
        source = [("a", None), ("b", b""), ("a", b"1")]

        found = dead_letter_headers(ValueError(), a_context(headers=source), None)

        assert found[:4] == [("a", b""), ("b", b""), ("a", b"1"), ("kafka-parallel.null-header", b"a")]


class TestErrors:
    def test_the_cause_is_the_first_error_of_the_chain(self):
        error = chained(RuntimeError("order 7"), chained(ValueError("no amount"), KeyError("amount")))

        found = headers_of(error)

        assert found["kafka_dlt-exception-fqcn"] == b"builtins.RuntimeError"
        assert found["kafka_dlt-exception-cause-fqcn"] == b"builtins.KeyError"
        assert found["__dlq.errors.message"] == b"order 7"

    def test_an_error_raised_while_handling_another_counts_unless_it_is_hidden(self):
        shown, hidden = ValueError(), ValueError()
        shown.__context__ = hidden.__context__ = KeyError()
        hidden.__suppress_context__ = True

        assert headers_of(shown)["kafka_dlt-exception-cause-fqcn"] == b"builtins.KeyError"
        assert headers_of(hidden)["kafka_dlt-exception-cause-fqcn"] == b"builtins.ValueError"

    def test_a_chain_that_bites_its_tail_ends(self):
        error = ValueError()
        error.__cause__ = KeyError()
        error.__cause__.__cause__ = error

        assert headers_of(error)["kafka_dlt-exception-cause-fqcn"] == b"builtins.KeyError"

    def test_a_nested_class_is_named_with_its_module(self):
        class UnpaidError(Exception):
            pass

        name = headers_of(UnpaidError())["kafka_dlt-exception-fqcn"].decode()

        assert name == f"{__name__}.TestErrors.test_a_nested_class_is_named_with_its_module.<locals>.UnpaidError"

    def test_an_error_without_a_text_tells_its_name(self):
        assert headers_of(KeyError())["__dlq.errors.message"] == b"builtins.KeyError"

    def test_an_error_whose_text_raises_is_still_told(self):
        class BrokenError(Exception):
            def __str__(self):
                raise RuntimeError

        assert headers_of(BrokenError())["kafka_dlt-exception-fqcn"].endswith(b"BrokenError")

    def test_a_text_that_is_not_unicode_is_escaped(self):
        assert headers_of(ValueError("\ud800"))["__dlq.errors.message"] == b"\\ud800"

    def test_a_long_message_keeps_its_start_and_whole_characters(self):
        message = headers_of(ValueError("x" + "ä" * 1000))["__dlq.errors.message"]

        assert message.decode() == "x" + "ä" * 511

    def test_a_long_stack_trace_keeps_its_end_and_whole_characters(self):
        trace = headers_of(ValueError("ä" * 8000))["kafka_dlt-exception-stacktrace"]

        assert len(trace) in {8191, 8192}
        assert trace.decode().strip("ä") == "\n"

    def test_the_stack_trace_shows_where_it_was_raised(self):
        try:
            int("seven")
        except ValueError as error:
            trace = headers_of(error)["kafka_dlt-exception-stacktrace"].decode()

        assert 'int("seven")' in trace
        assert trace.endswith("ValueError: invalid literal for int() with base 10: 'seven'\n")


def chained(error, cause):
    error.__cause__ = cause
    return error
