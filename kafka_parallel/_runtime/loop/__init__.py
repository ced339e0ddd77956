"""How does one run poll, commit, rebalance and stop?

Only `_consumer` and the simulation import it; the rooms below do not. Its parts: the run (`assembly`, `engine`,
`run_state`, `background`, `asyncio_host`, `shutdown`, `finishing`), the loop's thread (`poll_loop`, `intake`,
`key_identities`, `positions`, `committer`, `rebalance`), the scheduler behind its lock (`locked_scheduler`,
`wakeups`, `run_failure`, `plugin_throttle`), and the reports to an operator (`reports`, `stuck_handlers`).
"""
