"""The compiled form is used if it fits; else the form in Python is, one line says why, and no record is another."""

from __future__ import annotations

import compileall
import importlib.metadata
import logging
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from kafka.consumer.fetcher import ConsumerRecord, Fetcher

import kafka_parallel
import kafka_parallel_plugins
from kafka_parallel._runtime.client import decoding
from kafka_parallel_plugins.fast_decoder import FastDecoder
from kafka_parallel_plugins.fast_decoder.batch_decoder import decode
from kafka_parallel_plugins.fast_decoder.compiled import MODULE, TRIAL, NotUsableError, compiled_decoder
from tests.plugins import compiled_form
from tests.plugins.record_batches import CLIENT, Batch, story

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECTS = (compiled_form.ROOT / "pyproject.toml", compiled_form.PROJECT / "pyproject.toml")
LOGGER = "kafka_parallel_plugins.fast_decoder"
IN_PYTHON = "plugin fast-decoder offers its decoder in Python, for kafka-parallel-compiled cannot be used: "
OWN = importlib.metadata.version("kafka-parallel")
REMEDY = f"pip install --force-reinstall --no-deps kafka-parallel-compiled=={OWN} brings the one for this Python"
OF_THIS_SOURCE = """
import pkgutil
from hashlib import sha256
from kafka_parallel_plugins.fast_decoder.batch_decoder import decode as in_python
SOURCE = sha256(pkgutil.get_data("kafka_parallel_plugins.fast_decoder", "batch_decoder.py")).hexdigest()
def decode(batch, position, most):
    found = in_python(batch, position, most)
"""
ASKED_FOR_NOTHING = "def __getattr__(name):\n    raise RuntimeError(name)\n"
OTHER_KEYS = "[record._replace(key=b'other') for record in found.records]"
OTHERS = {
    "other keys": f"    return found._replace(records={OTHER_KEYS})",
    "plain tuples": "    return found._replace(records=[(*record,) for record in found.records])",
    "a record left out": "    return found._replace(records=found.records[1:])",
    "another position": "    return found._replace(position=1)",
    "another size": "    return found._replace(size=1)",
    "bytearrays": "    return found._replace(records=[r._replace(value=bytearray(r.value)) for r in found.records])",
    "an error": "    raise SystemError('unknown opcode')",
}
LATER = f"""
    is_trial = batch.topic in {{'kafka-parallel-trial', 'kafka-parallel-probe'}}
    return found if is_trial else found._replace(records={OTHER_KEYS})
"""


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A folder where the distribution can be installed, in the place of one that is."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    yield tmp_path
    sys.modules.pop(MODULE, None)


def install(site, name, content):
    """Install a distribution that has one file."""
    folder = site / "kafka_parallel_compiled-0.0.9.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: kafka-parallel-compiled\nVersion: 0.0.9\n")
    (site / name).write_bytes(content)


def provided(caplog):
    """The decoder of the plugin, and the level and the text of the one line that it has logged."""
    with caplog.at_level(logging.DEBUG, LOGGER):
        decoder = FastDecoder().provide_decoder(None)
    (record,) = [record for record in caplog.records if record.name == LOGGER]
    return decoder, record.levelname, record.getMessage()


def test_the_compiled_form_is_used_if_it_fits(site, caplog):
    path = compiled_form.built()
    install(site, path.name, path.read_bytes())

    decoder, level, said = provided(caplog)

    assert decoder is sys.modules[MODULE].decode
    assert decoder is not decode
    assert not hasattr(decoder, "__code__"), "it is not compiled"
    assert (level, said) == ("INFO", "plugin fast-decoder offers its compiled decoder")


@pytest.mark.skipif(compiled_form.is_installed(), reason="kafka-parallel-compiled is installed")
def test_where_it_is_not_installed_the_line_is_no_warning(site, caplog):
    said = (
        "plugin fast-decoder offers its decoder in Python: kafka-parallel-compiled is not installed; "
        "pip install 'kafka-parallel[compiled]' brings it"
    )

    assert provided(caplog) == (decode, "INFO", said)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (f"{MODULE}.cpython-39-x86_64-linux-gnu.so", f"No module named '{MODULE}'"),
        (f"{MODULE}{EXTENSION_SUFFIXES[0]}", "file too short"),
        (f"{MODULE}.py", "unexpected"),
    ],
    ids=["of another Python", "of no Python", "that raises"],
)
def test_a_module_that_cannot_be_imported_is_named(site, caplog, name, said):
    install(site, name, b"\x7fELF" if name.endswith(".so") else b"raise RuntimeError('unexpected')")

    decoder, level, line = provided(caplog)

    assert decoder is decode
    assert level == "WARNING"
    assert line.startswith(f"{IN_PYTHON}{sys.implementation.cache_tag} cannot import kafka-parallel-compiled 0.0.9 (")
    assert said in line
    assert line.endswith(f"; {REMEDY}")


@pytest.mark.parametrize("source", ["", "SOURCE = 'f00'\n"], ids=["no fingerprint", "another fingerprint"])
def test_a_module_of_another_version_is_not_asked(site, caplog, source):
    install(site, f"{MODULE}.py", f"{source}def decode(*_):\n    raise SystemExit".encode())

    decoder, level, line = provided(caplog)

    assert decoder is decode
    assert level == "WARNING"
    assert line.startswith(
        f"{IN_PYTHON}kafka-parallel-compiled 0.0.9 was not compiled from the source of kafka-parallel {OWN}; {REMEDY}"
    )


@pytest.mark.parametrize("body", OTHERS.values(), ids=OTHERS)
def test_a_module_that_makes_other_records_is_not_used(site, caplog, body):
    install(site, f"{MODULE}.py", (OF_THIS_SOURCE + body).encode())

    decoder, level, line = provided(caplog)

    assert decoder is decode
    assert level == "WARNING"
    assert line.startswith(f"{IN_PYTHON}kafka-parallel-compiled 0.0.9 makes other records than its source does (")


@pytest.mark.parametrize("content", [OF_THIS_SOURCE[: OF_THIS_SOURCE.index("def decode")], ASKED_FOR_NOTHING])
def test_a_module_that_lacks_its_names_is_not_used(site, caplog, content):
    install(site, f"{MODULE}.py", content.encode())

    decoder, level, line = provided(caplog)

    assert (decoder, level) == (decode, "WARNING")
    assert line.startswith(f"{IN_PYTHON}kafka-parallel-compiled 0.0.9 ")


@pytest.mark.parametrize(("content", "level"), [(b"SOURCE = ''", "WARNING"), (None, "INFO")])
def test_metadata_that_cannot_be_read_does_not_stop_a_start(site, caplog, content, level):
    install(site, f"{MODULE}.py", content or b"")
    (site / "kafka_parallel_compiled-0.0.9.dist-info" / "METADATA").write_bytes(b"Version: \xff\xfe\n")
    if content is None:
        (site / f"{MODULE}.py").unlink()

    assert provided(caplog)[:2] == (decode, level)


def test_one_that_makes_other_records_later_leaves_them_to_the_client(site, caplog):
    install(site, f"{MODULE}.py", (OF_THIS_SOURCE + LATER).encode())
    decoder, level, _ = provided(caplog)
    fetcher = Fetcher.__new__(Fetcher)
    data = bytes(Batch([(0, 10**12, b"key", b"value", [])] * 5).build(0))

    assert (level, decoding.put(decoder, fetcher, "plugin 'fast-decoder'")) == ("INFO", "")
    with caplog.at_level(logging.ERROR, "kafka_parallel.poll"):
        assert story(fetcher.PartitionRecords, data, [2]) == story(CLIENT, data, [2])

    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert line.startswith("plugin 'fast-decoder' is not used any more, and kafka-python decodes from orders[3]@0 on")
    assert "another key of the record at offset 0" in line


def test_without_its_source_the_form_in_python_is_used(site):
    package = Path(kafka_parallel_plugins.__file__).parent
    copy = site / package.name
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    compileall.compile_dir(copy, legacy=True, quiet=2)
    for path in copy.rglob("*.py"):
        path.unlink()
    install(site, f"{MODULE}.py", b"SOURCE = ''")
    places = [str(site), str(Path(kafka_parallel.__file__).parents[1])]
    program = (
        f"import sys; sys.path[:0] = {places}\n"
        "import logging; logging.basicConfig(format='%(levelname)s %(message)s')\n"
        "from kafka_parallel_plugins import fast_decoder\n"
        "decoder = fast_decoder.FastDecoder().provide_decoder(None)\n"
        "print(fast_decoder.__file__, decoder is fast_decoder.decode)"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.stdout == f"{copy}/fast_decoder/__init__.pyc True\n", done.stderr
    assert done.stderr.startswith(f"WARNING {IN_PYTHON}it cannot be compared with its source (")


def test_the_trial_has_a_record_of_each_kind():
    records, position, _ = decode(TRIAL, 0, 10)

    assert {type(record) for record in records} == {ConsumerRecord}
    assert [(record.offset - TRIAL.base_offset, record.timestamp - 10**12) for record in records] == [
        (0, 1), (128, -(10**6)), (200, 0),
    ]  # fmt: skip
    assert [(record.key, len(record.value or b"")) for record in records] == [(b"key", 5), (None, 200), (None, 0)]
    assert [record.headers for record in records] == [[("größe", b"\1"), ("id", None)], [("name", b"h" * 70)], []]
    assert 0 < position < len(TRIAL.data)


def test_an_error_is_raised_to_those_who_ask_themselves(site):
    install(site, f"{MODULE}.py", b"")

    with pytest.raises(NotUsableError, match=r"not compiled from the source of kafka-parallel \S+; pip install"):
        compiled_decoder()


def test_both_distributions_have_one_version():
    main, compiled = (tomllib.loads(path.read_text())["project"] for path in PROJECTS)

    assert compiled["version"] == main["version"]
    assert compiled["dependencies"] == [f"kafka-parallel=={main['version']}"]
    (requirement,) = main["optional-dependencies"]["compiled"]
    assert requirement.split(";")[0] == f"{compiled['name']}=={main['version']}"
    assert compiled["requires-python"] == main["requires-python"]
