"""During a run the consumer has a class of its own: it looks like the old one, and its calls go to the run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from kafka_parallel import StateError
from kafka_parallel._runtime.client.guarded_class import GUARDED, Guard, guarded_class, is_guarded


class Consumer:
    """The application's consumer."""

    def poll(self):
        return {}

    def position(self, partition):
        return 7


class Pauses:
    """Notes what is asked of the pauses."""

    def __init__(self, calls):
        self._calls = calls

    def __getattr__(self, name):
        return lambda *arguments: self._calls.append((name, *arguments))

    def of_user(self):
        return {"p"}


class Run:
    """Notes what the guard asks of the run.

    :param ours: the purpose of the run's call within which all of it happens.
    """

    def __init__(self, ours=None):
        self.asked = []
        self.own = SimpleNamespace(
            commit=lambda *arguments, **options: self.asked.append(("own commit", arguments, options)),
            commit_async=lambda *arguments: self.asked.append(("own commit_async", arguments)) or "the client's future",
        )
        self.calls = SimpleNamespace(are_ours=lambda *purposes: ours in purposes)
        self.pauses = Pauses(self.asked)

    def stop(self, seconds):
        self.asked.append(("stop", seconds))

    def ask_for_commit(self, offsets, method):
        self.asked.append(("commit", offsets, method))
        return {"p": 5}

    def change(self, method, arguments, options):
        self.asked.append(("change", method, arguments, options))
        return "changed"

    def jump(self, method, partitions, *target):
        self.asked.append((method, partitions, *target))

    def set_closed(self, value):
        self.asked.append(("closed", value))


def guarded(run=None, consumer=None):
    consumer = consumer or Consumer()
    consumer.__class__ = guarded_class(type(consumer), run or Run())
    return consumer


def test_the_class_looks_like_the_one_it_stands_for():
    consumer = guarded()

    assert isinstance(consumer, Consumer)
    kind = type(consumer)
    assert (kind.__name__, kind.__qualname__, kind.__module__, kind.__doc__) == (
        Consumer.__name__, Consumer.__qualname__, Consumer.__module__, Consumer.__doc__,
    )  # fmt: skip


def test_a_consumer_is_guarded_until_it_has_its_class_back():
    consumer = guarded()
    assert is_guarded(consumer)

    consumer.__class__ = Consumer

    assert not is_guarded(consumer)
    assert consumer.poll() == {}


def test_all_other_methods_are_the_clients_own():
    assert guarded().position("p") == 7


def test_every_method_that_means_something_else_is_the_guards():
    kind = type(guarded())

    assert [name for name in GUARDED if vars(kind).get(name) is not vars(Guard)[name]] == []


@pytest.mark.parametrize(
    "read", [lambda consumer: consumer.poll(timeout_ms=1), iter, next], ids=["poll", "iter", "next"]
)
def test_records_are_not_handed_out_past_the_handler(read):
    with pytest.raises(StateError, match="its records would never reach the handler"):
        read(guarded())


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        (lambda consumer: consumer.subscribe(["t"], listener=None), ("subscribe", (["t"],), {"listener": None})),
        (lambda consumer: consumer.unsubscribe(), ("unsubscribe", (), {})),
    ],
)
def test_the_run_decides_about_the_subscription(change, asked):
    run = Run()

    assert change(guarded(run)) == "changed"
    assert run.asked == [("change", *asked)]


@pytest.mark.parametrize(
    ("options", "seconds"), [({}, None), ({"timeout_ms": 1500}, 1.5), ({"autocommit": False}, None)]
)
def test_close_asks_the_run_to_stop(options, seconds):
    run = Run()

    guarded(run).close(**options)

    assert run.asked == [("stop", seconds)]


def test_the_flag_of_a_closed_consumer_is_the_runs_to_set():
    run = Run()
    consumer = guarded(run)

    consumer._closed = True

    assert run.asked == [("closed", True)]
    assert not consumer._closed


def test_a_bare_commit_is_the_runs():
    run = Run()

    assert guarded(run).commit() is None

    assert run.asked == [("commit", None, "commit")]


def test_a_bare_commit_async_has_succeeded_with_the_finished_offsets():
    run, told = Run(), []

    future = guarded(run).commit_async(callback=lambda *answer: told.append(answer))

    assert run.asked == [("commit", None, "commit_async")]
    assert told == [({"p": 5}, None)]
    assert future.succeeded()


def test_within_a_commit_of_the_run_both_are_the_clients_own():
    run = Run(ours="commit")
    consumer = guarded(run)

    consumer.commit({"p": 1}, timeout_ms=5)

    assert consumer.commit_async({"p": 1}, print) == "the client's future"
    assert run.asked == [
        ("own commit", ({"p": 1},), {"timeout_ms": 5}), ("own commit_async", ({"p": 1}, print))
    ]  # fmt: skip


def test_pauses_of_the_user_are_kept_apart():
    run = Run()
    consumer = guarded(run)

    consumer.pause("p", "q")
    consumer.resume("p")

    assert run.asked == [("pause_for_user", ("p", "q")), ("resume_for_user", ("p",))]
    assert consumer.paused() == {"p"}


def test_a_seek_lets_a_partition_go_on_that_stood_at_an_unreadable_record():
    run = Run()
    consumer = guarded(run)

    consumer.seek("p", 5)
    consumer.seek_to_beginning("p")
    consumer.seek_to_end()

    assert run.asked == [
        ("seek", ("p",), 5), ("seek_to_beginning", ("p",)), ("seek_to_end", ()),
    ]  # fmt: skip


def test_a_class_that_refuses_subclasses_says_why():
    class Final:
        def __init_subclass__(cls):
            raise TypeError("no subclasses")

    with pytest.raises(TypeError, match="no subclasses"):
        guarded_class(Final, Run())
