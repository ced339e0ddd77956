"""The readings of what is installed: one a consumer at most, and none of a list that is out of date."""

import importlib.metadata
import os

import pytest

from kafka_parallel._plugins.installed import InstalledPlugins, distribution_of, installed_plugins
from kafka_parallel.errors import PluginError


def write_distribution(folder, name, plugin=None):
    info = folder / f"{name}-1.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.5\n")
    (info / "entry_points.txt").write_text(f"[kafka_parallel]\n{plugin or name} = absent_module:Plugin\n")


def test_a_second_consumer_reads_nothing_again(monkeypatch):
    readings = []
    read = importlib.metadata.entry_points
    monkeypatch.setattr("importlib.metadata.entry_points", lambda: readings.append(1) or read())
    first = installed_plugins()

    assert installed_plugins() is first
    assert len(readings) <= 1


def test_a_plugin_installed_since_is_found(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    os.utime(tmp_path, (1, 1))  # else both states of the folder may bear one time
    assert "late" not in installed_plugins().names()

    write_distribution(tmp_path, "late")

    assert distribution_of(installed_plugins().find("late")) == "late 1.5"


def test_a_folder_of_the_path_may_be_absent_or_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    monkeypatch.syspath_prepend(tmp_path / "absent")
    write_distribution(tmp_path, "beside")

    assert "beside" in installed_plugins().names()


def test_a_distribution_without_a_version_is_named(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    write_distribution(tmp_path, "bare")
    (tmp_path / "bare-1.5.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: bare\n")

    assert distribution_of(InstalledPlugins().find("bare")) == "bare, of an unknown version"


def test_a_name_of_two_distributions_is_refused_with_both(tmp_path, monkeypatch):
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        monkeypatch.syspath_prepend(tmp_path / folder)
        write_distribution(tmp_path / folder, folder, "shared")

    with pytest.raises(PluginError, match=r"plugin 'shared' is provided by one 1\.5 and two 1\.5: uninstall one"):
        InstalledPlugins().find("shared")
