"""Bugs about attempts that are no verdict: they ended after their assignment, or were not made to their end."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "ask what a failure means although the partition has left",
        "_runtime/handlers/verdict.py",
        "    return task.assignment.live and not (",
        "    return not (",
    ),
    Bug(
        "ask what it means that a cancelled coroutine raised something else",
        "_runtime/handlers/verdict.py",
        "    return task.assignment.live and not (",
        "    return not (",
        "asyncio",
    ),
    Bug(
        "ask what the failure of a batch means although a partition of it has left",
        "_runtime/handlers/verdict.py",
        "    return task.assignment.live and not (",
        "    return not (",
        "batch on thread-pool",
    ),
    Bug(
        "ask what a deadline means that passed after the partition left",
        "_runtime/handlers/verdict.py",
        "    return task.assignment.live and not (",
        "    return not (",
        "thread-pool with deadline",
    ),
    Bug(
        "take a wanted record whose process was killed for handled",
        "_runtime/handlers/record_attempt.py",
        "            return NoVerdict\n",
        "            return None\n",
        "process-pool",
    ),
    Bug(
        "let a wanted record fail whose process was killed for another",
        "_runtime/handlers/verdict.py",
        " and not (isinstance(error, WorkerDied) and error.is_unwanted)",
        "",
        "process-pool",
    ),
    Bug(
        "finish a record without a verdict",
        "_core/dispatch.py",
        "        if outcome is NoVerdict:\n            self._wait(task, now)\n",
        "        if outcome is NoVerdict:\n            assignment.finish(task.offset)\n",
        "process-pool",
    ),
    Bug(
        "let a key go on before its record without a verdict has run again",
        "_core/outcome.py",
        "    return outcome is NoVerdict or outcome",
        "    return outcome",
        "process-pool",
    ),
    Bug(
        "tell of an attempt that failed after its partition left",
        "_runtime/handlers/handled_log.py",
        "        if counts(task, error):\n",
        "        if True:\n",
    ),
    Bug(
        "tell of an attempt that returned after its partition left",
        "_runtime/handlers/handled_log.py",
        "            if task.assignment.live:  # what",
        "            if True:  # what",
    ),
    Bug(
        "say that an attempt counts although its partition has left",
        "values.py",
        "        return self.assignment is None or self.assignment.live\n",
        "        return True\n",
    ),
    Bug(
        "let a success that came after the partition left end a row of dead letters",
        "kafka_parallel_plugins/dlq/limit.py",
        "                if attempt in self._running and context.counts:\n",
        "                if attempt in self._running:\n",
    ),
    Bug(
        "show a handler the retry topic instead of the topic that its record is from",
        "_runtime/handlers/originals.py",
        "return self._original(record) if self._original is not None and record.topic in self._topics else record",
        "return record",
    ),
    Bug(
        "send the record of the retry topic to a process",
        "_runtime/handlers/remote_run.py",
        "        see = self._attempt.see\n",
        "        see = lambda record: record  # noqa: E731\n",
        "process-pool",
    ),
]
