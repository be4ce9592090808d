"""Opens the platform that the settings name and hands out its client."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from core.settings import Settings
from platforms.costs import Budget, Prices
from platforms.errors import PlatformUnavailable
from platforms.v13.client import VERSION as V13
from platforms.v13.client import TwelveLabsV13Client
from twelvelabs_client import TwelveLabsClient

ENGINE_VERSION = "v1.2"
SESSIONS_FILE = "unfinished_uploads.json"  # in the results folder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Platform:
    """An open platform: its client, and what to call it on the page.

    `budget` is there where the platform bills in a way that can be estimated.
    """

    client: TwelveLabsClient
    name: str
    url: str
    embedded: bool
    budget: Budget | None = None


@contextmanager
def open_platform(
    settings: Settings,
    say: Callable[[str], None] = logger.info,
    confirm: Callable[[str], bool] | None = None,
) -> Iterator[Platform]:
    """The hosted platform at `api_url`, or the embedded engine for as long as the body runs.

    The engine's data folder outlives it, so the next run finds the index it left. Raises
    PlatformUnavailable where a setting is missing, and what the engine raises where it cannot
    start, UserError as well. `say` is told what something will cost, `confirm` asks a person
    whether to spend it.
    """
    if settings.api_url:
        if not settings.api_key and not _is_local(settings.api_url):
            raise PlatformUnavailable(
                "API_URL names a hosted platform and API_KEY is empty: set API_KEY to your key "
                "in the environment or in .env, or remove API_URL to use the embedded engine."
            )
        budget = _budget(settings, say, confirm) if _is_v13(settings.api_url) else None
        with _client(settings, settings.api_url, settings.api_key, budget) as client:
            yield Platform(client, "hosted platform", settings.api_url, False, budget)
        return
    with _embedded_engine(settings) as platform:
        yield platform


@contextmanager
def _embedded_engine(settings: Settings) -> Iterator[Platform]:
    # The engine takes most of a second to import, and a hosted platform, or --help, needs none.
    from engine.server import EngineOptions, running_engine

    with running_engine(EngineOptions.of(settings).embedded()) as engine_url:
        url = f"{engine_url}/{ENGINE_VERSION}"
        with _client(settings, url, "") as client:
            yield Platform(client, "embedded engine", url, embedded=True)


def _client(
    settings: Settings, url: str, key: str, budget: Budget | None = None
) -> TwelveLabsClient:
    if budget:
        return TwelveLabsV13Client(
            url,
            key,
            classify_by=settings.v13_classify,
            upload=settings.v13_upload,
            sessions_file=settings.results_dir / SESSIONS_FILE,
            connect_timeout_s=settings.connect_timeout_s,
            read_timeout_s=settings.read_timeout_s,
            max_retries=settings.max_retries,
            poll_s=settings.poll_seconds or 5.0,
            agree=budget.agree,
        )
    return TwelveLabsClient(
        url,
        key,
        connect_timeout_s=settings.connect_timeout_s,
        read_timeout_s=settings.read_timeout_s,
        max_retries=settings.max_retries,
    )


def _budget(
    settings: Settings, say: Callable[[str], None], confirm: Callable[[str], bool] | None
) -> Budget:
    prices = Prices(
        settings.v13_price_index, settings.v13_price_analysis, settings.v13_price_search
    )
    return Budget(prices, settings.v13_confirm_above, say, confirm)


def _is_v13(url: str) -> bool:
    return urlsplit(url.rstrip("/")).path.rpartition("/")[2] == V13


def _is_local(url: str) -> bool:
    """Whether a URL names this machine: an engine somebody started here may ask for no key."""
    host = urlsplit(url).hostname or ""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"
