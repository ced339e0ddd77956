"""Bugs about user code with unexpected behaviour: it returns its work, stops an iteration, raises anything."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "take a StopIteration of a deserialiser or an ordering for the end of a coroutine",
        where="kafka_parallel._runtime.handlers.coroutine_attempt:CoroutineAttempts.begin_attempt",
        old="""
            except BaseException as error:
                return self._failed(task, record, error)
        """,
        new="""
            except StopIteration:
                return None
            except BaseException as error:
                return self._failed(task, record, error)
        """,
        executor="asyncio",
    ),
    Bug(
        "take a handler that returns its work for one that did it",
        where="kafka_parallel._runtime.handlers.record_attempt:Attempts._composed.call",
        old="returned is not None",
        new="False",
    ),
    Bug(
        "take a coroutine that returns a coroutine for one that awaited it",
        where="kafka_parallel._runtime.handlers.coroutine_attempt:CoroutineAttempts._rest",
        old="require_finished(returned, may_skip=self._may_skip)",
        new="pass",
        executor="asyncio",
    ),
    Bug(
        "take a batch whose handler returns its work for one that is done",
        where="kafka_parallel._runtime.handlers.batch_attempt:BatchAttempts._run",
        old="require_finished(returned, may_skip=self.may_skip)",
        new="",
        executor="batch on thread-pool",
    ),
    Bug(
        "take a batch whose coroutine returns its work for one that is done",
        where="kafka_parallel._runtime.handlers.coroutine_work:CoroutineBatches.run_batch",
        old="require_finished(result, may_skip=self._batches.may_skip)",
        new="",
        executor="batch on asyncio",
    ),
    Bug(
        "do not look at what a handler returns in another process",
        where="kafka_parallel._runtime.handlers.remote_run:program",
        old="finishing(keeping_places(handler) if is_batch else handler)",
        new="keeping_places(handler) if is_batch else handler",
        executor="process-pool",
    ),
    Bug(
        "end run() by every error that is no Exception",
        where="kafka_parallel._runtime.handlers.record_attempt:Attempts.failed",
        old="isinstance(error, FATAL)",
        new="not isinstance(error, Exception)",
    ),
    Bug(
        "catch only an Exception of an ordering",
        where="kafka_parallel._runtime.loop.intake:Intake._tasks",
        old="""
            except BaseException as raised:
                if not is_of_the_key(raised):
                    raise
                key, error = (None, raised)
        """,
        new="""
            except Exception as raised:
                key, error = (None, raised)
        """,
    ),
    Bug(
        "take a coroutine for an ordering key",
        where="kafka_parallel._runtime.loop.intake:Intake._tasks",
        old="require_key(key)",
        new="type(key)",
    ),
    Bug(
        "take a context manager that was not entered for the result of a handler",
        where="kafka_parallel._shapes_of_work:_was_not_entered",
        old="'args' in vars(manager)",
        new="False",
    ),
    Bug(
        "take a function that was not called for the result of a handler",
        where="kafka_parallel._unfinished:unfinished",
        old="work_in(returned) or function_in(returned)",
        new="work_in(returned)",
    ),
]
