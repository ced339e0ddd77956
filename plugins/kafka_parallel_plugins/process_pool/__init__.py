"""The executor ``process-pool``: handlers on several cores.

`plugin` has the threads that take work, one for each process. `process` is one process as its thread sees it, `batch`
what is owed of the records it has, `messages` what the two say to each other, and `child` what runs inside. Nothing is
imported here: the child would have to wait for it.
"""
