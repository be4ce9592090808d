"""Opens the platform that the settings name, and says what it is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from core.settings import Settings
from core.types import ClassifyRequest, Index
from platforms.costs import Budget, Estimate, Prices
from platforms.errors import PlatformUnavailable
from platforms.limits import ENGINE, HOSTED, V13_SEARCH, V13_SEGMENTATION, Limits
from platforms.v13.client import VERSION as V13
from platforms.v13.client import TwelveLabsV13Client
from transport.http import is_local
from twelvelabs_client import TwelveLabsClient

ENGINE_VERSION = "v1.2"
HOSTED_NAME = "hosted platform"
ENGINE_POLL_S, HOSTED_POLL_S = 0.5, 5.0
SESSIONS_FILE = "unfinished_uploads.json"  # in the results folder

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Platform:
    """An open platform: its client, what to call it, and what a run needs to know about it.

    `is_engine` says whether it is our own engine, which is near and free, and `embedded` whether
    this program started that engine. `limits` says which videos it accepts. `poll_s` is the
    shortest interval between two observations of its tasks. A task without progress is given up
    after `least_stall_s` at the earliest.
    """

    client: TwelveLabsClient
    name: str
    url: str
    limits: Limits
    embedded: bool = False
    is_engine: bool = False
    poll_s: float = HOSTED_POLL_S
    least_stall_s: float = 0.0

    @property
    def scores(self) -> str:
        """How scores are made, in words; "" if they are the platform's own."""
        return ""

    def with_index(self, index: Index) -> Platform:
        """The platform as its index shows it: only an index tells whether it is our engine."""
        return replace(self, is_engine=True, limits=ENGINE) if index.is_engine else self

    def agree_to_costs(
        self,
        index_id: str,
        request: ClassifyRequest,
        video_ids: Collection[str],
        new_minutes: float,
    ) -> None:
        """Say what a request will cost, and have a large sum confirmed.

        It covers the videos with these ids, and `new_minutes` of others that are indexed first.
        Raises SpendingRefused if the sum is not confirmed. Does nothing on a platform whose costs
        cannot be estimated.
        """


@dataclass(frozen=True, kw_only=True)
class V13Platform(Platform):
    """A platform that speaks v1.3, whose costs can be estimated.

    It reports no progress: a video of several hours just stays "indexing".
    """

    client: TwelveLabsV13Client
    budget: Budget
    least_stall_s: float = 3600.0

    @property
    def scores(self) -> str:
        """How the scores of the last classification are made, in words."""
        return self.client.scores

    def agree_to_costs(
        self,
        index_id: str,
        request: ClassifyRequest,
        video_ids: Collection[str],
        new_minutes: float,
    ) -> None:
        """Say what a request will cost, and have a large sum confirmed; see `Platform`."""
        later = self.client.estimate(index_id, request, new_minutes=new_minutes, only=video_ids)
        self.budget.agree(Estimate(index_minutes=new_minutes), later)


def open_platform(
    settings: Settings,
    say: Callable[[str], None] = logger.info,
    confirm: Callable[[str], bool] | None = None,
) -> AbstractContextManager[Platform]:
    """The hosted platform at `api_url`, or the embedded engine, which runs during the `with` block.

    The engine keeps its data folder, so the next run finds the index again. Raises
    PlatformUnavailable if a setting is missing, and another UserError if the engine cannot start.
    `say` is called with what something will cost, and `confirm` asks a person whether to spend it.
    """
    if not settings.api_url:
        return _embedded_engine(settings)
    if not settings.api_key and not is_local(settings.api_url):
        raise PlatformUnavailable(
            "API_URL names a hosted platform and API_KEY is empty: set API_KEY to your key "
            "in the environment or in .env, or remove API_URL to use the embedded engine."
        )
    if _is_v13(settings.api_url):
        return _v13(settings, _budget(settings, say, confirm))
    return _hosted(settings)


@contextmanager
def _embedded_engine(settings: Settings) -> Iterator[Platform]:
    # The engine takes most of a second to import, and a hosted platform, or --help, needs none.
    from engine.server import EngineOptions, running_engine

    with running_engine(EngineOptions.of(settings).embedded()) as engine_url:
        url = f"{engine_url}/{ENGINE_VERSION}"
        with TwelveLabsClient(url, **_patience(settings)) as client:
            yield Platform(
                client,
                "embedded engine",
                url,
                ENGINE,
                embedded=True,
                is_engine=True,
                poll_s=ENGINE_POLL_S,
            )


@contextmanager
def _hosted(settings: Settings) -> Iterator[Platform]:
    with TwelveLabsClient(settings.api_url, settings.api_key, **_patience(settings)) as client:
        yield Platform(client, HOSTED_NAME, settings.api_url, HOSTED)


@contextmanager
def _v13(settings: Settings, budget: Budget) -> Iterator[Platform]:
    with TwelveLabsV13Client(
        settings.api_url,
        settings.api_key,
        classify_by=settings.v13_classify,
        upload=settings.v13_upload,
        sessions_file=settings.results_dir / SESSIONS_FILE,
        poll_s=settings.poll_seconds or HOSTED_POLL_S,
        agree=budget.agree,
        **_patience(settings),
    ) as client:
        limits = V13_SEARCH if settings.v13_classify == "search" else V13_SEGMENTATION
        yield V13Platform(
            client=client, name=HOSTED_NAME, url=settings.api_url, limits=limits, budget=budget
        )


def _patience(settings: Settings) -> dict[str, Any]:
    """How long a client waits, and how often it tries."""
    return {
        "connect_timeout_s": settings.connect_timeout_s,
        "read_timeout_s": settings.read_timeout_s,
        "max_retries": settings.max_retries,
    }


def _budget(
    settings: Settings, say: Callable[[str], None], confirm: Callable[[str], bool] | None
) -> Budget:
    prices = Prices(
        settings.v13_price_index, settings.v13_price_analysis, settings.v13_price_search
    )
    return Budget(prices, settings.v13_confirm_above, say, confirm)


def _is_v13(url: str) -> bool:
    return urlsplit(url.rstrip("/")).path.rpartition("/")[2] == V13
