"""The public errors: each can be sent to another process, as a pool that runs a consumer in a worker does."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from kafka_parallel import errors
from kafka_parallel._runtime.client.polled_records import HeldBack

EXAMPLES = {
    "KafkaParallelError": errors.KafkaParallelError("text"),
    "ConfigurationError": errors.ConfigurationError("text"),
    "PluginError": errors.PluginError("text"),
    "RecordFailed": errors.RecordFailed("t", 1, 2, "reason"),
    "BatchFailed": errors.BatchFailed({1: ValueError("bad")}),
    "NotHandedOver": errors.NotHandedOver(ValueError("bad")),
    "NoRoute": errors.NoRoute("text"),
    "HandlerTimeout": errors.HandlerTimeout("text"),
    "HandlerCancelled": errors.HandlerCancelled("text"),
    "HandlerUnfinished": errors.HandlerUnfinished("text"),
    "HandlerError": errors.HandlerError("module.Error", "text"),
    "RemoteTraceback": errors.RemoteTraceback("text"),
    "WorkerDied": errors.WorkerDied("text", -9, is_unwanted=True),
    "CommitFailed": errors.CommitFailed("text"),
    "MemberFenced": errors.MemberFenced("group", "instance"),
    "RecordUnreadable": errors.RecordUnreadable("t", 1, 2),
    "StateError": errors.StateError("text"),
    "BrokerError": errors.BrokerError("text"),
}


def seen(error):
    shown = {name: repr(value) for name, value in vars(error).items()}
    return type(error), str(error), error.args, shown


@pytest.mark.parametrize("name", sorted(set(errors.__all__) - {"FATAL"}))
def test_it_survives_being_pickled(name):
    error = EXAMPLES[name]

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert seen(pickle.loads(pickle.dumps(error, protocol))) == seen(error)


class OwnError(errors.KafkaParallelError):
    """An application's own, whose arguments are not its message."""

    def __init__(self, place, *, why):
        super().__init__(f"{place}: {why}")
        self.place = place


def test_a_subclass_with_arguments_of_its_own_survives_too():
    error = OwnError("here", why="reason")

    assert seen(pickle.loads(pickle.dumps(error))) == seen(error)


def test_a_refusal_of_polled_records_survives_too():
    error = HeldBack("text")
    error.places = {("t", 0): 5}

    assert seen(pickle.loads(pickle.dumps(error))) == seen(error)


def fail():
    raise errors.RecordFailed("t", 1, 2, "reason")


def test_a_consumer_in_a_worker_process_tells_its_parent_how_it_failed():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool, pytest.raises(errors.RecordFailed) as caught:
        pool.submit(fail).result(60)

    assert (caught.value.topic, caught.value.partition, caught.value.offset) == ("t", 1, 2)
