"""Bugs about the shapes of plugins: how implementations are called, and which of their answers count."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "tell Redis that a record is done before other wrappers have ended",
        where="kafka_parallel_plugins.dedup:Dedup",
        old="hookimpl(wrapper=True, tryfirst=True, specname='on_record')",
        new="hookimpl(wrapper=True, specname='on_record')",
        executor="tests/plugins/test_dedup.py::test_a_record_that_a_wrapper_fails_behind_the_handler_is_handled_again",
    ),
    Bug(
        "take whatever a plugin answers for an answer",
        where="kafka_parallel._plugins.implementations:checked_answer",
        old="is_right(answer)",
        new="True",
    ),
    Bug(
        "take whatever a plugin answers for an answer, beside coroutines",
        where="kafka_parallel._plugins.implementations:checked_answer",
        old="is_right(answer)",
        new="True",
        executor="asyncio",
    ),
    Bug(
        "take whatever a plugin answers for an answer about a record of a batch",
        where="kafka_parallel._plugins.implementations:checked_answer",
        old="is_right(answer)",
        new="True",
        executor="batch on thread-pool",
    ),
    Bug(
        "call a wrapper of the old style as if it were none",
        where="kafka_parallel._plugins.chains:_is_wrapper",
        old="impl.wrapper or impl.hookwrapper",
        new="impl.wrapper",
    ),
    Bug(
        "forget what was raised inside of a wrapper of the old style",
        where="kafka_parallel._plugins.implementations:wrapper_of.around",
        old="result.get_result()",
        new="None",
    ),
    Bug(
        "forget what was raised inside of a wrapper of the old style, beside coroutines",
        where="kafka_parallel._plugins.implementations:wrapper_of.around",
        old="result.get_result()",
        new="None",
        executor="asyncio",
    ),
    Bug(
        "count a commit as done because a wrapper swallowed the error of another plugin",
        where="kafka_parallel._runtime.loop.committer:Committer._entered",
        old="not self._is_stored",
        new="False",
    ),
    Bug(
        "believe what a plugin says is done in an assignment",
        where="kafka_parallel._runtime.loop.assign_answers:_usable",
        old="done_offsets(answer, partitions)",
        new="{found: [(one, one + 1) for one in done] for found, done in answer.items()}, ()",
    ),
    Bug(
        "forget what a batch handler raised where it is told to its wrappers",
        where="kafka_parallel._plugins.chains:Steps.leave",
        old="_left(around, who, result, error)",
        new="_left(around, who, result)",
        executor="batch on thread-pool",
    ),
]
