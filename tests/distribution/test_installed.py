"""Installed without extras, the wheel brings three packages, and each built-in plugin and a real consumer work."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tests.distribution.conftest import Environment

pytestmark = pytest.mark.distribution

CONSUME = Path(__file__).with_name("consume.py")
COUNT = 300
LOAD_ALL = """
from importlib.metadata import entry_points
found = [point.load().__name__ for point in entry_points(group="kafka_parallel")]
print(len(found))
"""
FAKE = """
from kafka_parallel import ParallelConsumer
from kafka_parallel.testing import FakeCluster, FakeConsumer
cluster, seen = FakeCluster(), []
cluster.create_topic("orders")
cluster.append("orders", b"1 book", partition=0)
settings = {"auto_offset_reset": "earliest", "consumer_timeout_ms": 200}
ParallelConsumer(FakeConsumer("orders", cluster=cluster, group_id="g", **settings)).run(seen.append)
print(len(seen))
"""


def test_it_needs_three_packages(environment):
    listed = json.loads(environment.run("-m", "pip", "list", "--format", "json"))

    names = {package["name"] for package in listed} - {"pip", "setuptools"}

    assert names == {"kafka-parallel", "kafka-python", "pluggy", "crc32c"}


def test_it_is_the_wheel_that_is_imported(environment):
    place = environment.run("-c", "import kafka_parallel; print(kafka_parallel.__file__)")

    assert Path(place).is_relative_to(environment.python.parents[1])


def test_every_built_in_plugin_loads(environment):
    assert int(environment.run("-c", LOAD_ALL)) > 10


def test_the_fakes_work_without_an_extra(environment):
    assert environment.run("-c", FAKE) == "1\n"


def test_pytest_loads_the_fixtures_without_an_extra(tmp_path, wheel):
    with_pytest = Environment(tmp_path / "with-pytest")
    with_pytest.install(wheel, "pytest")
    (tmp_path / "test_one.py").write_text("def test_one():\n    pass\n")

    said = with_pytest.run("-m", "pytest", "--fixtures", "test_one.py", folder=tmp_path)

    assert "kafka_broker [session scope]" in said


def test_the_command_names_the_extra_that_it_needs(environment):
    command = environment.python.with_name("kafka-parallel")

    done = subprocess.run([command, "dlq"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (1, "the command needs click: pip install 'kafka-parallel[cli]'\n")


def test_with_its_extra_the_command_imports_a_handler_of_the_current_folder(tmp_path, wheel):
    with_cli = Environment(tmp_path / "with-cli")
    with_cli.install(f"{wheel}[cli]")
    command = with_cli.python.with_name("kafka-parallel")
    (tmp_path / "billing.py").write_text("def handle(record): ...\n")

    def said(*arguments, code):
        done = subprocess.run([command, *arguments], capture_output=True, text=True, check=False, cwd=tmp_path)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    assert said("--version", code=0).startswith("kafka-parallel ")
    assert '"name": "retry"' in said("plugins", "--json", code=0)
    assert "no topic is given" in said("run", "billing:handle", code=2)
    assert "has no 'handel'; did you mean 'handle'?" in said("run", "billing:handel", code=2)
    assert "nothing was taken" in said(
        "run", "billing:handle", "--topic", "orders", "--bootstrap-servers", "127.0.0.1:1", code=3
    )


@pytest.mark.broker
@pytest.mark.parametrize("executor", ["thread-pool", "asyncio", "process-pool"])
def test_every_record_of_a_real_kafka_is_handled_once_and_committed(environment, executor, kafka_broker, topic):
    from kafka import KafkaConsumer, KafkaProducer

    servers, name = kafka_broker.bootstrap_servers, topic(partitions=3)
    producer = KafkaProducer(bootstrap_servers=servers)
    for number in range(COUNT):
        producer.send(name, key=b"%d" % (number % 7), value=b"%d" % number)
    producer.close()

    lines = environment.run(CONSUME, servers, name, executor, COUNT).splitlines()

    reader = KafkaConsumer(bootstrap_servers=servers, group_id=name)
    committed = [reader.committed(partition) for partition in _partitions(name)]
    reader.close()
    handled = [int(line.split()[1]) for line in lines]
    assert Counter(handled) == Counter(range(COUNT))
    for key in range(7):
        of_key = [number for number in handled if number % 7 == key]
        assert of_key == sorted(of_key)
    assert sum(offset or 0 for offset in committed) == COUNT


def _partitions(name):
    from kafka import TopicPartition

    return [TopicPartition(name, number) for number in range(3)]
