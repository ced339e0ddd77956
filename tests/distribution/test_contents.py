"""The wheel holds the two packages and nothing that only we need; the sdist holds all that builds and tests it."""

from __future__ import annotations

import re
import tarfile
import zipfile
from email import message_from_bytes
from importlib.metadata import entry_points
from pathlib import PurePosixPath

import pytest

pytestmark = pytest.mark.distribution

PACKAGES = {"kafka_parallel", "kafka_parallel_plugins"}
# The files of the libraries: modules, the marker of typed packages, and the checksums of a test broker's downloads.
SUFFIXES = {".py", ".typed", ".lock"}
EXTRAS = {"cli", "compiled", "demo", "django", "metrics", "offset-map-zstd", "otel", "prometheus", "redis", "testing"}


@pytest.fixture(scope="module")
def names(wheel):
    return [PurePosixPath(name) for name in zipfile.ZipFile(wheel).namelist()]


@pytest.fixture(scope="module")
def library(names):
    return [name for name in names if not name.parts[0].endswith(".dist-info")]


@pytest.fixture(scope="module")
def metadata(wheel, names):
    (name,) = [name for name in names if name.name == "METADATA"]
    return message_from_bytes(zipfile.ZipFile(wheel).read(str(name)))


def test_the_wheel_holds_these_packages(library):
    assert {name.parts[0] for name in library} == PACKAGES


def test_the_wheel_holds_no_other_kinds_of_files(library):
    assert {name.suffix for name in library} == SUFFIXES


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_a_package_is_marked_as_typed(library, package):
    assert PurePosixPath(package, "py.typed") in library


@pytest.mark.parametrize("folder", ["tests", "benchmarks", "examples", "docs"])
def test_the_wheel_holds_nothing_that_tests_the_library(library, folder):
    assert [str(name) for name in library if folder in name.parts] == []


def test_no_test_is_in_the_wheel(library):
    assert [str(name) for name in library if name.name.startswith(("test_", "conftest"))] == []


def test_the_sdist_holds_the_sources_the_tests_and_the_texts(sdist):
    with tarfile.open(sdist) as archive:
        parts = {name.split("/")[1] for name in archive.getnames() if "/" in name}

    texts = {"CHANGELOG.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"}
    assert parts >= texts | {"kafka_parallel", "plugins", "tests", "docs", "examples", "benchmarks", "Makefile"}
    assert ".ci" not in parts
    assert ".venv" not in {part[:5] for part in parts}


def test_the_metadata_names_the_licence_the_pages_and_the_extras(metadata):
    urls = dict(url.split(", ") for url in metadata.get_all("Project-URL"))

    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata.get_all("License-File") == ["LICENSE"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert set(urls) == {"Homepage", "Documentation", "Source", "Issues", "Changelog"}
    assert set(metadata.get_all("Provides-Extra")) == EXTRAS


def test_no_link_of_the_readme_depends_on_the_repository(metadata):
    links = re.findall(r"\]\(([^)]+)\)", metadata.get_payload())

    assert len(links) > 10
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


def test_the_entry_points_are_those_of_the_sources(wheel, names):
    (name,) = [name for name in names if name.name == "entry_points.txt"]
    text = zipfile.ZipFile(wheel).read(str(name)).decode()

    ours = [point for point in entry_points(group="kafka_parallel") if point.dist.name == "kafka-parallel"]

    assert len(ours) > 10
    assert [point.name for point in ours if f"{point.name} = {point.value}\n" not in text] == []
