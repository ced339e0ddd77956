"""The executor of the page "Run handlers on Dask, Ray or any executor"."""

from __future__ import annotations

from concurrent.futures import Executor


def call(function, arguments, options):
    return function(*arguments, **options)


class RayExecutor(Executor):
    def __init__(self, **options):
        import ray

        self._task = ray.remote(**{"max_retries": 0, "num_cpus": 1, **options})(call)

    def submit(self, function, /, *arguments, **options):
        return self._task.remote(function, arguments, options).future()
