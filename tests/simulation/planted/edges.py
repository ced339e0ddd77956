"""Bugs at the edges of the process and of the application's own code: each is shown by one test."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "decode records of a class that a program has put in the place of the client's",
        where="kafka_parallel._runtime.client.replaced_code:replaced_function",
        old="kinds.append((kind := getattr(module, name)))",
        new="kinds.append((kind := type(module)))",
        executor="tests/runtime/client/test_replaced_code.py::test_a_class_is_found_that_takes_the_place_of_the_clients",
    ),
    Bug(
        "order by keys that are objects made in poll()",
        where="kafka_parallel_plugins.key_ordered:_require_bytes",
        old="not settings.has_raw_bytes",
        new="False",
        executor="tests/plugins/test_key_ordered.py::test_objects_made_in_poll_are_refused_with_the_line_to_write",
    ),
    Bug(
        "make an error of another process anew from its message",
        where="kafka_parallel.errors:KafkaParallelError.__reduce__",
        old="return _made_again, (type(self), self.args, vars(self).copy())",
        new="return super().__reduce__()",
        executor="tests/test_errors.py::test_it_survives_being_pickled",
    ),
    Bug(
        "fail for a standard error that is closed",
        where="kafka_parallel._logs:_print_exception",
        old="suppress(Exception)",
        new="suppress()",
        executor="tests/runtime/test_logs.py::test_standard_error_that_cannot_be_written_changes_nothing",
    ),
    Bug(
        "hand out the list of headers that dead letters are made of",
        where="kafka_parallel._runtime.client.own_headers:with_own_headers",
        old="[*record[_HEADERS]]",
        new="record[_HEADERS]",
        executor="tests/runtime/client/test_own_headers.py::"
        "test_each_attempt_and_the_plugins_see_them_as_kafka_delivered_them",
    ),
    Bug(
        "let two runs have one plugin object",
        where="kafka_parallel._plugins.claims:Claims.take",
        old="_in_runs.get(id(plugin)) == os.getpid()",
        new="False",
        executor="tests/hooks/test_claims.py::test_retry_topics_of_another_run_keep_their_topics",
    ),
    Bug(
        "never let go of a plugin object",
        where="kafka_parallel._plugins.claims:Claims.release",
        old="_in_runs.pop(id(plugin), None)",
        new="pass",
        executor="tests/hooks/test_claims.py::test_retry_topics_of_another_run_keep_their_topics",
    ),
    Bug(
        "expect a future from a subclass",
        where="kafka_parallel._runtime.client.async_commits:send_commit",
        old="future is None",
        new="False",
        executor="tests/runtime/client/test_async_commits.py::"
        "test_a_subclass_that_returns_nothing_answers_by_its_callback",
    ),
    Bug(
        "look at no work in a list",
        where="kafka_parallel._unfinished:unfinished",
        old="type(returned) in CONTAINERS",
        new="False",
        executor="tests/runtime/test_work_in_containers.py::test_work_in_a_container_is_a_failure",
    ),
    Bug(
        "take an iterator over a lazy one for data",
        where="kafka_parallel._shapes_of_work:_hands_on_work",
        old="issubclass(type(inner), LAZY)",
        new="False",
        executor="tests/runtime/test_work_in_containers.py::test_an_iterator_over_a_lazy_one_is_a_failure",
    ),
    Bug(
        "give each attempt at the last commit all the time",
        where="kafka_parallel._runtime.loop.finishing:time_of_attempt",
        old="max(patience / 10, deadline - clock.monotonic())",
        new="patience",
        executor="tests/runtime/loop/test_poll_loop.py::test_attempts_at_the_last_commit_share_its_time",
    ),
    Bug(
        "wait for a last commit that only renews",
        where="kafka_parallel._runtime.loop.poll_loop:Loop._commit_last",
        old="is_needed and not self._shutdown.is_abandoned",
        new="not self._shutdown.is_abandoned",
        executor="tests/runtime/loop/test_poll_loop.py::test_a_last_commit_that_only_renews_is_not_waited_for",
    ),
    Bug(
        "take the client back from where the program has jumped",
        where="kafka_parallel._runtime.client.consumer_adapter:Client.fetch_again",
        old="position is not None and position >= offset",
        new="True",
        executor="tests/runtime/client/test_consumer_adapter.py::"
        "test_records_that_have_to_be_fetched_again_do_not_undo_a_jump_of_the_program",
    ),
    Bug(
        "blame a record for an alarm",
        where="kafka_parallel._runtime.loop.intake:is_of_the_key",
        old="own is not require_key.__code__ or isinstance(error, ConfigurationError)",
        new="True",
        executor="tests/runtime/loop/test_intake.py::test_an_error_of_a_signal_handler_is_no_records_failure",
    ),
    Bug(
        "end by a partition that an assign took away",
        where="kafka_parallel._runtime.client.client_errors:is_retriable",
        old="_is_of_a_change(error)",
        new="False",
        executor="tests/runtime/client/test_client_errors.py::"
        "test_a_partition_that_an_assign_took_away_is_looked_up_again",
    ),
    Bug(
        "let a wrapper of on_error save a fault of the program",
        where="kafka_parallel._runtime.handlers.record_attempt:Attempts.failed",
        old="if decided:\n    return Failure(error, BY_PROGRAM)",
        new="",
        executor="tests/runtime/handlers/test_record_attempt.py::"
        "test_wrappers_hear_of_a_fault_of_the_program_and_cannot_change_it",
    ),
]
