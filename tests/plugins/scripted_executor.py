"""An executor whose calls end as a test says; each goes through pickle, as it would over a network."""

from __future__ import annotations

import pickle
from concurrent.futures import Executor, Future

from kafka_parallel_plugins.futures import remote


class Call:
    """One submitted call.

    :ivar offsets: of its records; none for the call that imports the handler.
    """

    def __init__(self, function, arguments, options):
        self.future = Future()
        self.is_check = function is remote.import_program
        self.arguments = arguments
        self._pickled = pickle.dumps((function, arguments, options))
        self.offsets = [] if self.is_check else [fields[3] for fields in pickle.loads(arguments[1])]

    def run(self):
        """Run it here and now."""
        function, arguments, options = pickle.loads(self._pickled)
        self.future.set_result(pickle.loads(pickle.dumps(function(*arguments, **options))))


class Scripted(Executor):
    """Leaves it to *script* how calls on records end.

    :param script: a function of the executor and the call.
    :ivar calls: those on records.
    """

    def __init__(self, script=lambda executor, call: call.run(), check=Call.run):
        self.calls = []
        self.shutdowns = []
        self._script = script
        self._check = check

    def submit(self, function, /, *arguments, **options):
        if self.shutdowns:
            raise RuntimeError("cannot schedule new futures after shutdown")
        call = Call(function, arguments, options)
        if call.is_check:
            self._check(call)
        else:
            self.calls.append(call)
            self._script(self, call)
        return call.future

    def shutdown(self, wait=True, *, cancel_futures=False):
        self.shutdowns.append(wait)

    def tries(self, offset):
        """How often a record was submitted."""
        return sum(offset in call.offsets for call in self.calls)
