"""kafka-python-ng beside kafka-python is told: at the import if that fails, else when a run starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kafka_parallel._client_files import mixture, too_old

ROOT = Path(__file__).parents[1]
MIXED_INIT = "from kafka.util import classproperty"  # as the real mixture of 3.0.12 and 2.2.3 fails


@pytest.mark.parametrize(
    ("client", "fork", "imported", "expected"),
    [
        ("3.0.12", None, "3.0.12", None),
        (None, None, "3.0.12", None),  # vendored, or a checkout
        ("3.0.12", "2.2.3", "3.0.12", False),
        ("3.0.12", "2.2.3", "2.2.3", True),
        ("3.0.12", "2.2.3", None, True),
        (None, "2.2.3", "2.2.3", False),
    ],
)
def test_a_mixture_is_told_from_one_that_works(client, fork, imported, expected):
    found = mixture(client, fork, imported)

    assert (found if found is None else found[1]) == expected
    if found is not None:
        assert fork in found[0]
        assert "pip uninstall kafka-python-ng kafka-python, then pip install kafka-python" in found[0]


@pytest.mark.parametrize(
    ("client", "is_told"),
    [(None, False), ("3.0.12", False), ("2.2.0", False), ("3.1.0.dev0", False), ("2.1.5", True), ("1.4.7", True)],
)
def test_a_version_is_told_that_lacks_needed_modules(client, is_told):
    found = too_old(client)

    assert (found is not None) == is_told
    if found is not None:
        assert client in found
        assert "pip install 'kafka-python>=2.2.9,<4'" in found


def test_an_import_beside_an_old_client_names_its_version(tmp_path):
    metadata = tmp_path / "kafka_python-2.0.2.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: kafka-python\nVersion: 2.0.2\n")
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])

    done = subprocess.run(
        [sys.executable, "-c", "import kafka_parallel"], env={**os.environ, "PYTHONPATH": paths}, capture_output=True,
        text=True, timeout=600, check=False,
    )  # fmt: skip

    assert done.stderr.splitlines()[-1].startswith("ImportError: kafka-python 2.0.2 is installed, which is too old")


def beside_the_fork(folder, program):
    """Run *program* where kafka-python-ng is installed as well, as pip's metadata in *folder* says."""
    metadata = folder / "kafka_python_ng-2.2.3.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: kafka-python-ng\nVersion: 2.2.3\n")
    paths = os.pathsep.join([str(folder), str(ROOT)])
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_an_import_that_fails_names_the_mixture(tmp_path):
    package = tmp_path / "kafka"
    package.mkdir()
    (package / "__init__.py").write_text(MIXED_INIT)
    (package / "util.py").write_text("")

    done = beside_the_fork(tmp_path, "import kafka_parallel")

    assert done.stderr.splitlines()[-1].startswith(
        "ImportError: kafka-python-ng 2.2.3 is installed beside kafka-python"
    )
    assert "which cannot be imported" in done.stderr
    assert "cannot import name 'classproperty'" in done.stderr  # the cause


def test_another_failure_of_the_import_is_left_as_it_is(tmp_path):
    package = tmp_path / "kafka"
    package.mkdir()
    (package / "__init__.py").write_text("import not_there_at_all")
    paths = os.pathsep.join([str(tmp_path), str(ROOT)])

    done = subprocess.run(
        [sys.executable, "-c", "import kafka_parallel"], env={**os.environ, "PYTHONPATH": paths}, capture_output=True,
        text=True, timeout=600, check=False,
    )  # fmt: skip

    assert done.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'not_there_at_all'"


RUN = "from tests.runtime.app import App; app = App(); print(app.run(), app.committed)"


def test_a_run_beside_the_fork_works_and_warns(tmp_path):
    done = beside_the_fork(tmp_path, RUN)

    assert done.stdout == "None 6\n"
    assert "kafka-python-ng 2.2.3 is installed beside kafka-python" in done.stderr


def test_a_run_with_the_forks_files_is_refused(tmp_path):
    done = beside_the_fork(tmp_path, f"import kafka; kafka.__version__ = '2.2.3'; {RUN}")

    assert done.stdout.startswith("kafka-python-ng 2.2.3 is installed beside kafka-python")
    assert "whose files say 2.2.3" in done.stdout
    assert done.stdout.endswith(" 0\n")
