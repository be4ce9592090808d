"""Opens the platform that the settings name and hands out its client."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from engine.models import ModelChoice
from engine.server import EngineError, EngineOptions, running_engine
from settings import Settings
from twelvelabs_client import TwelveLabsClient

ENGINE_VERSION = "v1.2"


class PlatformUnavailable(Exception):
    """No platform can be opened with these settings; the message says what to set."""


@dataclass(frozen=True)
class Platform:
    """An open platform: its client, and what to call it on the page."""

    client: TwelveLabsClient
    name: str
    url: str
    embedded: bool


@contextmanager
def open_platform(settings: Settings) -> Iterator[Platform]:
    """The hosted platform at `api_url`, or the embedded engine for as long as the body runs.

    The engine's data folder outlives it, so the next run finds the index it left. Raises
    PlatformUnavailable where a setting is missing or the engine cannot start.
    """
    if settings.api_url:
        if not settings.api_key and not _is_local(settings.api_url):
            raise PlatformUnavailable(
                "API_URL names a hosted platform and API_KEY is empty: set API_KEY to your key "
                "in the environment or in .env, or remove API_URL to use the embedded engine."
            )
        with _client(settings, settings.api_url, settings.api_key) as client:
            yield Platform(client, "hosted platform", settings.api_url, embedded=False)
        return
    options = EngineOptions(
        data_dir=settings.engine_data_dir,
        workers=settings.engine_workers,
        database_url=settings.database_url,
        models=ModelChoice(
            visual=settings.visual_model,
            visual_revision=settings.visual_model_revision,
            speech=settings.speech_model,
            models_dir=settings.models_dir,
        ),
    )
    try:
        with running_engine(options) as engine_url:
            url = f"{engine_url}/{ENGINE_VERSION}"
            with _client(settings, url, "") as client:
                yield Platform(client, "embedded engine", url, embedded=True)
    except EngineError as error:
        raise PlatformUnavailable(str(error)) from error


def _client(settings: Settings, url: str, key: str) -> TwelveLabsClient:
    return TwelveLabsClient(
        url,
        key,
        connect_timeout_s=settings.connect_timeout_s,
        read_timeout_s=settings.read_timeout_s,
        max_retries=settings.max_retries,
    )


def _is_local(url: str) -> bool:
    """Whether a URL names this machine: an engine somebody started here may ask for no key."""
    host = urlsplit(url).hostname or ""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"
