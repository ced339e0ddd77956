"""The handlers: calls the user's handler, and turns its end into an outcome.

Only the room `loop` imports it; it knows no loop and no queue. Its parts: the call (`handler_calls`, `compatibility`,
`originals`), one attempt (`attempt_protocols`, `record_attempt`, `batch_attempt`), its end (`verdict`, `odd_errors`,
`handled_log`, `log_fields`), the results that it produces (`result_delivery`, `awaited_results`), attempts on an event
loop (`coroutines`, `coroutine_attempt`, `coroutine_work`), in other processes (`remote_run`, `child_calls`), their
deadlines (`deadlines`), and the line that a running handler is at (`whereabouts`).
"""
