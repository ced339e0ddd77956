"""How a decoder gets into one consumer and out of it again, and when it does not."""

from __future__ import annotations

import logging
from itertools import dropwhile

import pytest
from kafka.consumer.fetcher import Fetcher

from kafka_parallel import Decoded, PluginError, hookimpl
from kafka_parallel._runtime.client import decoding, fetcher_patch
from kafka_parallel._runtime.client.decoding import DecodedRecords
from kafka_parallel._runtime.client.slices import Slices
from kafka_parallel_plugins.fast_decoder.batch_decoder import decode
from tests.plugins.record_batches import CLIENT, Batch, story
from tests.runtime.app import App

DATA = bytes(Batch([(0, 10**12, b"key", b"value", [("h", b"1")])] * 1100).build(0))


@pytest.fixture
def fetcher():
    return Fetcher.__new__(Fetcher)


class Provider:
    def __init__(self, decoder):
        self.decoder = decoder

    @hookimpl
    def provide_decoder(self, settings):
        return self.decoder


def shouting(batch, position, most):
    found = decode(batch, position, most)
    return found._replace(records=[record._replace(value=b"HEY") for record in found.records])


def raising(batch, position, most):
    raise KeyError("nothing here")


def of_one(batch, position, most):
    return decode(batch, position, 1)


def of_none(batch, position, most):
    return Decoded([], position, 0)


def test_it_is_put_into_one_fetcher_and_taken_back(fetcher):
    assert decoding.put(decode, fetcher, "a decoder") == ""
    assert issubclass(fetcher.PartitionRecords, DecodedRecords)
    assert Fetcher.PartitionRecords is CLIENT
    assert Fetcher.__new__(Fetcher).PartitionRecords is CLIENT

    fetcher_patch.remove(fetcher)

    assert vars(fetcher) == {}
    assert fetcher.PartitionRecords is CLIENT


class ReadsElsewhere(CLIENT):
    """A newer client, which has the old method still and calls another one."""

    def __init__(self, fetch_offset, tp, records, *arguments, **options):
        super().__init__(fetch_offset, tp, records, *arguments, **options)
        self.record_iterator = dropwhile(self._maybe_skip_record, CLIENT._unpack_records(self, tp, records, None, None))


def test_a_client_that_does_not_ask_the_decoder_is_left_as_it_is():
    fetcher = type("Fetcher", (), {"PartitionRecords": ReadsElsewhere})()

    assert decoding.put(decode, fetcher, "a decoder").endswith("reads batches in another way, and did not ask it")
    assert vars(fetcher) == {}


def test_the_decoders_before_it_stay_if_it_is_not_asked():
    fetcher = type("Fetcher", (), {"PartitionRecords": ReadsElsewhere})()
    assert Slices().put(fetcher) == ""
    sliced = fetcher.PartitionRecords

    decoding.put(decode, fetcher, "a decoder")

    assert fetcher.PartitionRecords is sliced


@pytest.mark.parametrize(("decoder", "said"), [(shouting, "HEY"), (raising, "KeyError('nothing here')")])
def test_a_decoder_that_makes_something_else_is_not_used(fetcher, decoder, said):
    problem = decoding.put(decoder, fetcher, "a decoder")

    assert "differ from those of kafka-python" in problem
    assert said in problem
    assert vars(fetcher) == {}


def test_a_fetcher_that_somebody_changed_is_left_to_them(fetcher):
    fetcher.PartitionRecords = theirs = type("Theirs", (CLIENT,), {})

    assert "has no PartitionRecords of kafka-python's" in decoding.put(decode, fetcher, "a decoder")
    fetcher_patch.remove(fetcher)

    assert fetcher.PartitionRecords is theirs


@pytest.mark.parametrize("decoder", [of_one, of_none])
def test_what_a_decoder_leaves_is_decoded_by_the_client(fetcher, decoder):
    assert decoding.put(decoder, fetcher, "a decoder") == ""

    assert story(fetcher.PartitionRecords, DATA, [3, 600]) == story(CLIENT, DATA, [3, 600])


def test_no_more_is_decoded_at_once_than_a_chunk(fetcher):
    asked = []

    def noting(batch, position, most):
        asked.append(most)
        return decode(batch, position, most)

    decoding.put(noting, fetcher, "a decoder")
    asked.clear()
    part = story(fetcher.PartitionRecords, DATA, [10])

    assert len(part[0]) == 10
    assert asked == [decoding.SLICE_RECORDS, decoding.SLICE_RECORDS, 100]


@pytest.mark.parametrize(
    ("consumer", "options", "said"),
    [
        ({}, {}, "has no PartitionRecords of kafka-python's"),
        ({"value_deserializer": bytes.upper}, {"lazy_deserialization": False}, "lazy_deserialization=False"),
    ],
)
def test_without_it_the_client_goes_on_and_one_warning_says_so(caplog, consumer, options, said):
    app = App(3)
    with caplog.at_level(logging.WARNING, "kafka_parallel"):
        assert app.run(consumer=consumer, plugins=["fast-decoder"], **options) is None

    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith("plugin 'fast-decoder' (kafka-parallel ")
    assert "is not used, and kafka-python decodes: " in message
    assert said in message
    assert app.handled == [0, 1, 2]


def test_by_default_the_fast_decoder_is_put_in_or_a_line_says_why_not(caplog):
    with caplog.at_level(logging.INFO, "kafka_parallel"):
        assert App(1).run() is None

    (line,) = [record for record in caplog.records if "kafka-python decodes" in record.getMessage()]
    assert line.levelno == logging.INFO
    assert line.getMessage().startswith("plugin 'fast-decoder' (kafka-parallel ")


@pytest.mark.parametrize("plugin", ["no:fast-decoder", Provider(None)], ids=["blocked", "a hook without an answer"])
def test_a_default_that_is_blocked_is_not_used_and_one_beside_a_silent_hook_is(caplog, plugin):
    with caplog.at_level(logging.INFO, "kafka_parallel"):
        assert App(1).run(plugins=[plugin]) is None

    assert ("fast-decoder" in caplog.text) == (plugin != "no:fast-decoder")


def test_the_decoder_of_a_plugin_takes_the_place_of_the_default(caplog):
    with caplog.at_level(logging.INFO, "kafka_parallel"):
        assert App(1).run(plugins=[Provider(decode)]) is None

    assert "fast-decoder" not in caplog.text
    assert "plugin 'Provider'" in caplog.text


def test_a_decoder_that_is_no_function_stops_the_start():
    error = App(1).run(plugins=[Provider("fast")])

    assert isinstance(error, PluginError)
    assert "provided the decoder 'fast', which is not a function" in str(error)


def test_two_decoders_stop_the_start():
    error = App(1).run(plugins=[Provider(decode), "fast-decoder"])

    assert isinstance(error, PluginError)
    assert "both answer provide_decoder" in str(error)
