"""What each platform says it is: limits, pauses, patience, costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.classes import PromptClass
from core.settings import Settings
from core.types import ClassifyRequest, Index
from platforms.connect import Platform, open_platform
from platforms.errors import PlatformUnavailable, SpendingRefused
from platforms.limits import ENGINE, HOSTED, V13_SEARCH, V13_SEGMENTATION
from platforms.v13.client import TwelveLabsV13Client
from tests.support.fake_v13 import KEY, V13Platform, running_platform

REQUEST = ClassifyRequest((PromptClass("Early", ("early",)),), ("visual",))


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[V13Platform]:
    with running_platform(tmp_path) as platform:
        platform.indexes["i"] = {"_id": "i", "index_name": "films"}
        yield platform


def open_hosted(version: str, **choices: str) -> Platform:
    """A hosted platform as it is when it is opened; no call is made for that."""
    settings = Settings(api_url=f"https://host.test/{version}", api_key=KEY, **choices)  # type: ignore[arg-type]
    with open_platform(settings) as platform:
        return platform


@pytest.mark.parametrize("version", ["v1.1", "v1.2"])
def test_a_hosted_platform_is_not_the_engine(version: str) -> None:
    platform = open_hosted(version)
    assert (platform.limits, platform.poll_s, platform.least_stall_s) == (HOSTED, 5.0, 0.0)
    assert (platform.is_engine, platform.embedded, platform.scores) == (False, False, "")
    assert not isinstance(platform.client, TwelveLabsV13Client)


@pytest.mark.parametrize(
    ("classify_by", "limits", "scores"),
    [("segmentation", V13_SEGMENTATION, "self-rated"), ("search", V13_SEARCH, "by rank")],
)
def test_v13_has_limits_by_what_classifies_there(
    classify_by: str, limits: object, scores: str
) -> None:
    platform = open_hosted("v1.3", v13_classify=classify_by)
    assert platform.limits == limits
    assert (platform.poll_s, platform.least_stall_s) == (5.0, 3600.0)
    assert platform.scores.startswith(scores)
    assert isinstance(platform.client, TwelveLabsV13Client)
    assert V13_SEARCH.max_duration_s == 2 * V13_SEGMENTATION.max_duration_s


def test_the_embedded_engine_is_near_and_takes_anything(tmp_path: Path) -> None:
    with open_platform(Settings(engine_data_dir=tmp_path)) as platform:
        assert (platform.limits, platform.poll_s) == (ENGINE, 0.5)
        assert (platform.is_engine, platform.embedded) == (True, True)
        platform.agree_to_costs("i", REQUEST, (), 10_000.0)


def test_only_its_index_tells_whether_a_platform_is_the_engine() -> None:
    platform = open_hosted("v1.2")
    assert platform.with_index(Index("i")) == platform
    known = platform.with_index(Index("i", is_engine=True))
    assert (known.is_engine, known.embedded, known.limits) == (True, False, ENGINE)
    assert known.client is platform.client


@pytest.mark.parametrize("url", ["https://host.test/v1.2", "https://host.test/v1.3"])
def test_a_hosted_platform_needs_a_key(url: str) -> None:
    with pytest.raises(PlatformUnavailable, match="set API_KEY"):
        open_platform(Settings(api_url=url))


def test_costs_are_told_and_agreed_to_where_they_can_be_estimated(fake: V13Platform) -> None:
    said: list[str] = []
    settings = Settings(api_url=fake.url, api_key=KEY, v13_confirm_above=1.0)
    with open_platform(settings, said.append) as platform:
        platform.agree_to_costs("i", REQUEST, (), 10.0)
        assert "10.0 minutes to index" in said[0]
        assert "10.0 minutes x classes to analyse" in said[0]
        with pytest.raises(SpendingRefused):
            platform.agree_to_costs("i", REQUEST, (), 100.0)
    open_hosted("v1.2").agree_to_costs("i", REQUEST, (), 10_000.0)
