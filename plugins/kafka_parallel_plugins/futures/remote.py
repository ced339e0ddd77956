"""The code that the executor runs: one call for a record or a batch, whose outcome is data and never an exception.

So an exception of a future is never the handler's: it says that the executor, or one of its workers, broke.
"""

from __future__ import annotations

import pickle
import traceback
from functools import lru_cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from kafka_parallel_plugins.sent_errors import Raised, pickled_result, raised

if TYPE_CHECKING:
    from kafka_parallel.values import Stage

__all__ = ()

# The programs that a process keeps: one for each consumer that uses it, and each run may send a new one.
KEPT_PROGRAMS = 16


class Outcome(NamedTuple):
    """The end of a call.

    :ivar raised: how the handler or a deserialiser failed; ``None`` if it did not.
    :ivar duration_ms: milliseconds that it took, with making the record.
    :ivar result: the value that the handler returned, pickled, if it was asked for and can be.
    :ivar import_error: why the handler cannot be had here, as a traceback; then nothing was run.
    """

    raised: Raised | None = None
    duration_ms: float = 0.0
    result: bytes | None = None
    import_error: str | None = None


@lru_cache(KEPT_PROGRAMS)
def _loaded(payload: bytes) -> Any:
    return pickle.loads(payload)  # noqa: S301 - the parent's, through the channel of its executor


def import_program(payload: bytes) -> Outcome:
    """Import the program that is to be run."""
    try:
        _loaded(payload)
    except BaseException:  # noqa: BLE001 - told to the parent, which stops the consumer with it
        return Outcome(import_error=traceback.format_exc())
    return Outcome()


def run(payload: bytes, sent: bytes, _: str, *, is_batch: bool, wants_result: bool) -> Outcome:
    """Run the handler once.

    :param payload: the pickled handler, and the function that makes a record of its fields.
    :param sent: the pickled list of the fields of each record: one, or those of a batch.
    :param _: the name of this call: no two calls are equal, for some executors run equal ones once.
    """
    problem = import_program(payload)
    if problem.import_error is not None:
        return problem
    handler, prepare = _loaded(payload)
    records = pickle.loads(sent)  # noqa: S301 - the parent's, in which what came from Kafka is bytes
    began = perf_counter()
    stage: Stage = "prepare"
    failure, result = None, None
    try:
        prepared = [prepare(fields) for fields in records]
        stage = "handle"
        result = handler(prepared if is_batch else prepared[0])
    except BaseException as error:  # noqa: BLE001 - the parent decides what it means
        failure = raised(stage, error)
    took = (perf_counter() - began) * 1000
    return Outcome(failure, took, pickled_result(result) if wants_result else None)
