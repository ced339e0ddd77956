"""How does one run poll, commit, rebalance and stop?

`_consumer`, `_run_all`, a check of the command and the simulation import it; the rooms below do not. Its parts: the
run (`assembly`, `engine`, `run_state`, `background`, `asyncio_host`, `shutdown`, `finishing`, `forked_child`),
several runs of one process (`together`), the loop's thread (`poll_loop`, `intake`, `key_identities`, `positions`,
`committer`), the partitions that come and leave (`rebalance`, `assign_answers`, `committed_offsets`, `returns`), the
scheduler behind its lock (`locked_scheduler`, `wakeups`, `run_failure`, `plugin_throttle`), the ends of workers
(`worker_ends`), the facts that programs and plugins ask for (`run_facts`, `log_end_watch`), and the reports to an
operator (`reports`, `stuck_handlers`, `explainer`, `explain_signal`, `sentences`).
"""
