"""Bugs of the engine and of the plugins that ship: those of other projects, and those found here.

``B2.n`` and ``Tn`` number the lists of known failures of parallel consumers this project was built against: committing
records that were only seen, waiting under a lock, counting records that were only sent, taking a stale result for a
fresh one.
"""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "B2.1 commit the highest offset, not the contiguous one",
        where="kafka_parallel._core.offsets:OffsetLedger.committable",
        old="self._order[0] if self._order else self._next",
        new="self._next",
    ),
    Bug(
        "B2.2, T5 commit while holding the lock that workers and a rebalance need",
        where="kafka_parallel._runtime.loop.committer:Committer._commit",
        old="self._client.commit(commit.offsets, timeout)",
        new="""
            with self._scheduler._lock:
                self._client.commit(commit.offsets, timeout)
        """,
    ),
    Bug(
        "B2.3, T7 do not expect a commit to meet a rebalance",
        where="kafka_parallel._runtime.client.client_errors:is_retriable",
        old='_is_rebalancing(error) or bool(getattr(error, "retriable", False))',
        new='bool(getattr(error, "retriable", False))',
    ),
    Bug(
        "B2.4 count a commit that was refused as done",
        where="kafka_parallel._runtime.loop.committer:Committer._failed",
        old="return CommitResult.LOST",
        new="""
            self._scheduler.confirm_commit(commit.snapshot)
            return CommitResult.DONE
        """,
    ),
    Bug(
        "B2.5 go on behind what was taken under the last assignment, finished or not",
        where="kafka_parallel._core.scheduler:Scheduler.end_assignments",
        old="assignment.ledger.committable",
        new="assignment.ledger.next",
    ),
    Bug(
        "B2.6 commit beyond the end of the log",
        where="kafka_parallel._core.offsets:OffsetLedger.add_offsets",
        old="offsets[-1] + 1",
        new="offsets[-1] + 2",
    ),
    Bug(
        "B2.7 do not count retries that wait as buffered",
        where="kafka_parallel._core.backpressure:Backpressure.total",
        old="(ledger.records for ledger in ledgers)",
        new="(one.ledger.records - len(one.attempts) for one in self._assignments.with_unfinished.values())",
    ),
    Bug(
        "B2.7 do not count the oldest record as buffered, which runs",
        where="kafka_parallel._core.backpressure:Backpressure.total",
        old="ledger.records",
        new="max(0, ledger.records - 1)",
    ),
    Bug(
        "take all that a poll brings, however large",
        where="kafka_parallel._runtime.loop.intake:Intake._fitting",
        old="sum(task.size for found in tasks.values() for task in found) <= bytes_left",
        new="sum(task.size for found in tasks.values() for task in found) >= 0",
    ),
    Bug(
        "forget to fetch again what had no room",
        where="kafka_parallel._runtime.loop.intake:Intake._refetch",
        old="self._client.fetch_again(partition, offset)",
        new="",
    ),
    Bug(
        "no epoch check: count what ends under a former assignment for the one of now",
        where="kafka_parallel._core.dispatch:Dispatch._finish_all",
        old="""
            if assignment is not None and assignment.live:
                self.totals.processed += assignment.finish_offsets(offsets)
        """,
        new="""
            assignment = assignment and self._assignments.get(assignment.partition)
            if assignment is not None:
                self.totals.processed += assignment.finish_offsets(offsets)
        """,
    ),
    Bug(
        "B2.8 take a handler that raised for one that is done",
        where="kafka_parallel._runtime.handlers.record_attempt:Attempts.__call__",
        old="self.failed(task, record, error)",
        new="None",
    ),
    Bug(
        "B2.9 do not notice a request to stop",
        where="kafka_parallel._runtime.loop.poll_loop:Loop.over_by",
        old="self._shutdown.is_requested",
        new="self._shutdown.is_abandoned",
    ),
    Bug(
        "B2.11 leave auto-commit on",
        where="kafka_parallel._runtime.client.consumer_adapter:Client.take_over",
        old='takeover.changes.put(config, "enable_auto_commit", value=False)',
        new="pass",
        executor="tests/runtime/client/test_takeover.py::test_the_client_commits_nothing_by_itself_during_a_run",
    ),
    Bug(
        "T1 mark as committed what is finished now, not what was sent",
        where="kafka_parallel._runtime.loop.committer:Committer._done",
        old="commit.snapshot",
        new="self._scheduler.snapshot()",
    ),
    Bug(
        "T2 read the top of what is finished later than the rest",
        where="kafka_parallel._runtime.loop.committer:Committer._commit",
        old="self._client.commit(commit.offsets, timeout)",
        new="""
            tops = self._scheduler.ask(lambda _: {p: (a.ledger.next, -1) for p, a in snapshot.assignments.items()})
            self._client.commit(metadata_of(tops), timeout)
        """,
    ),
    Bug(
        "T3 mark as committed what was only sent",
        where="kafka_parallel._runtime.loop.committer:Committer._commit",
        old="commit = self._entered(snapshot, reason, timeout)",
        new="""
            commit = self._entered(snapshot, reason, timeout)
            self._scheduler.confirm_commit(snapshot)
        """,
    ),
    Bug(
        "T4 let a stale record hold its key for ever",
        where="kafka_parallel._core.dispatch:Dispatch._release",
        old="outcome is not NotRun and is_unfinished(outcome) and last.assignment.live",
        new="is_unfinished(outcome) or not last.assignment.live",
    ),
    Bug(
        "hold a key for ever of which one record ran alone",
        where="kafka_parallel._core.chunk:TaskChunk.settle",
        old="task.lane",
        new="None",
    ),
    Bug(
        "T4 drop a fresh record while a stale one of its key still runs",
        where="kafka_parallel._core.ordering:ReadyQueue.enqueue",
        old="lane.add_last(task)",
        new="lane.held or lane.add_last(task)",
    ),
    Bug(
        "T6 stop polling while the last records drain",
        where="kafka_parallel._runtime.loop.poll_loop:Loop._keep_alive",
        old="""
            self._client.pause(self._client.assignment())
            self._positions.distrust()
            self._refetch(self._client.poll(timeout, 1))
        """,
        new="return",
    ),
    Bug(
        "T8 lose a record whose failure could not be judged",
        where="kafka_parallel._runtime.handlers.record_attempt:Attempts.failed",
        old='Failure(raised, "a plugin raised in on_error", is_fatal=isinstance(raised, FATAL))',
        new="Retry(1e12)",
    ),
    Bug(
        "T9 look whether a record is still ours when it is taken, and not again when it runs",
        where="kafka_parallel._runtime.loop.locked_scheduler:LockedScheduler.run",
        old="self._attempt_one(task) if task.assignment.live or task.is_wanted else NoVerdict",
        new="self._attempt_one(task)",
    ),
    Bug(
        "forget what was dropped",
        where="kafka_parallel._core.offsets:OffsetLedger.drop",
        old="self._dropped_from is None or offset < self._dropped_from",
        new="False",
    ),
    Bug(
        "let two units of a key out",
        where="kafka_parallel._core.task:Lane.claim",
        old="self.held = True",
        new="self.held = False",
    ),
    Bug(
        "let go of a key while its retry waits",
        where="kafka_parallel._core.dispatch:Dispatch._release",
        old="outcome is not NotRun and is_unfinished(outcome) and last.assignment.live",
        new="False",
    ),
    Bug(
        "drop everything that has not started when leaving",
        where="kafka_parallel._core.scheduler:Scheduler._highest_started",
        old="running if finished is None else max(running, finished)",
        new="-1",
    ),
    Bug(
        "take a commit that met a rebalance for one that was refused for good",
        where="kafka_parallel._runtime.client.client_errors:is_lost",
        old="isinstance(error, (*LOST, *FENCED)) and not _is_rebalancing(error)",
        new="isinstance(error, (*LOST, *FENCED))",
    ),
    Bug(
        "do not seek back to what was dropped",
        where="kafka_parallel._runtime.client.consumer_adapter:Client.seek",
        old="self._own.seek(partition, offset)",
        new="",
    ),
    Bug(
        "leave without waiting for what still runs",
        where="kafka_parallel._core.assignment:Assignment.drained",
        old="self.unfinished == 0",
        new="True",
    ),
    Bug(
        "handle records before their start is committed",
        where="kafka_parallel._runtime.loop.poll_loop:Loop._commit_starts",
        old="starts is None or not starts.offsets",
        new="True",
    ),
    Bug(
        "wake no worker when records arrive",
        where="kafka_parallel._runtime.loop.locked_scheduler:LockedScheduler.feed",
        old="self._wakeups.wake_worker(1)",
        new="",
    ),
    Bug(
        "B2.10 let a malformed retry header hold its partition for ever",
        where="kafka_parallel._runtime.loop.intake:Intake._due_of",
        old="offset != record.offset",
        new="True",
    ),
    Bug(
        "believe any time in a retry header",
        where="kafka_parallel_plugins.retry_topics:RetryTopics._delay_ms",
        old="min(due_ms - now_ms, most)",
        new="due_ms - now_ms",
    ),
    Bug(
        "do not wait until a record of a retry topic is due",
        where="kafka_parallel._runtime.loop.intake:Intake._due_of",
        old="until > now",
        new="False",
    ),
    Bug(
        "take a wait that a rebalance interrupted for one that is over",
        where="kafka_parallel._runtime.loop.intake:Intake._due_of",
        old="""
            if offset != record.offset:
                until = now + self._delay_of(record, wall)
        """,
        new="""
            if offset != record.offset:
                until = now + self._delay_of(record, wall)
            else:
                until = now
        """,
    ),
    Bug(
        "begin a retry topic where auto_offset_reset says",
        where="kafka_parallel._runtime.loop.rebalance:Rebalance.locate_delayed_topics",
        old="self._client.seek_to_beginning(partition)",
        new="pass",
    ),
    Bug(
        "take records of a retry topic before it is known where to begin",
        where="kafka_parallel._runtime.loop.rebalance:Rebalance._begin_assignments",
        old="self.unsettled.add(partition)",
        new="",
    ),
    Bug(
        "count a record as finished although its retry topic did not acknowledge it",
        where="kafka_parallel_plugins.retry_topics:RetryTopics.on_error",
        old="""
            Halt(f"{name}, and retry topic {topic!r} did not acknowledge the record ({failure!r})")
        """,
        new="""
            Skip(
                f"{type(error).__name__}, and retry topic {topic!r} did not acknowledge the record ({failure!r})"
            )
        """,
    ),
    Bug(
        "count a record as finished although its dead letter was not acknowledged",
        where="kafka_parallel_plugins.dlq:DeadLetterQueue._write",
        old="Halt",
        new="Skip",
        nth=1,
    ),
    Bug(
        "leave the deserialisers in poll()",
        where="kafka_parallel._runtime.client.lazy_deserializers:LazyDeserializers.take_out",
        old="changes.put(self._config, name, value=PassThrough())",
        new="pass",
    ),
    Bug(
        "write a dead letter that is not the record byte for byte",
        where="kafka_parallel_plugins.dlq:DeadLetterQueue._letters",
        old="Outgoing(topic, raw.partition, raw.key, raw.value, headers)",
        new="Outgoing(topic, raw.partition, raw.key, raw.value and raw.value[1:], headers)",
    ),
    Bug(
        "take what cannot be deserialised for an outage",
        where="kafka_parallel_plugins.circuit_breaker:CircuitBreaker.on_error",
        old='context.stage != "handle" or not isinstance(error, self._open_on)',
        new="not isinstance(error, self._open_on)",
        executor="tests/plugins/test_circuit_breaker.py::test_a_record_that_was_never_handed_over_met_no_outage",
    ),
    Bug(
        "do not count an attempt",
        where="kafka_parallel._core.dispatch:Dispatch._count_attempt",
        old="task.attempt += 1",
        new="",
    ),
    Bug(
        "never let a throttle open again",
        where="kafka_parallel._core.in_flight_limits:Throttles.advance",
        old="bounds.later_from <= now",
        new="False",
    ),
    Bug(
        "leave partitions paused after a throttle has opened",
        where="kafka_parallel._core.backpressure:Backpressure.decide_pauses",
        old="self._paused if closed_by is None else ()",
        new="()",
    ),
    Bug(
        "count a retry that was dropped as running",
        where="kafka_parallel._core.backlog:Backlog.drop_above",
        old="self.retries.stop_counting(dropped)",
        new="",
        executor="tests/core/test_scheduler.py::test_a_retry_that_is_taken_away_after_its_assignment_ended_runs_no_more",
    ),
    Bug(
        "count a retry that was settled as running",
        where="kafka_parallel._core.dispatch:Dispatch._take_in_settled",
        old="self._end([end[0] for end in settled if end[1] is not NotRun])",
        new="pass",
    ),
    Bug(
        "do not look again when a throttle is about to open",
        where="kafka_parallel._core.admission:Admission.next_due",
        old="None if throttles.next_change == NEVER else throttles.next_change",
        new="None",
    ),
    Bug(
        "never let a key start again that had to wait for its rate",
        where="kafka_parallel._core.parking:Parking.release_due",
        old="self.waiting and self.waiting[0].until <= now",
        new="False",
    ),
    Bug(
        "do not look again when a rate is about to allow a start",
        where="kafka_parallel._core.admission:Admission.next_due",
        old="dues.append(self._next_start(is_ready=bool(ready)))",
        new="pass",
    ),
    Bug(
        "look again for the rate of all together, not for that of a key",
        where="kafka_parallel._core.admission:Admission._next_start",
        old="None if due is None else max(self._rates.earliest_start, due)",
        new="None",
    ),
    Bug(
        "lose a record that has to wait for its rate",
        where="kafka_parallel._core.parking:Parking.park",
        old="ready.requeue_unit(unit)",
        new="pass",
    ),
    Bug(
        "forget a bucket that is not full",
        where="kafka_parallel._core.rate_limits:TokenBuckets.count_starts",
        old="self._full_at[oldest] > now",
        new="False",
    ),
    Bug(
        "count what is taken as started while it waits behind another record",
        where="kafka_parallel._core.rate_limits",
        old="TAKEN_SECONDS = 0.001",
        new="TAKEN_SECONDS = 1.0",
        executor="tests/core/test_rate_limits.py::test_no_more_start_than_the_pace_allows_and_it_is_known_when_the_next_one_may",
    ),
    Bug(
        "begin a rate anew with each partition that comes",
        where="kafka_parallel._core.rate_limits:_place",
        old="task.assignment.scope",
        new="task.assignment.id",
    ),
    Bug(
        "take a coroutine whose wait was cancelled for one that is done",
        where="kafka_parallel._runtime.handlers.coroutine_attempt:CoroutineAttempts._rest",
        old='await self._failed(task, record, let_out("something it awaited was cancelled", error))',
        new='None and (let_out("something it awaited was cancelled", error))',
        executor="asyncio",
    ),
    Bug(
        "run a coroutine although its assignment has ended",
        where="kafka_parallel._runtime.handlers.coroutine_work:CoroutineWork.begin_task",
        old="not (task.assignment.live or wants(task))",
        new="False",
        executor="asyncio",
    ),
    Bug(
        "finish a coroutine that was cancelled without settling it",
        where="kafka_parallel._runtime.handlers.coroutine_work:CoroutineWork._settle",
        old="""
            if wants(task):
                outcome = self._attempts.cancelled(error)
        """,
        new="""
            if wants(task):
                outcome = self._attempts.cancelled(error)
            else:
                return
        """,
        executor="asyncio",
    ),
    Bug(
        "let go of a key while its cancelled coroutine still runs",
        where="kafka_parallel._runtime.handlers.coroutine_attempt:CoroutineAttempts._rest",
        old="returned = await running",
        new="returned = await asyncio.shield(asyncio.ensure_future(running))",
        executor="asyncio",
    ),
    Bug(
        "leave the wrappers before the coroutine has ended",
        where="kafka_parallel._plugins.chains:_wrap_async.call",
        old="result = await inner(*args)",
        new="""
            _left(around, who, None)
            return await inner(*args)
        """,
        executor="asyncio",
    ),
    Bug(
        "do not cancel coroutines that nobody waits for",
        where="kafka_parallel_plugins.event_loop:EventLoop._cancel_unwanted",
        old="task.cancel()",
        new="",
        executor="asyncio",
    ),
    Bug(
        "forget the rest of a chunk whose task was cancelled",
        where="kafka_parallel_plugins.event_loop:EventLoop._ended",
        old="run.chunk is not None",
        new="False",
        executor="asyncio",
    ),
    Bug(
        "give the slot of a task away that goes on",
        where="kafka_parallel_plugins.event_loop:EventLoop._ended",
        old="return",
        new="",
        executor="asyncio",
    ),
    Bug(
        "let a record feel the cancellation of the one before",
        where="kafka_parallel_plugins.event_loop:EventLoop._run",
        old="_was_cancelled(me, run)",
        new="False",
        executor="asyncio",
    ),
    Bug(
        "give back no slot after a task has ended",
        where="kafka_parallel_plugins.event_loop:EventLoop._ended",
        old="self._slots.release()",
        new="",
        executor="asyncio",
    ),
    Bug(
        "let a batch take a key while another one holds it",
        where="kafka_parallel._core.batch_queue:BatchQueue._enter_group",
        old="""
            if lane.held:
                count -= 1
                continue
        """,
        new="",
        executor="batch on thread-pool",
    ),
    Bug(
        "count a success behind a failed record of the key as done",
        where="kafka_parallel._core.batch_chunk:_is_final",
        old="isinstance(outcome, (Skip, Failure))",
        new="outcome is None or isinstance(outcome, (Skip, Failure))",
        executor="batch on thread-pool",
    ),
    Bug(
        "run the handler of a batch for what stands behind a record that was kept out of it",
        where="kafka_parallel._runtime.handlers.batch_attempt:BatchAttempts.enter_wrappers",
        old="task.lane in cut",
        new="False",
        executor="batch on thread-pool",
    ),
    Bug(
        "forget when a group is due",
        where="kafka_parallel._core.batch_queue:BatchQueue._list",
        old="heappush(self._by_time, (due, oldest.seq, next(self._listed), group))",
        new="pass",
        executor="batch on thread-pool",
    ),
    Bug(
        "let what leaves wait for a batch to fill",
        where="kafka_parallel._core.batch_groups:since_of",
        old="-NEVER if task.assignment.draining else task.queued_at",
        new="task.queued_at",
        executor="batch on thread-pool",
    ),
    Bug(
        "let batches wait for each other while a worker is idle",
        where="kafka_parallel._runtime.loop.wakeups:Wakeups.wake_for_rest",
        old="1 if self._takes_batches else limit",
        new="limit",
        executor="batch on thread-pool",
    ),
    Bug(
        "put records of several keys into a batch of one",
        where="kafka_parallel._core.batch_queue:BatchQueue._new_lane",
        old='LaneGroup(lane) if self._limits.of == "key" else self._group_of(task)',
        new="self._group_of(task)",
        executor="batch on thread-pool",
    ),
    Bug(
        "take the records that BatchFailed names for the only ones that were in the batch",
        where="kafka_parallel._runtime.handlers.batch_attempt:BatchRun.leave_wrappers",
        old="""
            self.done += (
                [task for place, task in enumerate(self.tasks) if place not in errors] if errors else self.tasks
            )
        """,
        new="""
            self.done += [] if errors else self.tasks
            if errors:
                self.outcomes.update((task, NotRun) for at, task in enumerate(self.tasks) if at not in errors)
        """,
        executor="batch on thread-pool",
    ),
    Bug(
        "let go of the key of a late handler at its deadline",
        where="kafka_parallel._core.dispatch:Dispatch.expire",
        old="self._overdue[handler] = [end for end in ended if end[2] in lanes]",
        new="""
            self._overdue[handler] = [end for end in ended if end[2] in lanes]
            self.returned(handler, now)
        """,
        executor="thread-pool with deadline",
    ),
    Bug(
        "take in what was decided about a late handler as if it had returned",
        where="kafka_parallel._runtime.loop.locked_scheduler:LockedScheduler.expire",
        old="now = self._clock.monotonic()",
        new="""
            now = self._clock.monotonic()
            self._fail_all(self._scheduler.dispatch.take_in_outcomes(chunk, now))
        """,
        executor="thread-pool with deadline",
    ),
    Bug(
        "count what a handler does after its deadline",
        where="kafka_parallel._runtime.handlers.deadlines:Running.__exit__",
        old="raise OverdueError(self) from error",
        new="return",
        executor="thread-pool with deadline",
    ),
    Bug(
        "lose what a worker had not begun when it got stuck",
        where="kafka_parallel._core.chunk:TaskChunk.detach",
        old="rest = _take_each(self._units)",
        new="""
            _take_each(self._units)
            rest: list[Unit] = []
        """,
        executor="thread-pool with deadline",
    ),
    Bug(
        "hold the keys of what a worker had not begun when it got stuck",
        where="kafka_parallel._core.dispatch:Dispatch.detach_stuck",
        old="self._hand_back(rest, stuck.lane)",
        new="""
            for unit in rest:
                self._requeue(unit.lane, unit.tasks)
        """,
        executor="thread-pool with deadline",
    ),
    Bug(
        "do not replace the worker of a late handler",
        where="kafka_parallel._runtime.loop.stuck_handlers:StuckHandlers._replace_worker",
        old="replace is not None and replace()",
        new="False",
        executor="thread-pool with deadline",
    ),
    Bug(
        "forget that a late handler has returned before its record was decided",
        where="kafka_parallel._core.dispatch:Dispatch.returned",
        old="self._returned.add(handler)",
        new="",
        executor="thread-pool with deadline",
    ),
    Bug(
        "do not cancel a coroutine at its deadline",
        where="kafka_parallel._runtime.handlers.coroutines:within",
        old="""
            if not task.done():
                await _cancel(task)
                if task.cancelled():
                    raise timed_out(item, timeout)
        """,
        new="""
            if not task.done():
                await asyncio.wait({task})
                if task.cancelled():
                    raise timed_out(item, timeout)
        """,
        executor="asyncio with deadline",
    ),
    Bug(
        "count what was not run of a dead process as done",
        where="kafka_parallel._runtime.handlers.remote_run:RemoteRun._goes_on",
        old="return self._chunk.settle_next(unit, outcome)",
        new="""
            while unit.tasks and self._chunk.settle_next(unit, None):
                pass
            return False
        """,
        executor="process-pool",
    ),
    Bug(
        "run a unit twice that a process has given back",
        where="kafka_parallel._runtime.handlers.remote_run:RemoteRun._send",
        old="left += [units[report.unit] for report in reports if self._goes_on(units[report.unit], report)]",
        new="""
            left += [units[report.unit] for report in reports if self._goes_on(units[report.unit], report)]
            left += unbegun
        """,
        executor="process-pool",
    ),
    Bug(
        "forget what a process has given back",
        where="kafka_parallel._runtime.handlers.remote_run:RemoteRun._send",
        old="self._owner.unclaim(self._chunk, unbegun)",
        new="pass",
        executor="process-pool",
    ),
    Bug(
        "do not send what stands behind a skipped record again",
        where="kafka_parallel._runtime.handlers.remote_run:RemoteRun._send",
        old="return left",
        new="return []",
        executor="process-pool",
    ),
    Bug(
        "let no success end a row of dead letters",
        where="kafka_parallel_plugins.dlq.limit:_Recent.add",
        old="self.consecutive = self.consecutive + 1 if failed else 0",
        new="self.consecutive += failed",
    ),
    Bug(
        "count the dead letters of all partitions together",
        where="kafka_parallel_plugins.dlq.limit:LimitWatch.__init__",
        old="lambda: _Recent(limit.window)",
        new="lambda all_of_them=_Recent(limit.window): all_of_them",
    ),
    Bug(
        "write one dead letter more in a row than the limit allows",
        where="kafka_parallel_plugins.dlq.limit:LimitWatch.exceeded",
        old="recent.consecutive > limit.max_consecutive",
        new="recent.consecutive > limit.max_consecutive + 1",
    ),
    Bug(
        "stop one dead letter early",
        where="kafka_parallel_plugins.dlq.limit:LimitWatch.exceeded",
        old="recent.consecutive > limit.max_consecutive",
        new="recent.consecutive >= limit.max_consecutive",
    ),
    Bug(
        "judge the ratio of dead letters before the window is full",
        where="kafka_parallel_plugins.dlq.limit:LimitWatch.exceeded",
        old="limit.max_ratio is not None and recent.is_full and recent.failures > limit.max_ratio * limit.window",
        new="limit.max_ratio is not None and recent.failures > limit.max_ratio * limit.window",
    ),
    Bug(
        "let the window of the ratio only grow",
        where="kafka_parallel_plugins.dlq.limit:_Recent.add",
        old="self.failures -= self._failed[0]",
        new="pass",
    ),
    Bug(
        "stop at the ratio, not above it",
        where="kafka_parallel_plugins.dlq.limit:LimitWatch.exceeded",
        old="recent.failures > limit.max_ratio * limit.window",
        new="recent.failures >= limit.max_ratio * limit.window",
    ),
    Bug(
        "let a handler past its deadline end a row of dead letters",
        where="kafka_parallel_plugins.dlq.limit:LimitWatch.on_record",
        old="attempt in self._running and context.counts",
        new="context.counts",
        executor="thread-pool with deadline",
    ),
    Bug(
        "let a handler past its deadline end a row of dead letters if its record is tried again",
        where="kafka_parallel_plugins.dlq:DeadLetterQueue.on_error",
        old="self._watch.failed(context)",
        new="pass",
        executor="thread-pool with deadline",
    ),
    Bug(
        "go on above the limit of dead letters, without writing them",
        where="kafka_parallel_plugins.dlq:DeadLetterQueue.bury",
        old='Halt(f"{exceeded}: this looks like more than a few bad records, so nothing more is dead-lettered")',
        new='Skip(f"{exceeded}: this looks like more than a few bad records, so nothing more is dead-lettered")',
    ),
    Bug(
        "let one retry more run than may",
        where="kafka_parallel._core.retries:Retries.let_go_on",
        old="len(self.running) < most",
        new="len(self.running) <= most",
    ),
    Bug(
        "round the share of retries",
        where="kafka_parallel_plugins.retry:RetryWithBackoff.on_throttle",
        old="int(settings.workers * self._max_share)",
        new="round(settings.workers * self._max_share)",
    ),
    Bug(
        "count a retry as running only until a worker has it",
        where="kafka_parallel._core.dispatch:Dispatch.next_chunk",
        old="self._hand_out(chunk)",
        new="""
            self._hand_out(chunk)
            self._backlog.retries._running.clear()
        """,
    ),
    Bug(
        "do not count retries of records without a key",
        where="kafka_parallel._core.retries:Retries.let_go_on",
        old="self.running.add(task)",
        new="task.lane is None or self.running.add(task)",
    ),
    Bug(
        "do not count retries of records with a key",
        where="kafka_parallel._core.retries:Retries.let_go_on",
        old="self.running.add(task)",
        new="task.lane is not None or self.running.add(task)",
        executor="asyncio",
    ),
    Bug(
        "steal only what has room",
        where="kafka_parallel._core.dispatch:Dispatch._next_chunk",
        old="steals and not units",
        new="steals and not units and room",
    ),
    Bug(
        "count a retry that was handled as one that runs",
        where="kafka_parallel._core.dispatch:Dispatch._finish_last",
        old="self._end((task,))",
        new="pass",
    ),
    Bug(
        "keep the lane of the last record of a chunk",
        where="kafka_parallel._core.dispatch:Dispatch._finish_last",
        old="""
            if lane is not None:
                self._backlog.ready.release(lane)
        """,
        new="",
    ),
    Bug(
        "forget the last record of a chunk",
        where="kafka_parallel._core.dispatch:Dispatch._finish_last",
        old="task.assignment.finish_offset(task.offset)",
        new="1",
    ),
    Bug(
        "do not count retries in batches",
        where="kafka_parallel._core.dispatch:Dispatch._next_chunk",
        old="batch = self._admission.take_allowed_batch(ready, self.in_flight, now)",
        new="""
            batch = self._admission.take_allowed_batch(ready, self.in_flight, now)
            self._backlog.retries.running.clear()
        """,
        executor="batch on thread-pool",
    ),
    Bug(
        "forget the retries that run when a handler is past its deadline",
        where="kafka_parallel._core.dispatch:Dispatch.detach_stuck",
        old="stuck, rest = chunk.detach()",
        new="""
            stuck, rest = chunk.detach()
            self._backlog.retries._running.clear()
        """,
        executor="thread-pool with deadline",
    ),
    Bug(
        "take all of a batch for sent that a crash interrupted",
        where="kafka_parallel.cli.sending:Replay._settle_open_batch",
        old="{wanted[mark] for mark in self._marks_since(ends) if mark in wanted}",
        new="set(places)",
        executor="replay",
    ),
    Bug(
        "send all of a batch again that a crash interrupted",
        where="kafka_parallel.cli.sending:Replay._settle_open_batch",
        old="mark in wanted",
        new="False",
        executor="replay",
    ),
    Bug(
        "look from now on for what arrived before a crash",
        where="kafka_parallel.cli.sending:Replay._marks_since",
        old="offsets.get(str(partition.partition), 0)",
        new="now[partition]",
        executor="replay",
    ),
    Bug(
        "look for what arrived of a batch in the first of its topics only",
        where="kafka_parallel.cli.sending:Replay._marks_since",
        old="ends.items()",
        new="[*ends.items()][:1]",
        executor="replay",
    ),
    Bug(
        "note a batch as sent before it was acknowledged",
        where="kafka_parallel.cli.sending:Replay._send",
        old="answer.get(timeout=BATCH_TIMEOUT)",
        new="answer",
        executor="replay",
    ),
    Bug(
        "do not note a batch before it is sent",
        where="kafka_parallel.cli.sending:Replay._send",
        old="self._bookmark.begin([_place(letter) for letter in batch], self._ends(batch))",
        new="self._ends(batch)",
        executor="replay",
    ),
    Bug(
        "leave half a line in the bookmark, and write on behind it",
        where="kafka_parallel.cli.bookmark:Bookmark._read",
        old="self._file.truncate(len(complete.encode()))",
        new="pass",
        executor="replay",
    ),
    Bug(
        "take up the identity of a replay anew with each start",
        where="kafka_parallel.cli.bookmark:Bookmark._read",
        old='head["identity"]',
        new="secrets.token_hex(8)",
        executor="replay",
    ),
    Bug(
        "send letters to whatever topic their headers name",
        where="kafka_parallel.cli.dlq_replay:_target",
        old="letter.says.topic in allowed",
        new="letter.says.topic is not None",
        executor="replay",
    ),
    Bug(
        "leave the mark of an earlier replay beside the new one",
        where="kafka_parallel.cli.sending:Replay._hand_over",
        old='[(name, value or b"") for name, value in headers if name != REPLAYED]',
        new='[(name, value or b"") for name, value in headers]',
        executor="replay",
    ),
    Bug(
        "send the letters of a dry run",
        where="kafka_parallel.cli.dlq_replay:replay",
        old="not execute or notes is None",
        new="notes is None",
        executor="replay",
    ),
    Bug(
        "tell nobody of an attempt that failed",
        where="kafka_parallel._runtime.handlers.handled_log:HandledLog.around.timed",
        old="self.note_end(task, error)",
        new="",
    ),
    Bug(
        "tell once more of a record that missed its deadline when its handler returns",
        where="kafka_parallel._runtime.handlers.handled_log:HandledLog.around.timed",
        old="""
            except OverdueError:
                raise
        """,
        new="",
        executor="thread-pool with deadline",
    ),
    Bug(
        "time a coroutine with what is decided about its failure",
        where="kafka_parallel._runtime.handlers.coroutine_attempt:CoroutineAttempts._failed",
        old="""
            self._attempts.note_end(task, record, error)
            return await self.beside(partial(self._attempts.failed, task, record, error))
        """,
        new="""
            outcome = await self.beside(partial(self._attempts.failed, task, record, error))
            self._attempts.note_end(task, record, error)
            return outcome
        """,
        executor="asyncio",
    ),
    Bug(
        "tell of records of a batch that failed as if all of it had returned",
        where="kafka_parallel._runtime.handlers.record_attempt:Attempts.batch_ended",
        old="""
            for task, record, error in failures:
                self.note_end(task, record, error)
        """,
        new="""
            for task, record, _ in failures:
                self.note_end(task, record)
        """,
        executor="batch on thread-pool",
    ),
    Bug(
        "tell of records that a process reported before its death once more with the failed one",
        where="kafka_parallel._runtime.handlers.handled_log:HandledLog.reported",
        old="report.returned",
        new="report.returned + (report.error is not None)",
        executor="process-pool",
    ),
    Bug(
        "look for what falls due only where something has a rate",
        where="kafka_parallel._core.admission:Admission.next_due",
        old="""
            retries.waiting or throttles.next_change != NEVER or self.is_selective or _is_batched(ready)
        """,
        new="throttles.next_change != NEVER or self.is_selective or _is_batched(ready)",
    ),
    Bug(
        "hand over what is done with the next chunk, but forget what stops the consumer",
        where="kafka_parallel._runtime.loop.locked_scheduler:LockedScheduler._exchange",
        old="self._take_in_outcomes",
        new="self._scheduler.dispatch.take_in_outcomes",
    ),
]
