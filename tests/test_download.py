"""Downloads from a server on this machine: whole, resumed, damaged, refused."""

import hashlib
import os
import random
import re
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from wbkit import download
from wbkit.download import fetch, hash_in_name, verify_file
from wbkit.errors import InputError
from wbkit.files import fcntl

CONTENT = random.Random(0).randbytes(1_000_003)  # of a hash with letters: digits alone would be a date
SHA = hashlib.sha256(CONTENT).hexdigest()
NAME = f"net-{SHA[:8]}_20200922.pth"


class Server(ThreadingHTTPServer):
    """Serves `content` under every path; what it does wrong is set by the test."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag, self.status = CONTENT, '"one"', 200
        self.ranges, self.if_range, self.says_length = True, True, True
        self.stop_after: list[int] = []  # bytes to send before closing, one a request
        self.requests: list[str | None] = []  # the Range of each

    def url(self, name: str = NAME) -> str:
        return f"http://127.0.0.1:{self.server_port}/models/{name}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_GET(self):
        server, wanted = self.server, self.headers.get("Range")
        server.requests.append(wanted)
        if server.status != 200:
            return self.send_error(server.status)
        stale = server.if_range and self.headers.get("If-Range") not in (None, server.etag)
        first = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1]) if wanted and server.ranges and not stale else 0
        total = len(server.content)
        if first >= total:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{total}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", f"bytes {first}-{total - 1}/{total}")
        if server.etag:
            self.send_header("ETag", server.etag)
        if server.says_length:
            self.send_header("Content-Length", str(total - first))
        self.end_headers()
        stop = server.stop_after.pop(0) if server.stop_after else total
        self.wfile.write(server.content[first : first + stop])


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download.time, "sleep", lambda _: None)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


def get(server, folder: Path, name: str = NAME, **options) -> Path:
    return fetch(server.url(name), folder, progress=False, **options)


def leave_part(folder: Path, content: bytes, etag: str | None = '"one"'):
    """What an interrupted call leaves behind."""
    (folder / f".{NAME}.part").write_bytes(content)
    if etag:
        (folder / f".{NAME}.tag").write_text(etag)


def files(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_fetched_once_into_the_cache(server, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("WBKIT_CACHE", str(tmp_path))
    path = fetch(server.url())
    assert path == tmp_path / "checkpoints" / NAME
    assert path.read_bytes() == CONTENT
    assert NAME in capsys.readouterr().err  # the progress bar
    assert fetch(server.url()) == path
    assert server.requests == [None]
    assert files(path.parent) == [NAME]


def test_damaged_copy_is_fetched_again(server, tmp_path):
    (tmp_path / NAME).write_bytes(CONTENT[:-1])
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert len(server.requests) == 1


def test_names_without_hash_do_not_collide_in_the_cache(server, monkeypatch, tmp_path):
    monkeypatch.setenv("WBKIT_CACHE", str(tmp_path))
    one = fetch(server.url("a/net.pth"), progress=False)
    two = fetch(server.url("b/net.pth"), progress=False)
    assert one != two
    assert one.name.endswith("-net.pth")
    assert get(server, tmp_path, "net.pth").name == "net.pth"


@pytest.mark.parametrize("done", [1, 400_000, len(CONTENT) - 1])
def test_goes_on_where_it_stopped(done, server, tmp_path):
    leave_part(tmp_path, CONTENT[:done])
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.requests == [f"bytes={done}-"]
    assert files(tmp_path) == [NAME]


def test_complete_part_is_taken_over(server, tmp_path):
    leave_part(tmp_path, CONTENT)  # killed between the last byte and the renaming: 416
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.requests == [f"bytes={len(CONTENT)}-"]


def test_part_longer_than_the_file_starts_over(server, tmp_path):
    leave_part(tmp_path, CONTENT + b"more")
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.requests[-1] is None


def test_server_without_ranges_starts_over(server, tmp_path):
    server.ranges = False
    leave_part(tmp_path, CONTENT[:500_000])
    assert get(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize("honest", [True, False])
@pytest.mark.parametrize("known", [True, False])
def test_file_that_changed_meanwhile_starts_over(honest, known, server, tmp_path):
    server.if_range = honest
    old = os.urandom(500_000)
    leave_part(tmp_path, old, etag='"zero"')
    if known:
        assert get(server, tmp_path).read_bytes() == CONTENT
    else:
        for kind in ("part", "tag"):
            (tmp_path / f".{NAME}.{kind}").rename(tmp_path / f".net.pth.{kind}")
        assert get(server, tmp_path, "net.pth").read_bytes() == CONTENT


def test_part_of_another_version_without_any_tag(server, tmp_path):
    server.etag = ""
    leave_part(tmp_path, os.urandom(500_000), etag=None)
    assert get(server, tmp_path).read_bytes() == CONTENT  # the hash tells, and it starts over once
    assert server.requests == ["bytes=500000-", None]


def test_transfer_that_breaks_off_is_taken_up_again(server, tmp_path):
    server.stop_after = [4 * download.CHUNK, 4 * download.CHUNK]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.requests == [None, f"bytes={4 * download.CHUNK}-", f"bytes={8 * download.CHUNK}-"]


def test_transfer_that_keeps_breaking_off_keeps_what_came(server, tmp_path):
    server.stop_after = [download.CHUNK] * download.ATTEMPTS
    with pytest.raises(InputError, match=r"broke off 4 times .*Call again"):
        get(server, tmp_path)
    assert (tmp_path / f".{NAME}.part").read_bytes() == CONTENT[: 4 * download.CHUNK]
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.requests[-1] == f"bytes={4 * download.CHUNK}-"


def test_wrong_hash_is_removed(server, tmp_path):
    server.content = b"<html>please log in</html>"
    with pytest.raises(
        InputError, match=rf"wrong hash.*expected sha256:{SHA[:8]}, found sha256:[0-9a-f]{{64}}"
    ):
        get(server, tmp_path)
    assert files(tmp_path) == []


@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
def test_full_hash_as_argument(algorithm, server, tmp_path):
    right = f"{algorithm}:{hashlib.new(algorithm, CONTENT).hexdigest()}"
    assert get(server, tmp_path, "val2017.zip", known_hash=right.upper()).read_bytes() == CONTENT
    with pytest.raises(InputError, match="wrong hash"):
        get(server, tmp_path, "other.zip", known_hash=right[:-1] + ("0" if right[-1] != "0" else "1"))


def test_length_alone_is_checked_without_a_hash(server, tmp_path):
    server.says_length = False
    assert get(server, tmp_path, "net.pth").read_bytes() == CONTENT


@pytest.mark.parametrize("status", [403, 404, 503])
def test_http_errors(status, server, tmp_path):
    server.status = status
    with pytest.raises(InputError, match=rf"{server.url()}.*answers {status}.*browser"):
        get(server, tmp_path)
    assert files(tmp_path) == []


def test_nobody_listens(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening: refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/{NAME}"
        with pytest.raises(InputError, match=rf"{url}.*cannot be reached.*network"):
            fetch(url, tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk(server, tmp_path):
    (tmp_path / f".{NAME}.part").symlink_to("/dev/full")
    with pytest.raises(InputError, match=r"disk is full.*Free some space"):
        get(server, tmp_path)


def test_folder_that_is_a_file(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written.*WBKIT_CACHE"):
        get(server, tmp_path / "file")


def test_several_at_once_fetch_once(server, tmp_path):
    found = []
    threads = [threading.Thread(target=lambda: found.append(get(server, tmp_path))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [tmp_path / NAME] * 4
    assert found[0].read_bytes() == CONTENT
    if fcntl:
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "url", ["ftp://host/x.pth", "x.pth", "http://host/", "http://host", "http://host/a%2F.."]
)
def test_addresses_that_are_none(url, tmp_path):
    with pytest.raises(InputError, match="address"):
        fetch(url, tmp_path)


@pytest.mark.parametrize(
    ("name", "digits"),
    [
        ("hrnet_w32_coco_wholebody_256x192_dark-469327ef_20200922.pth", "469327ef"),
        ("hrnet_w32-36af842e.pth", "36af842e"),
        ("x-36af842e.pth.tar", "36af842e"),
        ("hrnet-12345678.pth", None),
        ("run-20200922.pth", None),
        ("run-0123abc.pth", None),
        ("fast-deadbeets.pth", None),
        ("469327ef.pth", None),
        ("hrnet_w32.pth", None),
    ],
)
def test_hash_in_name(name, digits):
    assert hash_in_name(name) == digits


def test_verify_file(tmp_path):
    path = tmp_path / NAME
    path.write_bytes(CONTENT)
    assert verify_file(path) == f"sha256:{SHA[:8]}"
    assert verify_file(path, SHA) == f"sha256:{SHA}"
    assert verify_file(path.rename(tmp_path / "x.pth")) is None
    with pytest.raises(InputError, match=r"x\.pth.*expected md5:00000000, found md5:"):
        verify_file(tmp_path / "x.pth", "md5:00000000")
    for bad in ("crc:00000000", "sha256:xyz", "sha256:12"):
        with pytest.raises(InputError, match="is not a hash"):
            verify_file(tmp_path / "x.pth", bad)
