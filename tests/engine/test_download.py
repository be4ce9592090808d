"""Downloads by URL: what is refused, what is followed, and that no name leads inside."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from engine.errors import PlatformError
from engine.indexing import download as fetching
from engine.indexing.download import FetchLimits, check_url, fetch, is_public

OPEN = FetchLimits(max_bytes=1000, max_seconds=2, private=True)
GUARDED = FetchLimits(max_bytes=1000, max_seconds=2)


class Host(BaseHTTPRequestHandler):
    """Answers by path: a file, a redirect, a trickle, half of what was promised."""

    def do_GET(self) -> None:
        kind, _, rest = self.path.strip("/").partition("/")
        getattr(self, f"send_{kind}")(rest)

    def send_file(self, size: str) -> None:
        self._begin(200, ("Content-Length", size))
        self.wfile.write(b"x" * int(size))

    def send_unsized(self, size: str) -> None:
        self._begin(200)
        self.wfile.write(b"x" * int(size))

    def send_half(self, size: str) -> None:
        self._begin(200, ("Content-Length", size))
        self.wfile.write(b"x" * (int(size) // 2))

    def send_hop(self, rest: str) -> None:
        number, _, target = rest.partition("/")
        onward = f"/hop/{int(number) - 1}/{target}" if int(number) > 1 else f"/{target}"
        self._begin(302, ("Location", onward), ("Content-Length", "0"))

    def send_to(self, target: str) -> None:
        self._begin(302, ("Location", target), ("Content-Length", "0"))

    def send_missing(self, _: str) -> None:
        self._begin(404, ("Content-Length", "0"))

    def send_trickle(self, _: str) -> None:
        self._begin(200, ("Content-Length", "900"))
        for _number in range(100):
            try:
                self.wfile.write(b"x")
                self.wfile.flush()
            except OSError:
                return
            time.sleep(0.1)

    def log_message(self, *_: Any) -> None:
        """Nothing."""

    def _begin(self, status: int, *headers: tuple[str, str]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Host) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["/file/1000", "/unsized/1000", "/hop/5/file/1000"])
def test_a_file_arrives(host: str, tmp_path: Path, path: str) -> None:
    shares: list[float] = []
    fetch(host + path, tmp_path / "a", OPEN, "video_url", shares.append)
    assert (tmp_path / "a").read_bytes() == b"x" * 1000
    assert shares


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [
        ("/file/1001", "video_filesize_too_large", "larger"),
        ("/unsized/5000", "video_filesize_too_large", "larger"),
        ("/half/900", "parameter_invalid", "450 of 900"),
        ("/hop/6/file/10", "parameter_invalid", "redirects"),
        ("/to/ftp://a.example/", "parameter_invalid", "http"),
        ("/missing", "parameter_invalid", "404"),
        ("/trickle", "parameter_invalid", "in time"),
    ],
)
def test_an_incomplete_download_is_reported(
    host: str, tmp_path: Path, path: str, code: str, words: str
) -> None:
    begun = time.monotonic()
    with pytest.raises(PlatformError, match=words) as caught:
        fetch(host + path, tmp_path / "a", OPEN, "video_url")
    assert caught.value.code == code
    assert time.monotonic() - begun < 4


@pytest.mark.parametrize(
    "url",
    [
        "",
        "video.mp4",
        "file:///etc/passwd",
        "ftp://a.example/a.mp4",
        "http://",
        "http:///a.mp4",
        "http://name:secret@a.example/",
        "http://a.example:99999/",
        "http://a.example:0/",
        "http://[::1/",
        "http://a.example/a b",
        "http://a.example/a\r\nHost: b",
        "http://a.example/" + "a" * 3000,
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(PlatformError, match="video_url"):
        check_url(url, "video_url")


def test_letters_beyond_ascii_are_sent_as_they_have_to_be() -> None:
    checked = check_url("https://a.example/\u00e9/%20?q=\u00fc#part", "video_url")
    assert checked == "https://a.example/%C3%A9/%20?q=%C3%BC"


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.215.14", True),
        ("::7f00:1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_only_addresses_of_the_public_internet_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    "name", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::1]", "0"]
)
def test_no_spelling_of_this_machine_is_fetched(host: str, tmp_path: Path, name: str) -> None:
    port = host.rpartition(":")[2]
    with pytest.raises(PlatformError, match=r"private network|no host"):
        fetch(f"http://{name}:{port}/file/10", tmp_path / "a", GUARDED, "video_url")


def named(responses: list[list[str]]) -> Any:
    """A name server that gives these addresses, one list after the other."""

    def look_up(host: str, port: int, **_: Any) -> list[Any]:
        addresses = responses.pop(0) if len(responses) > 1 else responses[0]
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses
        ]

    return look_up


@pytest.mark.parametrize("addresses", [["10.0.0.1"], ["93.184.215.14", "127.0.0.1"]])
def test_a_name_for_a_private_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, addresses: list[str]
) -> None:
    monkeypatch.setattr(fetching.socket, "getaddrinfo", named([addresses]))
    with pytest.raises(PlatformError, match=r"a\.example is inside"):
        fetch("http://a.example/", tmp_path / "a", GUARDED, "video_url")


def test_a_name_that_changes_its_address_gains_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first look-up is public, every later one leads inside: only the first is used."""
    connected: list[str] = []

    class Socket(socket.socket):
        def connect(self, address: Any) -> None:
            connected.append(address[0])
            raise ConnectionRefusedError("nobody there")

    monkeypatch.setattr(fetching.socket, "getaddrinfo", named([["93.184.215.14"], ["127.0.0.1"]]))
    monkeypatch.setattr(fetching.socket, "socket", Socket)
    with pytest.raises(PlatformError, match="nobody there"):
        fetch("http://a.example/", tmp_path / "a", GUARDED, "video_url")
    assert connected == ["93.184.215.14"]


def test_a_redirect_to_the_inside_is_refused(
    host: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The first hop counts as public here; the one it leads to does not."""
    monkeypatch.setattr(fetching, "is_public", lambda address: address != "127.0.0.2")
    onward = f"{host}/to/http://127.0.0.2/"
    with pytest.raises(PlatformError, match=r"127\.0\.0\.2 is inside"):
        fetch(onward, tmp_path / "a", GUARDED, "video_url")
