"""The start and the timing of the programs that are compared."""

from __future__ import annotations

import ast
import asyncio
import os
import subprocess
import sys

import pytest

from benchmarks import environments
from benchmarks.costs import prepared, queue
from benchmarks.environments import ENVIRONMENTS, ROOT, Missing, last_words, prepare
from benchmarks.job import Job
from benchmarks.runners import handler_log
from benchmarks.runners.stopwatch import Stopwatch
from benchmarks.runners.table import COMPILED, ENTRANTS, OWN, RUNNERS, entrants
from benchmarks.session import NotMeasured, _run
from benchmarks.workloads import all_workloads


class Record:
    def __init__(self, number):
        self.value = b"%08d %08d " % (number, 0)


@pytest.mark.parametrize("runner", RUNNERS, ids=lambda runner: runner.name)
def test_every_runner_is_there_without_its_client_being_imported(runner):
    if runner.environment == "java":
        assert runner.entry in ("UNORDERED", "KEY")
        return
    module, function = runner.entry.split(":")
    tree = ast.parse((ROOT / "benchmarks" / "runners" / f"{module}.py").read_text())
    defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assigned = {ast.unparse(name) for node in tree.body if isinstance(node, ast.Assign) for name in node.targets}
    assert function in defined | assigned
    assert runner.environment in {*ENVIRONMENTS, COMPILED, OWN}


def test_every_workload_has_entrants_and_every_runner_enters():
    assert ENTRANTS.keys() == all_workloads().keys()
    entered = {runner.name for name in ENTRANTS for runner in entrants(name, with_peers=True)}

    assert entered == {runner.name for runner in RUNNERS}
    assert all(runner.environment == OWN for name in ENTRANTS for runner in entrants(name, with_peers=False))


def test_a_job_comes_back_from_a_command_line():
    job = Job("sleep", 10, 2, "127.0.0.1:1", "topic", "group")

    assert Job.from_json(job.to_json()) == job


def test_the_stopwatch_ends_with_the_last_record_and_not_before():
    ended = []
    watch = Stopwatch(3, lambda: ended.append(True))
    timed = watch.timing(None)
    for number in range(2):
        timed(Record(number))
    with pytest.raises(RuntimeError, match="not all 3 records"):
        _ = watch.seconds

    timed(Record(2))

    assert ended == [True]
    assert 0 <= watch.seconds < 10


def test_the_stopwatch_gives_handlers_the_value():
    seen = []

    async def handle(value):
        seen.append(value)

    Stopwatch(1, lambda: None).timing(seen.append)(Record(1))
    asyncio.run(Stopwatch(1, lambda: None).timing_async(handle)(Record(1)))

    assert seen == [Record(1).value] * 2


def test_the_log_of_several_processes_tells_time_and_what_is_missing(tmp_path):
    log = tmp_path / "log"
    code = "import sys; from benchmarks.runners.handler_log import *; compute_and_log(b'%08d ' % int(sys.argv[1]))"
    for number in (0, 1, 1):
        environment = {**os.environ, handler_log.VARIABLE: str(log)}
        subprocess.run([sys.executable, "-c", code, str(number)], env=environment, cwd=ROOT, check=True, timeout=60)

    assert handler_log.count(log) == 3
    assert handler_log.seconds(log, 2) > 0
    with pytest.raises(RuntimeError, match="1 of 3 records were never handled"):
        handler_log.seconds(log, 3)


def test_without_java_it_is_said_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(Missing, match="no java and no javac and no mvn on the PATH"):
        prepare("java")


ALONE = """#!{python}
import fcntl, pathlib
pathlib.Path("{folder}", "java").mkdir(exist_ok=True)
calls = pathlib.Path("{folder}", "calls")
calls.write_text(calls.read_text() + "x" if calls.exists() else "x")
with open("{folder}/.lock") as file:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise SystemExit(0)
raise SystemExit("another process may do the same at the same time")
"""


def test_one_process_at_a_time_makes_an_environment(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "FOLDER", tmp_path / "made")
    for tool in ("java", "javac", "mvn"):
        program = tmp_path / tool
        program.write_text(ALONE.format(python=sys.executable, folder=tmp_path / "made"))
        program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert prepare("java") == prepare("java")

    assert (tmp_path / "made" / "calls").read_text() == "xx", "mvn and javac, once each"


def test_what_is_published_of_a_failure_has_no_path_and_no_address():
    output = "Traceback\n  File x\nOSError: /home/me/it and https://example.org/simple are gone\n\nafterwards\n"

    assert last_words(output) == "OSError: ... and ... are gone"
    assert last_words("") == "it said nothing"
    assert (
        last_words("[\x1b[1;31mERROR\x1b[m] it is gone\n[INFO] \x1b[1mnone\x1b[m\n\x1b[0m\x1b[0m\n")
        == "[ERROR] it is gone"
    )


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("raise OSError('no broker')", "failed: OSError: no broker"),
        ('print(\'{"skipped": "not here"}\')', "skipped: not here"),
    ],
)
def test_a_program_that_fails_or_skips_says_why(code, reason):
    with pytest.raises(NotMeasured) as error:
        _run([sys.executable, "-c", code])

    assert str(error.value) == reason


def test_the_figures_are_on_the_last_line_and_those_that_are_unknown_are_left_out():
    code = "print('noise'); print('{\"seconds\": 2, \"peak\": null}')"

    assert _run([sys.executable, "-c", code]) == {"seconds": 2.0}


def test_a_program_that_takes_too_long_is_ended(monkeypatch):
    monkeypatch.setattr("benchmarks.session.PATIENCE", 0.5)

    with pytest.raises(NotMeasured, match="longer than"):
        _run([sys.executable, "-c", "import threading; threading.Event().wait()"])


def test_costs_are_those_of_all_records():
    assert 0 < queue.cost_of(1000, keys=10, in_flight=5) < 1
    assert 0 < prepared.cost_of(2000, partitions=3, workers=2) < 1


def test_the_prepared_consumer_is_behind_what_it_has_handed_out():
    consumer = prepared.PreparedConsumer(prepared.BATCH, partitions=1)
    consumer.count_with(lambda: prepared.BATCH)
    handed_out = []
    while len(handed_out) < 600:
        for records in consumer.poll(max_records=600 - len(handed_out)).values():
            handed_out += records
            assert [state.position.offset for state in consumer._states.values()] == [len(handed_out)]

    assert [record.offset for record in handed_out] == [*range(600)]
    consumer.seek(*consumer.assignment(), 0)
    with pytest.raises(RuntimeError, match="sought"):
        consumer.poll()
