"""Fixtures that several test modules share."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.browsing import browser as browser
from tests.support.browsing import open_page as open_page

CORPUS = Path(__file__).parent.parent.parent / "shared" / "corpus"


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real, labelled videos that lies beside a developer's checkout."""
    if not (CORPUS / "labels.json").is_file():
        pytest.skip("the corpus of real videos is not on this machine")
    return CORPUS


@pytest.fixture(autouse=True)
def no_errors_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fails a test during which an error was logged; one that means to cause it clears caplog."""
    yield
    errors = [
        record.getMessage()
        for phase in ("setup", "call")
        for record in caplog.get_records(phase)
        if record.levelno >= logging.ERROR
    ]
    assert not errors, f"logged as errors: {errors}"
