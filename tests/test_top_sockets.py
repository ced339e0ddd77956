"""The sockets of running consumers are told from those that were left behind, and only private folders are used."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from kafka_parallel import ConfigurationError, top_sockets


@pytest.fixture
def folder(tmp_path):
    found = tmp_path / "kafka-parallel"
    top_sockets.require_private(found)
    return found


def bound(path, *, listens):
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    if listens:
        made.listen()
    return made


def test_the_folder_is_below_the_runtime_folder_or_else_has_the_user_in_its_name(tmp_path):
    assert top_sockets.folder({"XDG_RUNTIME_DIR": str(tmp_path)}) == tmp_path / "kafka-parallel"
    for environ in ({}, {"XDG_RUNTIME_DIR": ""}):
        assert top_sockets.folder(environ) == Path(tempfile.gettempdir()) / f"kafka-parallel-{os.geteuid()}"


def test_a_folder_is_made_for_its_user_alone(folder):
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    top_sockets.require_private(folder)


def test_a_folder_below_a_missing_one_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="XDG_RUNTIME_DIR"):
        top_sockets.require_private(tmp_path / "missing" / "kafka-parallel")


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("/")])
def test_a_file_or_a_link_is_no_folder(tmp_path, make):
    make(tmp_path / "kafka-parallel")

    with pytest.raises(ConfigurationError, match="kafka-parallel"):
        top_sockets.require_private(tmp_path / "kafka-parallel")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(folder):
    os.chown(folder, 12345, -1)

    with pytest.raises(ConfigurationError, match="12345"):
        top_sockets.require_private(folder)


def test_a_socket_at_which_no_program_listens_is_removed(folder):
    bound(folder / "7.sock", listens=False).close()
    with closing(bound(folder / "8.sock", listens=True)):
        assert top_sockets.listening(folder) == [folder / "8.sock"]
        assert top_sockets.listening(folder, 7) == []
        assert top_sockets.free_path(folder, 7) == folder / "7.sock"
        assert not (folder / "7.sock").exists()
        assert top_sockets.free_path(folder, 8) == folder / "8-2.sock"


def test_other_files_are_left_alone(folder):
    for name in ("notes", "x.sock", "7.sock"):
        (folder / name).write_text("mine")

    assert top_sockets.listening(folder) == []
    assert top_sockets.free_path(folder, 7) == folder / "7-2.sock"
    assert len([*folder.iterdir()]) == 3


def test_a_folder_that_is_not_there_has_no_sockets(tmp_path):
    assert top_sockets.listening(tmp_path / "missing") == []


def test_a_server_that_is_too_busy_to_answer_listens_all_the_same(folder):
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(folder / "9.sock"))
        server.listen(0)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(4)]
        try:
            for client in waiting:
                client.setblocking(False)
                client.connect_ex(str(folder / "9.sock"))
            assert top_sockets.listening(folder) == [folder / "9.sock"]
        finally:
            for client in waiting:
                client.close()


def test_the_longest_path_can_be_bound(tmp_path):
    name = tmp_path / ("x" * (top_sockets.LONGEST_PATH - len(os.fsencode(tmp_path)) - 1))

    bound(name, listens=True).close()
    assert len(os.fsencode(name)) == top_sockets.LONGEST_PATH
