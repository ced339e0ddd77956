"""The bugs that the simulation must find: each is a small change to the library's real source.

They are the mistakes that others shipped. ``B2.n`` and ``Tn`` number the lists of known failures of parallel consumers
this project was built against: committing what was only seen, waiting under a lock, counting what was only sent, taking
a stale result for a fresh one.
"""

from __future__ import annotations

from typing import NamedTuple


class Bug(NamedTuple):
    """One change: in *file*, *old* becomes *new*; *executor* = with which kind of handlers it shows."""

    name: str
    file: str
    old: str
    new: str
    executor: str = "thread-pool"


BUGS = [
    Bug(
        "B2.1 commit the highest offset, not the contiguous one",
        "core/offsets.py",
        "candidate = self._order[0] if self._order else self._next",
        "candidate = self._next",
    ),
    Bug(
        "B2.2, T5 commit while holding the lock that workers and a rebalance need",
        "runtime/commits.py",
        "            self._client.commit(offsets, context.timeout_ms / 1000)",
        "            with self._queue._lock:\n                self._client.commit(offsets, context.timeout_ms / 1000)",
    ),
    Bug(
        "B2.3, T7 do not expect a commit to meet a rebalance",
        "runtime/client.py",
        'return _is_rebalancing(error) or bool(getattr(error, "retriable", False))',
        'return bool(getattr(error, "retriable", False))',
    ),
    Bug(
        "B2.4 count a commit that was refused as done",
        "runtime/commits.py",
        "            return Answer.LOST",
        "            self._queue.committed(self._snapshot)\n            return Answer.DONE",
    ),
    Bug(
        "B2.5 go on behind what was taken under the last assignment, finished or not",
        "core/scheduler.py",
        "        return Ended(assignment.ledger.committable, running,",
        "        return Ended(assignment.ledger.next, running,",
    ),
    Bug(
        "B2.6 commit beyond the end of the log",
        "core/offsets.py",
        "        self._next = expected\n",
        "        self._next = expected and expected + 1\n",
    ),
    Bug(
        "B2.7 do not count retries that wait as buffered",
        "core/backpressure.py",
        "        return Load(records, size)",
        "        return Load(records - len(self._retries), size)",
    ),
    Bug(
        "B2.7 do not count what runs as buffered",
        "core/backpressure.py",
        "        return Load(records, size)",
        "        return Load(records - self.in_flight, size)",
    ),
    Bug(
        "take all that a poll brings, however large",
        "runtime/intake.py",
        "<= bytes_left:",
        ">= 0:",
    ),
    Bug(
        "forget to fetch again what had no room",
        "runtime/intake.py",
        "                    self._client.seek(partition, task.offset)\n                    self._queue.hold",
        "                    self._queue.hold",
    ),
    Bug(
        "no epoch check: count what ends under a former assignment for the one of now",
        "core/dispatch.py",
        "        if assignment is not None and assignment.live:",
        "        assignment = assignment and self._assignments.get(assignment.partition)\n"
        "        if assignment is not None:",
    ),
    Bug(
        "B2.8 take a handler that raised for one that is done",
        "runtime/attempt.py",
        "            return self.failed(task, record, error)\n        return None",
        "            return None\n        return None",
    ),
    Bug(
        "B2.9 do not notice a request to stop",
        "runtime/loop.py",
        "            self._shutdown.is_requested\n            or self._queue",
        "            self._queue",
    ),
    Bug(
        "B2.11 leave auto-commit on",
        "runtime/client.py",
        '                config["enable_auto_commit"] = False\n        if not all',
        "                pass\n        if False and not all",
    ),
    Bug(
        "T1 mark as committed what is finished now, not what was sent",
        "runtime/commits.py",
        "        self._queue.committed(snapshot)",
        "        self._queue.committed(self._queue.snapshot())",
    ),
    Bug(
        "T2 read the top of what is finished later than the rest",
        "runtime/commits.py",
        "            self._client.commit(offsets, context.timeout_ms / 1000)",
        "            tops = self._queue.ask(lambda _: {p: (a.ledger.next, -1) "
        "for p, a in self._snapshot.assignments.items()})\n"
        "            self._client.commit(metadata_of(tops), context.timeout_ms / 1000)",
    ),
    Bug(
        "T3 mark as committed what was only sent",
        "runtime/commits.py",
        "        self._snapshot, self._errors = snapshot, []",
        "        self._snapshot, self._errors = snapshot, []\n        self._queue.committed(snapshot)",
    ),
    Bug(
        "T4 let a stale record hold its key for ever",
        "core/dispatch.py",
        "holds = isinstance(outcome, (Retry, Failure)) and last.assignment.live",
        "holds = isinstance(outcome, (Retry, Failure)) or not last.assignment.live",
    ),
    Bug(
        "T4 drop a fresh record while a stale one of its key still runs",
        "core/backlog.py",
        "                add(task, lanes)",
        "                (task.key in lanes and lanes[task.key].held) or add(task, lanes)",
    ),
    Bug(
        "T6 stop polling while the last records drain",
        "runtime/loop.py",
        "            self._client.pause(self._client.assignment())\n            self._client.poll(timeout, 1)\n",
        "            return\n",
    ),
    Bug(
        "T8 lose a record whose failure could not be judged",
        "runtime/attempt.py",
        '            return Failure(broken, "a plugin raised in on_error", is_fatal=not isinstance(broken, Exception))',
        "            return Retry(1e12)",
    ),
    Bug(
        "T9 look whether a record is still ours when it is taken, and not again when it runs",
        "runtime/workqueue.py",
        "        runs = task.assignment.live and not self._closed",
        "        runs = not self._closed",
    ),
    Bug(
        "forget what was dropped",
        "core/offsets.py",
        "            if self._dropped_from is None or offset < self._dropped_from:",
        "            if False:",
    ),
    Bug(
        "let two units of a key out",
        "core/ordering.py",
        "    lane.held = True",
        "    lane.held = False",
    ),
    Bug(
        "let go of a key while its retry waits",
        "core/dispatch.py",
        "holds = isinstance(outcome, (Retry, Failure)) and last.assignment.live",
        "holds = False",
    ),
    Bug(
        "drop everything that has not started when leaving",
        "core/scheduler.py",
        "        return running if finished is None else max(running, finished)",
        "        return -1",
    ),
    Bug(
        "take a commit that met a rebalance for one that was refused for good",
        "runtime/client.py",
        "return isinstance(error, LOST) and not _is_rebalancing(error)",
        "return isinstance(error, LOST)",
    ),
    Bug(
        "do not seek back to what was dropped",
        "runtime/client.py",
        "        self._consumer.seek(partition, offset)",
        "        pass",
    ),
    Bug(
        "leave without waiting for what still runs",
        "core/assignment.py",
        "return self.ledger.records == len(self.halted)",
        "return True",
    ),
    Bug(
        "handle records before their start is committed",
        "runtime/loop.py",
        "        if not (self._commits_start and starts.offsets):",
        "        if True:",
    ),
    Bug(
        "wake no worker when records arrive",
        "runtime/workqueue.py",
        "            self._scheduler.feed(batch, leader_epochs)\n            self._wake_worker(1)",
        "            self._scheduler.feed(batch, leader_epochs)",
    ),
    Bug(
        "B2.10 let a malformed retry header hold its partition for ever",
        "runtime/intake.py",
        "            if offset != record.offset:",
        "            if True:",
    ),
    Bug(
        "believe any time in a retry header",
        "kafka_parallel_plugins/retry_topics.py",
        "return most if due_ms is None else min(due_ms / 1000 - now, most)",
        "return most if due_ms is None else due_ms / 1000 - now",
    ),
    Bug(
        "do not wait until a record of a retry topic is due",
        "runtime/intake.py",
        "            if until > now:",
        "            if False:",
    ),
    Bug(
        "take a wait that a rebalance interrupted for one that is over",
        "runtime/intake.py",
        "                until = now + self._wait(record, wall)",
        "                until = now + self._wait(record, wall)\n            else:\n                until = now",
    ),
    Bug(
        "begin a retry topic where auto_offset_reset says",
        "runtime/rebalance.py",
        "                self._client.seek_to_beginning(partition)",
        "                pass",
    ),
    Bug(
        "take records of a retry topic before it is known where to begin",
        "runtime/rebalance.py",
        "                self.unsettled.add(partition)\n                self._queue.hold",
        "                self._queue.hold",
    ),
    Bug(
        "count a record as finished although its retry topic did not acknowledge it",
        "kafka_parallel_plugins/retry_topics.py",
        "            return Halt(\n",
        "            return Skip(\n",
    ),
    Bug(
        "count a record as finished although its dead letter was not acknowledged",
        "kafka_parallel_plugins/dlq/__init__.py",
        '            return Halt(\n                f"{name}, and',
        '            return Skip(\n                f"{name}, and',
    ),
    Bug(
        "leave the deserialisers in poll()",
        "runtime/client.py",
        "                config[name] = PassThrough()",
        "                pass",
    ),
    Bug(
        "write a dead letter that is not the record byte for byte",
        "kafka_parallel_plugins/dlq/__init__.py",
        "            yield Outgoing(topic, raw.partition, raw.key, raw.value, headers)",
        "            yield Outgoing(topic, raw.partition, raw.key, raw.value and raw.value[1:], headers)",
    ),
    Bug(
        "take what cannot be deserialised for an outage",
        "kafka_parallel_plugins/circuit_breaker.py",
        'if context.stage != "handle" or not isinstance(error, self._open_on):',
        "if not isinstance(error, self._open_on):",
    ),
    Bug(
        "do not count an attempt",
        "core/dispatch.py",
        "        task.attempt += 1\n",
        "",
    ),
    Bug(
        "never let a throttle open again",
        "core/throttle.py",
        "            if bounds.later_from <= now:",
        "            if False:",
    ),
    Bug(
        "leave partitions paused after a throttle has opened",
        "core/backpressure.py",
        "self._assignments.select(self._paused if closed_by is None else ())",
        "self._assignments.select(())",
    ),
    Bug(
        "count a retry that was dropped as running",
        "core/backlog.py",
        "        self.retries.ended(dropped)\n",
        "",
    ),
    Bug(
        "count a retry that was settled as running",
        "core/dispatch.py",
        "        self._backlog.retries.ended(task for task, _ in found.outcomes)\n",
        "",
    ),
    Bug(
        "do not look again when a throttle is about to open",
        "core/dispatch.py",
        "[None if self._throttles.next_change == UNBOUNDED else self._throttles.next_change]",
        "[None]",
    ),
    Bug(
        "never let a key start again that had to wait for its pace",
        "core/pace.py",
        "        while self._waiting and self._waiting[0][0] <= now:",
        "        while False:",
    ),
    Bug(
        "do not look again when a pace is about to allow a start",
        "core/dispatch.py",
        "            dues.append(self._throttles.pace.next_start(is_ready=bool(self._backlog.ready)))",
        "            pass",
    ),
    Bug(
        "look again for the pace of all together, not for that of a key",
        "core/pace.py",
        "        return max(self.opens, self._waiting[0][0]) if self._waiting else None",
        "        return None",
    ),
    Bug(
        "lose a record that has to wait for its pace",
        "core/pace.py",
        "            ready.put_back(unit)",
        "            pass",
    ),
    Bug(
        "forget a bucket that is not full",
        "core/pace.py",
        "            if self._full_at[oldest] > now:",
        "            if False:",
    ),
    Bug(
        "count what is taken as started while it waits behind another record",
        "core/pace.py",
        "AT_ONCE = 0.001",
        "AT_ONCE = 1.0",
    ),
    Bug(
        "begin a pace anew with each partition that comes",
        "core/pace.py",
        "    return task.assignment.partition, task.key",
        "    return task.assignment.epoch, task.key",
    ),
    Bug(
        "take a coroutine whose wait was cancelled for one that is done",
        "runtime/attempt.py",
        '            return await self._failed_async(task, record, cancelled("something',
        '            return None and (cancelled("something',
        "asyncio",
    ),
    Bug(
        "run a coroutine although its assignment has ended",
        "runtime/workqueue.py",
        "begin_async(task, self.wants) if self.wants(task) else None",
        "begin_async(task, self.wants)",
        "asyncio",
    ),
    Bug(
        "finish a coroutine that was cancelled without settling it",
        "runtime/workqueue.py",
        "                outcome = self._attempt.cancelled(error)\n",
        "                outcome = self._attempt.cancelled(error)\n            else:\n                return\n",
        "asyncio",
    ),
    Bug(
        "let go of a key while its cancelled coroutine still runs",
        "runtime/attempt.py",
        "            await running\n",
        "            await asyncio.shield(asyncio.ensure_future(running))\n",
        "asyncio",
    ),
    Bug(
        "leave the wrappers before the coroutine has ended",
        "chains.py",
        "            result = await inner(*args)\n",
        "            _leave(around, who, partial(around.send, None))\n            return await inner(*args)\n",
        "asyncio",
    ),
    Bug(
        "do not cancel coroutines that nobody waits for",
        "kafka_parallel_plugins/event_loop.py",
        "                run.cancelled_at = now\n                task.cancel()",
        "                run.cancelled_at = now",
        "asyncio",
    ),
    Bug(
        "forget the rest of a chunk whose task was cancelled",
        "kafka_parallel_plugins/event_loop.py",
        "        elif run.chunk is not None:",
        "        elif False:",
        "asyncio",
    ),
    Bug(
        "give the slot of a task away that goes on",
        "kafka_parallel_plugins/event_loop.py",
        "            self._begin(run)  # a cancellation ended the task, not the chunk\n            return",
        "            self._begin(run)",
        "asyncio",
    ),
    Bug(
        "let a record feel the cancellation of the one before",
        "kafka_parallel_plugins/event_loop.py",
        "            is_usable = not _was_cancelled(me, run)",
        "            is_usable = True",
        "asyncio",
    ),
    Bug(
        "give back no slot after a task has ended",
        "kafka_parallel_plugins/event_loop.py",
        "        self._slots.release()\n        self._stop_if_idle()",
        "        self._stop_if_idle()",
        "asyncio",
    ),
    Bug(
        "let a batch take a key while another one holds it",
        "core/batching.py",
        "            if lane.held:\n                return\n",
        "",
        "batch on thread-pool",
    ),
    Bug(
        "count a success behind a failed record of the key as done",
        "core/chunk.py",
        "    return isinstance(outcome, (Skip, Failure))",
        "    return outcome is None or isinstance(outcome, (Skip, Failure))",
        "batch on thread-pool",
    ),
    Bug(
        "run the handler of a batch for what stands behind a record that was kept out of it",
        "runtime/batches.py",
        "            elif task.lane in cut:",
        "            elif False:",
        "batch on thread-pool",
    ),
    Bug(
        "forget when a group is due",
        "core/batching.py",
        "            heappush(self._by_time, (due, oldest.seq, group))",
        "            pass",
        "batch on thread-pool",
    ),
    Bug(
        "let what leaves wait for a batch to fill",
        "core/batching.py",
        "        return -NEVER if oldest.assignment.draining else oldest.queued_at + self._limits.wait",
        "        return oldest.queued_at + self._limits.wait",
        "batch on thread-pool",
    ),
    Bug(
        "let batches wait for each other while a worker is idle",
        "runtime/workqueue.py",
        "self._wake_worker(limit if self._attempt_batch is None else 1)",
        "self._wake_worker(limit)",
        "batch on thread-pool",
    ),
    Bug(
        "put records of several keys into a batch of one",
        "core/batching.py",
        'LaneGroup(lane) if self._limits.scope == "key" else self._group_of(task)',
        "self._group_of(task)",
        "batch on thread-pool",
    ),
    Bug(
        "take the records that BatchFailed names for the only ones that were in the batch",
        "runtime/batches.py",
        "                self.outcomes[entered.task] = None",
        "                self.outcomes[entered.task] = None if error is None else NotRun",
        "batch on thread-pool",
    ),
    Bug(
        "let go of the key of a late handler at its deadline",
        "core/dispatch.py",
        "        self._overdue[handler] = found.ended\n",
        "        self._overdue[handler] = found.ended\n        self.returned(handler, now)\n",
        "thread-pool with deadline",
    ),
    Bug(
        "take in what was decided about a late handler as if it had returned",
        "runtime/workqueue.py",
        "            self._fail_all(self._scheduler.dispatch.expire(chunk, running, self._clock.monotonic()))",
        "            self._fail_all(self._scheduler.dispatch.finish(chunk, self._clock.monotonic()))\n"
        "            self._fail_all(self._scheduler.dispatch.expire(chunk, running, self._clock.monotonic()))",
        "thread-pool with deadline",
    ),
    Bug(
        "count what a handler does after its deadline",
        "runtime/deadlines.py",
        "            raise OverdueError(self) from error",
        "            return",
        "thread-pool with deadline",
    ),
    Bug(
        "lose what a worker had not begun when it got stuck",
        "core/chunk.py",
        "        rest = _take_each(self._units)\n",
        "        _take_each(self._units)\n        rest: list[Unit] = []\n",
        "thread-pool with deadline",
    ),
    Bug(
        "hold the keys of what a worker had not begun when it got stuck",
        "core/dispatch.py",
        "            if unit.lane is not None and unit.lane is not stuck.lane:",
        "            if False:",
        "thread-pool with deadline",
    ),
    Bug(
        "do not replace the worker of a late handler",
        "runtime/watch.py",
        "        return replace is not None and replace()",
        "        return False",
        "thread-pool with deadline",
    ),
    Bug(
        "forget that a late handler has returned before its record was decided",
        "core/dispatch.py",
        "            self._returned.add(handler)\n",
        "",
        "thread-pool with deadline",
    ),
    Bug(
        "do not cancel a coroutine at its deadline",
        "runtime/coroutines.py",
        "        if not task.done():\n            await _cancel(task)",
        "        if not task.done():\n            await asyncio.wait({task})",
        "asyncio with deadline",
    ),
    Bug(
        "count what was not run of a dead process as done",
        "runtime/remote.py",
        "        return self._chunk.settle_next(unit, outcome)\n",
        "        while unit.tasks and self._chunk.settle_next(unit, None):\n            pass\n        return False\n",
        "process-pool",
    ),
    Bug(
        "run a unit twice that a process has given back",
        "runtime/remote.py",
        "            left += [units[report.unit] for report in reports if self._goes_on(units[report.unit], report)]\n",
        "            left += [units[report.unit] for report in reports if self._goes_on(units[report.unit], report)]\n"
        "            left += unbegun\n",
        "process-pool",
    ),
    Bug(
        "forget what a process has given back",
        "runtime/remote.py",
        "                self._queue.give_back(self._chunk, unbegun)",
        "                pass",
        "process-pool",
    ),
    Bug(
        "do not send what stands behind a skipped record again",
        "runtime/remote.py",
        "        return left\n",
        "        return []\n",
        "process-pool",
    ),
]
