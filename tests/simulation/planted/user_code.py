"""Bugs about user code that does what is not expected of it: returns its work, stops an iteration, raises anything."""

from __future__ import annotations

from tests.simulation.planted.bug import Bug

BUGS = [
    Bug(
        "take a StopIteration of a deserialiser or an ordering for the end of a coroutine",
        "_runtime/handlers/coroutine_attempt.py",
        "        except BaseException as error:  # noqa: BLE001 - turned into an outcome, raised again by run()\n"
        "            return self._failed(task, record, error)\n",
        "        except StopIteration:\n"
        "            return None\n"
        "        except BaseException as error:\n"
        "            return self._failed(task, record, error)\n",
        "asyncio",
    ),
    Bug(
        "take a handler that returns its work for one that did it",
        "_runtime/handlers/record_attempt.py",
        "            returned = variables.copy().run(handler, record)\n            if returned is not None:",
        "            returned = variables.copy().run(handler, record)\n            if False:",
    ),
    Bug(
        "take a coroutine that returns a coroutine for one that awaited it",
        "_runtime/handlers/coroutine_attempt.py",
        "            require_finished(await running, may_skip=self._may_skip)\n",
        "            await running\n",
        "asyncio",
    ),
    Bug(
        "take a batch whose handler returns its work for one that is done",
        "_runtime/handlers/batch_attempt.py",
        "        require_finished(returned)\n",
        "",
        "batch on thread-pool",
    ),
    Bug(
        "take a batch whose coroutine returns its work for one that is done",
        "_runtime/handlers/coroutine_work.py",
        "                require_finished(result)\n",
        "",
        "batch on asyncio",
    ),
    Bug(
        "do not look at what a handler returns in another process",
        "_runtime/handlers/remote_run.py",
        "_pickled((finishing(handler), ",
        "_pickled((handler, ",
        "process-pool",
    ),
    Bug(
        "end run() by every error that is no Exception",
        "_runtime/handlers/record_attempt.py",
        "        if isinstance(error, FATAL):\n",
        "        if not isinstance(error, Exception):\n",
    ),
    Bug(
        "catch only an Exception of an ordering",
        "_runtime/loop/intake.py",
        "                except BaseException as raised:",
        "                except Exception as raised:",
    ),
    Bug(
        "take a coroutine for an ordering key",
        "_runtime/loop/intake.py",
        "kind = require_key(key)",
        "kind = type(key)",
    ),
    Bug(
        "take a context manager that was not entered for the result of a handler",
        "_shapes_of_work.py",
        "    MANAGER: (_was_not_entered, ENTER),\n",
        "",
    ),
    Bug(
        "take a function that was not called for the result of a handler",
        "_unfinished.py",
        "work_in(returned) or function_in(returned)",
        "work_in(returned)",
    ),
]
