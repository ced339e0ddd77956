"""No wait for the coordinator is without an end, and the first error of a transaction is the one that is told."""

from __future__ import annotations

import threading

import pytest
from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError, ProducerFencedError

from kafka_parallel.outbox import Outgoing
from kafka_parallel.testing.fake.sent import Sent
from kafka_parallel_plugins.exactly_once.transactional_producer import (
    RefusedError,
    TransactionalProducer,
    UnansweredError,
    UnusableError,
)


class Answer:
    """kafka-python's result of an act of a transaction."""

    def __init__(self, error=None, *, comes=True):
        self.error, self.comes = error, comes
        self.waited = []

    def wait(self, timeout_ms):
        self.waited.append(timeout_ms)
        if self.error is not None:
            raise self.error
        return self.comes


class Manager:
    def __init__(self, answers):
        self.answers = answers
        self._pending_txn_offset_commits = {}

    def __getattr__(self, name):
        def act(*_):
            answer = self.answers[name]
            if isinstance(answer, Exception):
                raise answer
            return answer

        return act


class Producer:
    """A producer of kafka-python with the answers of its coordinator and of its topics."""

    def __init__(self, sends=(), flush=None, begin=None, **answers):
        self._transaction_manager = Manager(answers)
        self._sender = self
        self.sends = [*sends]
        self.flushing, self.beginning = flush, begin
        self.woken = 0

    def wakeup(self):
        self.woken += 1

    def begin_transaction(self):
        if self.beginning:
            raise self.beginning

    def send(self, topic, **record):
        answer = self.sends.pop(0)
        if isinstance(answer, Exception) and not isinstance(answer, MessageSizeTooLargeError):
            raise answer
        return Sent(answer)

    def flush(self, timeout):
        if self.flushing:
            raise self.flushing


def transactional(producer):
    return TransactionalProducer(producer, lambda: 100.0)


RECORDS = [Outgoing(topic, None, None, b"v", []) for topic in ("a", "b", "c")]


def test_the_first_refusal_is_told_not_its_consequences():
    producer = Producer(sends=["written", MessageSizeTooLargeError("large"), KafkaError("in an error state")])

    with pytest.raises(RefusedError) as refused:
        transactional(producer).send_records(RECORDS, 101.0)

    assert refused.value.topic == "b"
    assert isinstance(refused.value.__cause__, MessageSizeTooLargeError)


def test_a_record_that_cannot_be_handed_over_is_told():
    with pytest.raises(RefusedError) as refused:
        transactional(Producer(sends=["written", ValueError("no such partition")])).send_records(RECORDS, 101.0)

    assert (refused.value.topic, str(refused.value.__cause__)) == ("b", "no such partition")


def test_a_flush_that_takes_too_long_is_a_refusal():
    producer = Producer(sends=["written"] * 3, flush=KafkaTimeoutError("slow"))

    with pytest.raises(RefusedError) as refused:
        transactional(producer).send_records(RECORDS, 101.0)

    assert isinstance(refused.value.__cause__, KafkaTimeoutError)


def test_waits_are_bounded_by_what_is_left():
    answer = Answer()
    producer = Producer(send_offsets_to_transaction=answer)

    transactional(producer).send_offsets({}, object(), 100.25)

    assert answer.waited == [250.0]
    assert producer.woken == 1


def test_offsets_without_an_answer_time_out():
    with pytest.raises(KafkaTimeoutError):
        transactional(Producer(send_offsets_to_transaction=Answer(comes=False))).send_offsets({}, object(), 101.0)


def test_a_commit_without_an_answer_is_unknown_and_one_that_was_refused_is_not():
    with pytest.raises(UnansweredError):
        transactional(Producer(begin_commit=Answer(comes=False))).end_by_commit(101.0)
    with pytest.raises(ProducerFencedError):
        transactional(Producer(begin_commit=Answer(ProducerFencedError()))).end_by_commit(101.0)


def test_an_abort_without_an_answer_is_waited_for_by_the_next_transaction():
    answer = Answer(comes=False)
    found = transactional(Producer(begin_abort=answer))
    found.end_by_abort(101.0)

    with pytest.raises(KafkaTimeoutError):
        found.begin_next(101.0)
    answer.comes = True
    found.begin_next(101.0)

    assert len(answer.waited) == 3


def test_an_abort_without_an_answer_is_not_begun_again():
    """The client refuses it, as the end of a producer that may still go on."""
    producer = Producer(begin_abort=Answer(comes=False))
    found = transactional(producer)
    found.end_by_abort(101.0)
    with pytest.raises(KafkaTimeoutError):
        found.begin_next(101.0)

    producer._transaction_manager.answers["begin_abort"] = KafkaError("Invalid transition")
    found.end_by_abort(101.0)


def test_an_abort_that_has_no_answer_for_a_minute_is_the_end():
    now = [100.0]
    found = TransactionalProducer(Producer(begin_abort=Answer(comes=False)), lambda: now[0])
    found.end_by_abort(101.0)
    now[0] += 59
    with pytest.raises(KafkaTimeoutError):
        found.begin_next(160.0)

    now[0] += 1
    with pytest.raises(UnusableError) as unusable:
        found.begin_next(161.0)

    assert isinstance(unusable.value.__cause__, KafkaTimeoutError)


def test_the_offsets_that_the_client_would_add_to_the_next_transaction_are_forgotten():
    producer = Producer()
    producer._transaction_manager._pending_txn_offset_commits["partition"] = "offset"

    transactional(producer).begin_next(101.0)

    assert producer._transaction_manager._pending_txn_offset_commits == {}


@pytest.mark.parametrize("answer", [KafkaError("in an error state"), Answer(ProducerFencedError())])
def test_a_producer_that_cannot_abort_is_of_no_use(answer):
    with pytest.raises(UnusableError):
        transactional(Producer(begin_abort=answer)).end_by_abort(101.0)


def test_a_producer_that_cannot_begin_is_of_no_use():
    with pytest.raises(UnusableError):
        transactional(Producer(begin=ProducerFencedError())).begin_next(101.0)


def test_the_real_client_has_the_names_that_are_waited_for():
    """Its methods wait for ever, so these are called in their place."""
    from kafka.producer import transaction_manager

    manager = transaction_manager.TransactionManager
    assert all(hasattr(manager, name) for name in ("begin_commit", "begin_abort", "send_offsets_to_transaction"))
    assert manager("id")._pending_txn_offset_commits == {}
    result = transaction_manager.TransactionalRequestResult()
    assert result.wait(timeout_ms=1) is False
    threading.Timer(0, result.done).start()
    assert result.wait(timeout_ms=60_000) is True
