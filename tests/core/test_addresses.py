"""Which addresses count as this machine's own."""

from __future__ import annotations

import pytest

from core.addresses import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org", "127.0.0.1.x"]
)
def test_others(host: str) -> None:
    assert not is_loopback(host)
