"""A build of the documentation as a site fails for a broken link, a page that no other leads to, and a wrong name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from docs._site import changelog, crawl, repository_links

ROOT = Path(__file__).parents[2]
START = "# Start\n\n```{toctree}\nother\n```\n"


def build(folder: Path, *, has_reference: bool = False, **pages: str) -> subprocess.CompletedProcess[str]:
    """Build *pages* with the settings of the real documentation; write nothing."""
    for name, text in pages.items():
        (folder / f"{name}.md").write_text(text)
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-b", "dummy", "-c", ROOT / "docs"]
    command += ["-D", f"has_reference={int(has_reference)}", folder, folder / "out"]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_a_sound_page_builds(tmp_path):
    done = build(tmp_path, index=START, other="# Other\n\nSee [the start](index.md#start).\n")

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("other", "complaint"),
    [
        ("# Other\n\nSee [it](missing.md).\n", "missing.md"),
        ("# Other\n\nSee [it](index.md#nowhere).\n", "nowhere"),
        ("# Other\n\n```{eval-rst}\n.. autoclass:: kafka_parallel.Missing\n```\n", "Missing"),
        ("# Other\n\n```{eval-rst}\n:class:`kafka_parallel.Missing`\n```\n", "Missing"),
    ],
    ids=["page", "heading", "documented name", "named class"],
)
def test_a_build_fails_for(other, complaint, tmp_path):
    done = build(tmp_path, index=START, other=other)

    assert done.returncode != 0
    assert complaint in done.stderr


def test_a_build_fails_for_a_page_in_no_list(tmp_path):
    done = build(tmp_path, index=START, other="# Other\n", forgotten="# Forgotten\n")

    assert done.returncode != 0
    assert "forgotten" in done.stderr


def test_a_build_fails_for_a_public_name_that_is_not_in_the_reference(tmp_path):
    other = "# Other\n\n```{eval-rst}\n.. autoexception:: kafka_parallel.StateError\n```\n"

    done = build(tmp_path, index=START, other=other, has_reference=True)

    assert done.returncode != 0
    assert "kafka_parallel.PluginError is public and not in the reference" in done.stderr
    assert "StateError is public" not in done.stderr


def site(folder: Path, **pages: str) -> Path:
    for name, text in pages.items():
        (folder / f"{name}.html").write_text(text)
    return folder


def test_the_crawl_is_content_with_links_that_lead_somewhere(tmp_path):
    pages = {"index": '<a href="b.html#x">b</a> <a href="https://elsewhere.example/">e</a>', "b": '<p id="x">'}

    assert crawl.problems(site(tmp_path, **pages)) == []


def test_the_crawl_finds_each_kind_of_fault(tmp_path):
    pages = {"index": '<a href="b.html#y">b</a><a href="#z">z</a><img src="no.png">', "b": '<p id="x">', "c": ""}

    assert crawl.problems(site(tmp_path, **pages)) == [
        "index.html: b.html#y leads to no place of its page",
        "index.html: #z leads to no place of its page",
        "index.html: no.png leads to no file",
        "c.html: no page links to it",
    ]


def test_a_link_to_a_file_of_the_repository_leads_to_its_address():
    assert repository_links.shown("a plugin", "examples/x", "https://forge.example/p") == (
        "[a plugin](https://forge.example/p/tree/main/examples/x)"
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a plugin", "a plugin (`examples/x`)"), ("examples/x/", "`examples/x`"), ("`x`", "`x` (`examples/x`)")],
)
def test_without_an_address_the_path_is_shown(text, shown):
    assert repository_links.shown(text, "examples/x", None) == shown


def test_the_changelog_has_every_section_of_the_file_under_its_title():
    sections = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("#")]

    assert len(sections) > 5
    assert [line for line in changelog.released() if line.startswith("#")] == sections[1:]


def test_the_changelog_has_every_fragment_that_is_not_released():
    fragments = [path for path in (ROOT / "docs" / "changelog").glob("*.md") if path.name != "README.md"]
    text = "".join(changelog.unreleased().split())

    missing = [path.name for path in fragments if "".join(path.read_text().replace("](../", "](").split()) not in text]

    assert missing == []
