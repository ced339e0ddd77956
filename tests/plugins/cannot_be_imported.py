"""A module that a worker process cannot import, although its parent could."""

from __future__ import annotations

import multiprocessing
import os
import threading

if multiprocessing.parent_process() is not None:
    if os.environ["CANNOT_BE_IMPORTED"] == "raises":
        raise RuntimeError("not here")
    if os.environ["CANNOT_BE_IMPORTED"] == "ends":
        os._exit(5)
    if os.environ["CANNOT_BE_IMPORTED"] == "hangs":
        threading.Event().wait(600)


def handle(record):
    pass
