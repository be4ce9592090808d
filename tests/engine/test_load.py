"""Eight clients at once, for a few seconds; bench/concurrency.py does the same for a minute."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import concurrency

pytestmark = pytest.mark.slow


def test_clients_at_once_lose_nothing_and_meet_no_fault(tmp_path: Path) -> None:
    tally = concurrency.run(clients=8, seconds=3, folder=tmp_path)
    assert tally.calls["delete index"] >= 8
    assert tally.calls["upload"] == 2 * tally.calls["delete index"]
