"""Records that a plugin answers in the handler's place are counted as skipped, and as nothing else."""

from __future__ import annotations

import asyncio

import pytest

from kafka_parallel import Batch, Skip, hookimpl
from tests.runtime.app import App


class LeavesOut:
    """Answers for odd offsets, in the middle of the call or before."""

    def __init__(self, how="plain"):
        self.how = how

    @hookimpl
    def on_record(self, record):
        answer = Skip("odd") if record.offset % 2 else None
        return self._later(answer) if self.how == "later" else answer

    async def _later(self, answer):
        await asyncio.sleep(0)
        return answer


def counts(parallel):
    found = parallel.statistics()
    return found.processed, found.skipped, found.failed


@pytest.mark.parametrize(("executor", "how"), [("thread-pool", "plain"), ("asyncio", "plain"), ("asyncio", "later")])
@pytest.mark.parametrize("timeout_ms", [None, 60_000])
def test_a_record_that_is_left_out_is_skipped_and_not_processed(executor, how, timeout_ms):
    app = App(executor=executor)
    parallel = app.parallel(executor=executor, plugins=[LeavesOut(how)], handler_timeout_ms=timeout_ms)

    parallel.run(app.handle(lambda _: None))

    assert (app.handled, counts(parallel), app.committed) == ([0, 2, 4], (3, 3, 0), 6)


@pytest.mark.parametrize("is_async", [False, True])
def test_of_a_batch_those_that_are_left_out_are_skipped(is_async):
    app = App()
    parallel = app.parallel(executor="asyncio" if is_async else "thread-pool", plugins=[LeavesOut()])

    async def handler(records):
        app.handled += [record.offset for record in records]

    def plain(records):
        app.handled += [record.offset for record in records]

    parallel.run(handler if is_async else plain, batch=Batch(max_wait_ms=5))

    assert (sorted(app.handled), counts(parallel), app.committed) == ([0, 2, 4], (3, 3, 0), 6)


class LeavesOutBatches:
    @hookimpl
    def on_batch(self):
        return Skip("all of it")


def test_a_batch_that_is_left_out_is_skipped():
    app = App()
    parallel = app.parallel(plugins=[LeavesOutBatches()])

    parallel.run(lambda records: app.handled.extend(records), batch=Batch(max_wait_ms=5))

    assert (app.handled, counts(parallel), app.committed) == ([], (0, 6, 0), 6)
