"""Bugs about the record that log lines are said to be about, and about the hooks that surround a batch's call."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "leave the record set when plugins have decided about its failure",
        where="kafka_parallel_plugins.log_context.binding:Binding.unbind",
        old="current.reset(token)",
        new="",
    ),
    Bug(
        "take the attempt that failed for the first one in log lines",
        where="kafka_parallel_plugins.log_context.record_info:of_attempt",
        old="context.attempt",
        new="1",
    ),
    Bug(
        "run all coroutines in one context",
        where="kafka_parallel._runtime.handlers.coroutine_attempt:CoroutineAttempts.begin_attempt",
        old="context = self._variables.copy()",
        new="context = self._variables",
        executor="asyncio",
    ),
    Bug(
        "set the variables of an attempt in the context that all attempts share",
        where="kafka_parallel._runtime.handlers.record_attempt:Attempts._in_scopes",
        old="variables.copy().run(inside, task, record)",
        new="variables.run(inside, task, record)",
    ),
    Bug(
        "leave the scope of a coroutine before it has waited",
        where="kafka_parallel._plugins.scopes:in_scope_async",
        old="returned = await function(*args)",
        new="coroutine = function(*args); leave(None); returned = await coroutine",
        executor="asyncio",
    ),
    Bug(
        "begin an attempt at a record of a batch without its scope",
        where="kafka_parallel._runtime.handlers.batch_attempt:Entered.__init__",
        old="variables.run(enter, task)",
        new="enter(task)",
        executor="batch on thread-pool",
    ),
    Bug(
        "say that a log line about a batch is about its last record",
        where="kafka_parallel_plugins.log_context.record_info:of_batch",
        old="raws[0].offset",
        new="raws[-1].offset",
        executor="batch on thread-pool",
    ),
    Bug(
        "tell plugins around a batch's call of records that are not in it",
        where="kafka_parallel._runtime.handlers.batch_attempt:BatchAttempts._has_entered",
        old="run.tasks.append(task)",
        new="run.tasks.insert(0, task)",
        executor="batch on thread-pool",
    ),
    Bug(
        "call a handler of lists without the plugins around it",
        where="kafka_parallel._runtime.handlers.handler_calls:HandlerCalls._call_of_batch",
        old="self._hooks.surrounds_batches",
        new="False",
        executor="batch on asyncio",
    ),
    Bug(
        "forget what a plugin around a batch's call has raised",
        where="kafka_parallel._runtime.handlers.batch_attempt:BatchAttempts.__call__",
        old="error = raised",
        new="error = raised if run.entered else None",
        executor="batch on thread-pool",
    ),
]
