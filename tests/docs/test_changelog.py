"""Each fragment of the changelog has a name that towncrier takes, and a release adds its section at the top."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FRAGMENTS = ROOT / "docs/changelog"


def is_valid(name):
    """Judge by the rule that pre-commit has: one pattern for both."""
    repos = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    hooks = {hook["id"]: hook for repo in repos for hook in repo["hooks"]}
    return bool(re.search(hooks["changelog-name"]["exclude"], f"docs/changelog/{name}"))


@pytest.mark.parametrize("name", sorted(path.name for path in FRAGMENTS.iterdir()))
def test_a_fragment_has_a_valid_name(name):
    assert is_valid(name)


@pytest.mark.parametrize("name", ["+dlq.fix.md", "+dlq.feature", "dlq.feature.md", "+a b.feature.md", "12.md"])
def test_another_name_is_refused(name):
    assert not is_valid(name)


@pytest.mark.parametrize("name", ["README.md", "12.feature.md", "+dlq-limit.bugfix.md", "+dlq.doc.md"])
def test_a_fragments_name_is_accepted(name):
    assert is_valid(name)


def test_the_changelog_has_a_section_for_the_version_of_the_package():
    assert f"\n## {version('kafka-parallel')} (" in (ROOT / "CHANGELOG.md").read_text()


@pytest.fixture
def copy(tmp_path):
    for name in ("pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    folder = tmp_path / "docs/changelog"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("the form of a fragment")
    return tmp_path


def release(folder):
    command = [sys.executable, "-m", "towncrier", "build", "--yes", "--version", "9.0.0", "--date", "2030-01-31"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_release_puts_its_section_above_the_earlier_ones(copy):
    before = (copy / "CHANGELOG.md").read_text()
    (copy / "docs/changelog/+late.feature.md").write_text("The plugin `late` comes late.\n")
    (copy / "docs/changelog/12.bugfix.md").write_text("The plugin `early` no longer comes too early.\n")

    done = release(copy)

    marker = "<!-- towncrier release notes start -->\n"
    head, rest = before.split(marker)
    section = (
        "\n## 9.0.0 (2030-01-31)\n\n### Features\n\n- The plugin `late` comes late.\n"
        "\n### Fixes\n\n- The plugin `early` no longer comes too early. (#12)\n"
    )
    after = (copy / "CHANGELOG.md").read_text()
    assert done.returncode == 0, done.stderr
    assert after.startswith(head + marker + section)
    assert after.endswith(rest)


def test_a_release_fails_by_a_fragment_of_an_unknown_type(copy):
    (copy / "docs/changelog/+late.bugfx.md").write_text("The plugin `late` comes late.\n")

    done = release(copy)

    assert done.returncode != 0
    assert "+late.bugfx.md" in done.stdout + done.stderr
