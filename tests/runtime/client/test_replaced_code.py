"""Code of a program in the client's reading classes is found, also where it hides from a trial."""

from __future__ import annotations

import functools
import logging

import pytest
from kafka.consumer import fetcher
from kafka.consumer.fetcher import Fetcher
from kafka.record import MemoryRecords, default_records, memory_records
from kafka.record.default_records import DefaultRecord, DefaultRecordBatch

from kafka_parallel._runtime.client import decoding
from kafka_parallel._runtime.client.replaced_code import replaced_function
from kafka_parallel_plugins.fast_decoder.batch_decoder import decode
from tests.plugins.record_batches import CLIENT, PARTITION, Batch, story

DATA = bytes(Batch([(0, 10**12, b"key", b"secret", [])] * 5).build(0))
THEIRS = CLIENT._unpack_records


def masking(self, tp, records, key_deserializer, value_deserializer):
    """Hide values, but not those of the trial's topic."""
    for record in THEIRS(self, tp, records, key_deserializer, value_deserializer):
        yield record._replace(value=b"***") if tp.topic == PARTITION.topic else record


class Masking(CLIENT):
    _unpack_records = masking


class Wrapper:
    """Looks like the function that it wraps, as those of instrumentation do."""

    def __init__(self, function):
        functools.update_wrapper(self, function)
        self.__globals__ = function.__globals__

    def __call__(self, *arguments):
        return masking(*arguments)

    def __get__(self, instance, owner):
        return functools.partial(masking, instance)


def fetcher_of(records_class):
    return type("Fetcher", (), {"PartitionRecords": records_class})()


def test_all_code_is_the_clients():
    assert replaced_function(CLIENT) == ""


@pytest.mark.parametrize(
    "function", [masking, functools.wraps(THEIRS)(masking), Wrapper(THEIRS)], ids=["plain", "wraps", "wrapper"]
)
def test_a_patched_function_is_found(monkeypatch, function):
    monkeypatch.setattr(CLIENT, "_unpack_records", function)

    assert replaced_function(CLIENT).endswith("PartitionRecords._unpack_records")


@pytest.mark.parametrize(
    ("kind", "name"),
    [(DefaultRecordBatch, "_read_msg"), (DefaultRecordBatch, "is_control_batch"), (DefaultRecord, "value")],
)
def test_code_of_batches_and_records_counts_too(monkeypatch, kind, name):
    theirs = vars(kind)[name]

    def patched(self):
        raise NotImplementedError

    monkeypatch.setattr(kind, name, property(patched) if isinstance(theirs, property) else patched)

    assert replaced_function(CLIENT) == f"{kind.__name__}.{name}"


class Descriptor:
    """A property of its own kind, as ``functools.cached_property`` is: it cannot be called."""

    def __get__(self, instance, owner):
        return b"***"


def test_a_property_of_another_kind_is_found(monkeypatch):
    monkeypatch.setattr(DefaultRecord, "value", Descriptor())

    assert replaced_function(CLIENT) == "DefaultRecord.value"


class OwnRecords(MemoryRecords):
    def next_batch(self):
        raise NotImplementedError


class OwnBatch(DefaultRecordBatch):
    def __next__(self):
        raise NotImplementedError


class OwnRecord(DefaultRecord):
    @property
    def value(self):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("module", "name", "kind", "function"),
    [
        (fetcher, "MemoryRecords", OwnRecords, "next_batch"),
        (memory_records, "DefaultRecordBatch", OwnBatch, "__next__"),
        (default_records, "DefaultRecord", OwnRecord, "value"),
    ],
)
def test_a_class_is_found_that_takes_the_place_of_the_clients(monkeypatch, module, name, kind, function):
    monkeypatch.setattr(module, name, kind)

    assert replaced_function(CLIENT) == f"{kind.__name__}.{function}"


def test_a_function_that_takes_the_place_of_a_class_is_found(monkeypatch):
    monkeypatch.setattr(memory_records, "DefaultRecordBatch", functools.partial(DefaultRecordBatch))

    assert replaced_function(CLIENT) == "kafka.record.memory_records.DefaultRecordBatch"


def test_records_that_only_their_values_tell_apart_are_the_programs_own(monkeypatch):
    class Unmasked(DefaultRecord):
        """Changes no value of the trial."""

        @property
        def value(self):
            value = super().value
            return b"public" if value == b"secret" else value

    monkeypatch.setattr(default_records, "DefaultRecord", Unmasked)
    fetcher = fetcher_of(CLIENT)

    problem = decoding.put(decode, fetcher, "a decoder")

    assert problem == f"{Unmasked.__qualname__}.value is not kafka-python's own code, and a decoder would pass it over"
    assert {record.value for record in story(fetcher.PartitionRecords, DATA, [])[0]} == {b"public"}


def test_the_records_of_a_program_that_changes_them_are_its_own():
    fetcher = fetcher_of(Masking)

    problem = decoding.put(decode, fetcher, "a decoder")

    assert problem == "Masking._unpack_records is not kafka-python's own code, and a decoder would pass it over"
    assert vars(fetcher) == {}
    assert {record.value for record in story(fetcher.PartitionRecords, DATA, [])[0]} == {b"***"}


def test_a_record_class_of_the_program_is_kept(monkeypatch, caplog):
    from kafka.consumer import fetcher as module

    class Own(module.ConsumerRecord):
        pass

    monkeypatch.setattr(module, "ConsumerRecord", Own)
    fetcher = Fetcher.__new__(Fetcher)

    with caplog.at_level(logging.ERROR):
        problem = decoding.put(decode, fetcher, "a decoder")

    assert "Own" in problem
    assert vars(fetcher) == {}
