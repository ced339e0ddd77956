"""The handlers: calls the user's handler, and turns its end into an outcome.

Only the room `loop` imports it; it knows no loop and no queue. Its parts: the call (`handler_calls`, `compatibility`,
`originals`), one attempt (`attempt_protocols`, `record_attempt`, `batch_attempt`, `verdict`, `handled_log`), on an
event loop (`coroutines`, `coroutine_attempt`, `coroutine_work`), in other processes (`remote_run`, `child_calls`), and
in time (`deadlines`).
"""
