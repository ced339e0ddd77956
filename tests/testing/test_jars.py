"""Only the locked bytes get a jar's name, and nothing is downloaded twice."""

import hashlib
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kafka_parallel.errors import BrokerError
from kafka_parallel.testing.faults import NotAvailableError
from kafka_parallel.testing.jars import Jar, cache_directory, fetch_jars, kafka_version, lock_file, read_lock


class Repository(ThreadingHTTPServer):
    """A Maven repository on the loopback interface, as well-behaved as the test wants it."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {}
        self.requests = []
        self.knows_ranges = True
        self.cut_after = None
        self.url = f"http://127.0.0.1:{self.server_port}"

    def add(self, artifact, content):
        jar = Jar("org.example", artifact, "1.0", len(content), hashlib.sha256(content).hexdigest())
        self.files[f"/{jar.path}"] = content
        return jar


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        start = int((re.findall(r"bytes=(\d+)-", self.headers.get("Range", "")) or [0])[0])
        self.server.requests.append((self.path.rpartition("/")[2], start))
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        if not self.server.knows_ranges:
            start = 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cut, self.server.cut_after = self.server.cut_after, None
        self.wfile.write(content[start:][:cut])
        self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def repository():
    with Repository() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, monkeypatch, repository):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("KAFKA_PARALLEL_MAVEN_URL", repository.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def fetch(*jars):
    return fetch_jars(list(jars), progress=False)


def test_the_lock_names_every_jar_once_with_its_size_and_sha256():
    jars = read_lock()

    assert len(jars) == len({jar.name for jar in jars}) == 45
    assert all(re.fullmatch("[0-9a-f]{64}", jar.sha256) for jar in jars)
    assert 40e6 < sum(jar.size for jar in jars) < 50e6


def test_the_locked_kafka_is_one_version():
    versions = {jar.version for jar in read_lock() if jar.group == "org.apache.kafka"}

    assert versions == {kafka_version(read_lock())}


def test_a_jar_has_the_path_that_maven_gives_it():
    jar = Jar("org.apache.kafka", "kafka_2.13", "4.4.0", 1, "ff")

    assert jar.path == "org/apache/kafka/kafka_2.13/4.4.0/kafka_2.13-4.4.0.jar"


def test_missing_jars_are_downloaded_once_and_handed_back_in_order(repository):
    jars = [repository.add(f"jar{number}", bytes([number]) * 1000) for number in range(9)]

    paths = fetch(*jars)
    again = fetch(*jars)

    assert [path.read_bytes()[0] for path in paths] == list(range(9))
    assert again == paths
    assert len(repository.requests) == 9


def test_a_bar_is_shown_on_standard_error(repository, capsys):
    fetch_jars([repository.add("jar", b"content")], progress=True)

    output = capsys.readouterr()
    assert "1 jars" in output.err
    assert output.out == ""


def test_a_download_goes_on_where_an_earlier_one_was_killed(repository):
    jar = repository.add("jar", b"0123456789")
    (cache_directory() / "jar-1.0.jar.part").write_bytes(b"0123")

    [path] = fetch(jar)

    assert path.read_bytes() == b"0123456789"
    assert repository.requests == [("jar-1.0.jar", 4)]


def test_a_download_starts_again_where_the_server_knows_no_ranges(repository):
    repository.knows_ranges = False
    jar = repository.add("jar", b"0123456789")
    (cache_directory() / "jar-1.0.jar.part").write_bytes(b"xxxx")

    [path] = fetch(jar)

    assert path.read_bytes() == b"0123456789"


def test_a_download_survives_a_broken_connection(repository):
    repository.cut_after = 7
    jar = repository.add("jar", b"0123456789")

    [path] = fetch(jar)

    assert path.read_bytes() == b"0123456789"
    assert repository.requests == [("jar-1.0.jar", 0), ("jar-1.0.jar", 7)]


def test_a_part_that_is_too_long_is_thrown_away(repository):
    jar = repository.add("jar", b"0123456789")
    (cache_directory() / "jar-1.0.jar.part").write_bytes(b"x" * 50)

    [path] = fetch(jar)

    assert path.read_bytes() == b"0123456789"


def test_a_broken_file_in_the_cache_is_replaced(repository):
    jar = repository.add("jar", b"0123456789")
    (cache_directory() / jar.name).write_bytes(b"9876543210")

    [path] = fetch(jar)

    assert path.read_bytes() == b"0123456789"


def test_wrong_bytes_are_removed_and_named_with_expected_and_found(repository):
    jar = repository.add("jar", b"0123456789")
    repository.files[f"/{jar.path}"] = b"9876543210"
    found = hashlib.sha256(b"9876543210").hexdigest()

    with pytest.raises(BrokerError, match=rf"jar-1\.0\.jar from .*{found}, expected {jar.sha256}") as failure:
        fetch(jar)

    assert not isinstance(failure.value, NotAvailableError)
    assert [path.name for path in cache_directory().iterdir()] == [".lock"]


def test_a_jar_that_the_server_does_not_have_is_asked_for_once(repository):
    jar = Jar("org.example", "absent", "1.0", 3, "ff")

    with pytest.raises(NotAvailableError, match=r"absent-1\.0\.jar.*404"):
        fetch(jar)

    assert len(repository.requests) == 1


def test_no_network_is_said_with_the_way_out(monkeypatch):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("KAFKA_PARALLEL_MAVEN_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")

        with pytest.raises(NotAvailableError, match=r"cannot download .*HTTPS_PROXY.*KAFKA_PARALLEL_MAVEN_URL"):
            fetch(Jar("org.example", "jar", "1.0", 3, "ff"))


def test_a_jar_that_maven_has_already_is_not_downloaded(repository, tmp_path):
    jar = repository.add("jar", b"0123456789")
    in_maven = tmp_path / ".m2" / "repository" / jar.path
    in_maven.parent.mkdir(parents=True)
    in_maven.write_bytes(b"0123456789")

    assert fetch(jar) == [in_maven]
    assert repository.requests == []


def test_another_file_of_that_name_in_maven_is_not_used(repository, tmp_path):
    jar = repository.add("jar", b"0123456789")
    in_maven = tmp_path / ".m2" / "repository" / jar.path
    in_maven.parent.mkdir(parents=True)
    in_maven.write_bytes(b"9876543210")

    [path] = fetch(jar)

    assert path.read_bytes() == b"0123456789"


def test_callers_at_once_share_one_download(repository):
    jars = [repository.add(f"jar{number}", b"content") for number in range(3)]
    threads = [threading.Thread(target=fetch, args=jars) for _ in range(4)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(name for name, _ in repository.requests) == ["jar0-1.0.jar", "jar1-1.0.jar", "jar2-1.0.jar"]


@pytest.mark.parametrize("version", ["2.8.2", "3.4.1"])
def test_an_older_version_can_be_asked_for(version, monkeypatch):
    monkeypatch.setenv("KAFKA_PARALLEL_KAFKA_VERSION", version)

    assert kafka_version(read_lock(lock_file())) == version


def test_a_version_that_is_not_locked_is_refused_with_those_that_are(monkeypatch):
    monkeypatch.setenv("KAFKA_PARALLEL_KAFKA_VERSION", "1.0.0")

    with pytest.raises(BrokerError, match=r"=1\.0\.0: that Kafka is not locked; choose one of 2\.8\.2, 3\.4\.1"):
        lock_file()
