"""Helpers for plugins beside their hooks: a logger that never raises, values and classes as text, kinds of functions.

A hook runs in the middle of a commit or of a stop, where an error of a logging filter must not come out, nor one of the
metaclass of an error; settings may hold secrets; and a call of a coroutine function or of a generator function runs
nothing of it.
"""

from kafka_parallel._logs import QuietLogger, get_logger
from kafka_parallel._showing import class_name, full_class_name, shown
from kafka_parallel._unfinished import is_async, makes_generator

__all__ = ["QuietLogger", "class_name", "full_class_name", "get_logger", "is_async", "makes_generator", "shown"]
