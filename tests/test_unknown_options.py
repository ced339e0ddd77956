"""An option that does not exist is an error that suggests the right one, and type checkers find it too."""

from __future__ import annotations

import inspect

import pytest

from kafka_parallel import Batch, ConfigurationError, ParallelConsumer


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("max_workers", "did you mean 'workers'"),
        ("worker", "did you mean 'workers'"),
        ("concurrency", "did you mean 'workers'"),
        ("stop_timeout", "did you mean 'stop_timeout_ms'"),
        ("bootstrap_servers", r"KafkaConsumer has: write ParallelConsumer\(KafkaConsumer\('topic', bootstrap_servers="),
        ("group_id", "KafkaConsumer has"),
        ("batch", r"give it to run\(handler, batch="),
        ("commit_interval_ms", "auto_commit_interval_ms of the KafkaConsumer"),
        ("topic", "topics belong to the KafkaConsumer"),
        ("zzz", "it has consumer, ordering, workers"),
    ],
)
def test_an_option_that_does_not_exist_says_what_was_meant(option, said):
    with pytest.raises(ConfigurationError, match=f"ParallelConsumer has no option '{option}'.*{said}") as caught:
        ParallelConsumer(None, **{option: "hidden"})
    assert "hidden" not in str(caught.value)


def test_a_consumers_options_in_the_place_of_a_consumer_are_understood():
    with pytest.raises(ConfigurationError, match="KafkaConsumer has"):
        ParallelConsumer(bootstrap_servers="here")


@pytest.mark.parametrize("arguments", [(None, print), (print, None)])
def test_a_handler_given_to_the_consumer_belongs_to_run(arguments):
    with pytest.raises(ConfigurationError, match="give the handler to run"):
        ParallelConsumer(*arguments)


def test_a_topic_in_the_place_of_a_consumer_is_understood():
    with pytest.raises(ConfigurationError, match=r"pass KafkaConsumer\('topic', \.\.\.\)"):
        ParallelConsumer("orders")


def test_a_batch_says_it_too():
    with pytest.raises(ConfigurationError, match=r"Batch has no option 'max_size'; .* did you mean 'max_records'"):
        Batch(max_size=3)


def test_the_signature_is_what_it_was():
    assert list(inspect.signature(ParallelConsumer).parameters)[:3] == ["consumer", "ordering", "workers"]
    with pytest.raises(TypeError, match="missing 1 required positional argument"):
        ParallelConsumer()


@pytest.mark.parametrize("junk", [{"sasl_plain_password": "hidden"}, "hidden:9092", ["hidden"], None])
def test_what_is_no_consumer_is_named_by_its_type(junk):
    with pytest.raises(ConfigurationError, match="is not a kafka-python KafkaConsumer") as caught:
        ParallelConsumer(junk)
    assert "hidden" not in str(caught.value)
