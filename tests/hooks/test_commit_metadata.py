"""Plugins learn at a commit of the records finished above it, and one may put a text beside it."""

from __future__ import annotations

import threading

from kafka_parallel import ConfigurationError, hookimpl
from tests.runtime.app import GROUP, PARTITION, App


class Writer:
    """Writes what is finished above the commit as text."""

    writes_commit_metadata = True

    def __init__(self):
        self.stored = threading.Event()
        self.told = []

    @hookimpl(wrapper=True)
    def on_commit(self, offsets, finished_above):
        self.told.append({partition: list(ranges) for partition, ranges in finished_above.items()})
        for partition, ranges in finished_above.items():
            offsets[partition] = offsets[partition]._replace(metadata=" ".join(map(str, ranges)))
        result = yield
        if any(finished_above.values()):
            self.stored.set()
        return result


class OtherWriter(Writer):
    """Another one."""


class Quiet(Writer):
    """One that does not say that it writes."""

    writes_commit_metadata = False


class Deaf:
    """Takes nothing of that."""

    def __init__(self):
        self.commits = 0

    @hookimpl(wrapper=True)
    def on_commit(self):
        self.commits += 1
        return (yield)


def test_progress_above_a_record_that_takes_long_is_committed_and_cleared_after_it():
    app, writer, seen = App(), Writer(), []

    def handler(record):
        if record.offset == 0:
            assert writer.stored.wait(20), "progress above the first record was never committed"
            seen.append(app.cluster.committed(GROUP, PARTITION))

    assert app.run(handler, plugins=[writer], ordering="unordered") is None

    assert [(found.offset, found.metadata[:8]) for found in seen] == [(0, "range(1,")]
    committed = app.cluster.committed(GROUP, PARTITION)
    assert (committed.offset, committed.metadata) == (6, "")


def test_two_plugins_that_write_are_refused_at_the_start():
    app = App()

    error = app.run(plugins=[Writer(), OtherWriter()])

    assert isinstance(error, ConfigurationError)
    assert str(error).startswith("two plugins write commit metadata, plugin 'Writer'")
    assert (app.handled, app.committed) == ([], 0)


def test_one_that_does_not_say_so_is_not_refused():
    assert App().run(plugins=[Writer(), Quiet()]) is None


def test_a_plugin_may_take_nothing_of_it():
    app, deaf = App(), Deaf()

    assert app.run(plugins=[deaf]) is None
    assert deaf.commits > 0
