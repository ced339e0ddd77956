"""The executor ``process-pool``: handlers on several cores.

`plugin` has the threads that take work, one for each process. `process` is one process as its thread sees it, `batch`
the outcomes it owes, `messages` the messages between the two, and `child` the code inside the process. Nothing is
imported here: the child would have to wait for it.
"""

__all__ = ()
