"""A free-threaded Python is found, or built, or the reason is told for which neither can be."""

from __future__ import annotations

import sys
import sysconfig
import tarfile

import pytest

from tests.free_threaded import interpreter
from tests.free_threaded.interpreter import SKIPPED, NotToBeHadError, build, is_free_threaded, main, mirror, source

HAS_LOCK = not sysconfig.get_config_var("Py_GIL_DISABLED")
FREE = "#!/bin/sh\necho 1\n"


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch, tmp_path):
    """No other Python, no sources, no apt."""
    monkeypatch.setattr(interpreter.shutil, "which", lambda _: None)
    monkeypatch.setattr(interpreter.Path, "home", lambda: tmp_path / "home")
    monkeypatch.delenv("CPYTHON_SOURCE", raising=False)


def script(path, text=FREE):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_a_machine_without_one_is_skipped_with_the_reason(tmp_path, capsys):
    assert main(str(tmp_path)) == SKIPPED

    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "skipped: no python3.13t or newer is installed, and there is no apt-get for its sources: name a free-threaded "
        "Python with FREE_THREADED, or sources of 3.13 or newer with CPYTHON_SOURCE\n"
    )


@pytest.mark.skipif(not HAS_LOCK, reason="this Python has no interpreter lock")
def test_a_python_with_the_lock_is_refused(tmp_path, capsys):
    assert main(str(tmp_path), sys.executable) == SKIPPED
    assert (
        f"{sys.executable} cannot be run, or was not built with --disable-gil; leave FREE_THREADED out"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    "place", ["bin/python3", "home/.pyenv/versions/3.14.2t/bin/python3",
              "home/.local/share/uv/python/cpython-3.14.2+freethreaded-linux-x86_64-gnu/bin/python3"]
)  # fmt: skip
def test_one_that_is_here_is_found(tmp_path, capsys, place):
    path = script(tmp_path / place)

    assert main(str(tmp_path)) == 0
    assert capsys.readouterr().out == f"{path}\n"


def test_one_on_the_path_comes_first(tmp_path, capsys, monkeypatch):
    script(tmp_path / "bin/python3")
    path = script(tmp_path / "python3.13t")
    monkeypatch.setattr(interpreter.shutil, "which", lambda name: path if name == "python3.13t" else None)

    assert main(str(tmp_path)) == 0
    assert capsys.readouterr().out == f"{path}\n"


@pytest.mark.parametrize("text", ["#!/bin/sh\necho 0\n", "#!/bin/sh\necho None\n", "#!/bin/sh\nexit 1\n", "no program"])
def test_what_is_not_free_threaded_is_passed_over(tmp_path, text):
    assert not is_free_threaded(script(tmp_path / "python3", text))
    assert not is_free_threaded(str(tmp_path / "not there"))


@pytest.fixture
def tree(tmp_path):
    """Sources whose build notes its steps."""
    script(tmp_path / "Python-3.13.9/configure", '#!/bin/sh\necho configure "$@" >> steps\n')
    (tmp_path / "Python-3.13.9/Makefile").write_text("all:\n\techo make >> steps\ninstall:\n\techo install >> steps\n")
    return tmp_path / "Python-3.13.9"


def test_it_is_built_without_the_lock(tree, tmp_path):
    assert build(tree, tmp_path / "here") == str(tmp_path / "here/bin/python3")
    assert (tree / "steps").read_text().splitlines() == [
        f"configure -q --disable-gil --prefix={tmp_path / 'here'} --with-ensurepip=install", "make", "install"
    ]  # fmt: skip


def test_a_build_that_fails_is_skipped_with_its_last_line(tree, tmp_path, capsys, monkeypatch):
    script(tree / "configure", "#!/bin/sh\necho first >&2\necho no C compiler >&2\nexit 1\n")
    monkeypatch.setenv("CPYTHON_SOURCE", str(tree))

    assert main(str(tmp_path)) == SKIPPED
    assert capsys.readouterr().err == "skipped: CPython cannot be had: ./configure says: no C compiler\n"


def test_sources_may_be_an_archive(tree, tmp_path, monkeypatch):
    with tarfile.open(tmp_path / "cpython.tar.xz", "w:xz") as archive:
        archive.add(tree, "Python-3.13.9")
    monkeypatch.setenv("CPYTHON_SOURCE", str(tmp_path / "cpython.tar.xz"))

    assert source(tmp_path / "here") == tmp_path / "here/source/Python-3.13.9"


def test_sources_that_are_not_there_are_told(tmp_path, monkeypatch):
    monkeypatch.setenv("CPYTHON_SOURCE", "/not/there")

    with pytest.raises(NotToBeHadError, match="CPYTHON_SOURCE=/not/there does not exist: name an archive"):
        source(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        (
            "debian.sources",
            "Types: deb\nURIs: http://a/debian\nSigned-By: /k.gpg\n",
            "[signed-by=/k.gpg] http://a/debian",
        ),
        ("debian.sources", "Types: deb\nURIs: http://a/debian/\n", "http://a/debian/"),
        (
            "sources.list",
            "deb [signed-by=/k.gpg] http://a/debian bookworm main\n",
            "[signed-by=/k.gpg] http://a/debian",
        ),
        ("sources.list", "deb http://a/debian bookworm main\n", "http://a/debian"),
        ("other.sources", "Types: deb\nURIs: http://b/apt\nSigned-By: /k.gpg\n", None),
        ("sources.list", "deb http://a/ubuntu noble main\n", None),
    ],
)
def test_debians_mirror_is_the_one_that_apt_uses(tmp_path, name, text, found):
    (tmp_path / name).write_text(text)

    if found is None:
        with pytest.raises(NotToBeHadError, match="no mirror of Debian is among apt's sources"):
            mirror([tmp_path / name])
    else:
        assert mirror([tmp_path / name]) == found
