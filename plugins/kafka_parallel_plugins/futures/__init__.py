"""The executor ``futures``: handlers on any `concurrent.futures.Executor`, such as that of a cluster.

`waiting_threads` has the threads that take work and wait for futures. `executor_source` is the executor as they see it:
given, or made by a function and made anew when it breaks. `remote` is the code that runs where the executor runs calls.
Nothing is imported here: each of its workers would have to wait for it.
"""

__all__ = ()
