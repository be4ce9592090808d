"""Downloads files by URL, but nothing from inside this machine or its private networks.

The host of every redirect is resolved and checked, and the connection is made to the address that
was checked, so that a name whose address changes meanwhile gains nothing (DNS rebinding). Size,
time and the number of redirects are limited.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import IO
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from engine.errors import PlatformError

MAX_REDIRECTS = 5
CHUNK_BYTES = 256 * 1024
CONNECT_TIMEOUT_S = 10.0
SILENCE_TIMEOUT_S = 30.0
MAX_URL_LENGTH = 2048
# Ranges that Python calls global although they may lead into private networks: 6to4, NAT64 and
# Teredo carry an IPv4 address inside an IPv6 one.
CARRIERS = tuple(
    ipaddress.ip_network(text) for text in ("::/96", "2002::/16", "64:ff9b::/96", "64:ff9b:1::/48")
)

Address = tuple[int, str]


@dataclass(frozen=True)
class FetchLimits:
    """Limits of a download; `private` allows addresses inside the machine and its networks."""

    max_bytes: int
    max_seconds: float
    private: bool = False


def check_url(url: str, field: str) -> str:
    """The URL, encoded for sending; raises PlatformError that names the field and the rule."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise _refusal(field, str(error)) from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise _refusal(field, "it must be a full http or https address")
    if parts.username or parts.password or port == 0 or len(url) > MAX_URL_LENGTH:
        raise _refusal(
            field,
            f"it must not contain a user name, a password or port 0, and have {MAX_URL_LENGTH} "
            "characters at most",
        )
    if re.search(r"[\s\x00-\x1f\x7f]", url.strip()):
        raise _refusal(field, "it must not contain spaces or control characters")
    return parts._replace(
        path=quote(parts.path, safe="/%:@!$&'()*+,;=~"),
        query=quote(parts.query, safe="/%:@!$&'()*+,;=~?"),
        fragment="",
    ).geturl()


def file_name(url: str) -> str:
    """A name for the file that a URL leads to."""
    return unquote(urlsplit(url).path.rpartition("/")[2]) or "video"


def fetch(
    url: str,
    path: Path,
    limits: FetchLimits,
    field: str,
    on_progress: Callable[[float], None] = lambda share: None,
) -> None:
    """Download a URL into a file; `on_progress` is called with the share that has arrived.

    Raises PlatformError that names the field and says what is wrong with the URL or its server.
    """
    try:
        with _deadline(limits.max_seconds) as open_socket, path.open("wb") as file:
            for _ in range(MAX_REDIRECTS + 1):
                with _opened(check_url(url, field), limits, field, open_socket) as response:
                    if response.status in (301, 302, 303, 307, 308):
                        url = urljoin(url, response.headers.get("Location", ""))
                        continue
                    if response.status != 200:
                        raise _refusal(field, f"its server returned {response.status}")
                    return _save(response, file, limits, on_progress)
            raise _refusal(field, f"it redirects more than {MAX_REDIRECTS} times")
    except TimeoutError:
        raise _refusal(field, "its server did not send everything in time") from None
    except (OSError, HTTPException) as error:
        raise _refusal(field, f"fetching failed: {error or type(error).__name__}") from error


def _save(
    response: HTTPResponse,
    file: IO[bytes],
    limits: FetchLimits,
    on_progress: Callable[[float], None],
) -> None:
    expected = response.length
    received = 0
    while expected is None or expected <= limits.max_bytes:
        chunk = response.read1(CHUNK_BYTES)
        if not chunk:
            break
        file.write(chunk)
        received += len(chunk)
        on_progress(received / expected if expected else 0.0)
        if received > limits.max_bytes:
            break
    if max(received, expected or 0) > limits.max_bytes:
        raise PlatformError(
            "video_filesize_too_large",
            f"The file is larger than {limits.max_bytes / 1024**2:g} MB.",
        )
    if expected is not None and received < expected:
        raise OSError(f"the connection ended after {received} of {expected} bytes")


class _OpenSocket:
    """Knows the connection in use, so that the deadline can end it."""

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        self.over = False

    def end(self) -> None:
        self.over = True
        sock = self.sock
        if sock is not None:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                return


@contextmanager
def _deadline(seconds: float) -> Iterator[_OpenSocket]:
    """End the open connection after so many seconds, whatever it is waiting for."""
    open_socket = _OpenSocket()
    timer = threading.Timer(seconds, open_socket.end)
    timer.daemon = True
    timer.start()
    try:
        yield open_socket
        if open_socket.over:
            raise TimeoutError
    except (OSError, HTTPException) as error:
        if open_socket.over:
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()


@contextmanager
def _opened(
    url: str, limits: FetchLimits, field: str, open_socket: _OpenSocket
) -> Iterator[HTTPResponse]:
    """The response to a GET request, from an address that was checked."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if open_socket.over:
        raise TimeoutError
    sock = _connected(_addresses(host, port, limits, field), port)
    connection = HTTPConnection(host, port, timeout=SILENCE_TIMEOUT_S)
    open_socket.sock = sock
    try:
        sock.settimeout(SILENCE_TIMEOUT_S)
        if parts.scheme == "https":
            sock = ssl.create_default_context().wrap_socket(sock, server_hostname=host)
            connection = HTTPSConnection(host, port, timeout=SILENCE_TIMEOUT_S)
        open_socket.sock = connection.sock = sock
        connection.request("GET", _target(parts), headers={"Accept-Encoding": "identity"})
        with connection.getresponse() as response:
            yield response
    finally:
        open_socket.sock = None
        connection.close()
        sock.close()


def _target(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _addresses(host: str, port: int, limits: FetchLimits, field: str) -> list[Address]:
    """Every address of a host; raises PlatformError if one of them is not public."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise _refusal(field, f"there is no host {host!r}") from None
    addresses = [(int(family), str(where[0])) for family, _, _, _, where in found]
    if not limits.private and not all(is_public(address) for _, address in addresses):
        raise _refusal(
            field,
            f"{host} is inside this machine or a private network, and the engine fetches from "
            "public addresses only (ENGINE_FETCH_PRIVATE)",
        )
    return addresses


def is_public(address: str) -> bool:
    """Whether an address belongs to the public internet and leads into no private network."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return is_public(str(ip.ipv4_mapped))
        if ip.teredo or any(ip in carrier for carrier in CARRIERS):
            return False
    return ip.is_global and not ip.is_multicast


def _connected(addresses: list[Address], port: int) -> socket.socket:
    """A connection to the first address that accepts one."""
    error: OSError = OSError("it has no address")
    for family, address in addresses:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.settimeout(CONNECT_TIMEOUT_S)
        try:
            sock.connect((address, port))
            return sock
        except OSError as failure:
            sock.close()
            error = failure
    raise error


def _refusal(field: str, reason: str) -> PlatformError:
    return PlatformError("parameter_invalid", f"The {field} parameter is invalid: {reason}.")
