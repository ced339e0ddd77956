"""The suites and two promises on a Python without the interpreter lock: ``make free-threaded``."""
