"""Fetching media: each video once, and what is kept where the platform lacks some."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core.classification import Clip
from core.errors import UserError
from core.types import HEARD, TimedText, Video
from platforms.errors import NotSupported
from steps import media
from steps.console import Console
from steps.media import fetch_media, thumbnail_times
from steps.sync import SyncPlan
from store.media import Media
from tests.support.jobs import job_on
from twelvelabs_client import ApiError, ApiTimeout, NotFound


class Client:
    """Plays a platform that has no thumbnails of "dark", and nothing of "gone"."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def transcript(self, index_id: str, video_id: str) -> list[TimedText]:
        self.calls.append(video_id)
        if video_id == "gone":
            raise ApiError("not there")
        return [TimedText(0, 3, HEARD, "hello")]

    def ocr_text(self, index_id: str, video_id: str) -> list[TimedText]:
        return []

    def thumbnail(self, index_id: str, video_id: str, time_s: float) -> bytes:
        if video_id == "dark":
            raise ApiError("no thumbnails")
        return f"{time_s:g}".encode()


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def fetch(tmp_path: Path, client: Client) -> Callable[..., str]:
    """Fetch the media of videos of 20 s, by their ids; returns the message."""
    (tmp_path / "videos").mkdir()
    job = job_on(client, tmp_path / "videos")
    job.settings = replace(job.settings, results_dir=tmp_path)

    def fetch_them(*video_ids: str, is_engine: bool = True) -> str:
        job.platform = replace(job.platform, is_engine=is_engine)
        err = io.StringIO()
        job.console = Console(err=err)
        matched = {f"{video_id}.mp4": Video(video_id, duration_s=20.0) for video_id in video_ids}
        fetch_media(job, SyncPlan(matched, outdated=(), missing=(), unrelated=0))
        return err.getvalue()

    return fetch_them


def test_each_video_is_fetched_once_and_none_is_missed(
    tmp_path: Path, client: Client, fetch: Callable[..., str]
) -> None:
    said = fetch("id1", "dark", "gone")
    assert said.startswith("Thumbnails or text of 2 videos could not be fetched: no")
    assert sorted(client.calls) == ["dark", "gone", "id1"]
    kept = Media(tmp_path)
    assert kept.picture("id1", 12) == b"12.5"
    assert kept.words_of("id1")(Clip(0, 1, 90, HEARD, "a")) == "hello"
    assert not kept.has_pictures("dark")
    client.calls.clear()
    fetch("id1", "dark", "gone")
    assert client.calls == ["gone"]


@pytest.mark.parametrize(
    ("error", "is_final"),
    [
        (NotSupported("v1.3 gives no pictures of a video"), True),
        (NotFound(404, "resource_not_exist", "no thumbnails"), True),
        (ApiTimeout("no answer in time"), False),
    ],
)
def test_text_is_kept_where_no_thumbnails_will_come(
    tmp_path: Path,
    client: Client,
    fetch: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    error: UserError,
    is_final: bool,
) -> None:
    def refuse(self: Client, index_id: str, video_id: str, time_s: float) -> bytes:
        raise error

    monkeypatch.setattr(Client, "thumbnail", refuse)
    said = "Thumbnails or text of 1 videos could not be fetched"
    assert fetch("id1") == f"{said}: {error}\n"
    heard = Media(tmp_path).words_of("id1")(Clip(0, 1, 90, HEARD, "a"))
    assert heard == ("hello" if is_final else "")
    client.calls.clear()
    fetch("id1")
    assert client.calls == ([] if is_final else ["id1"])


def test_a_hosted_platform_is_asked_for_one_thumbnail(
    tmp_path: Path, fetch: Callable[..., str]
) -> None:
    assert fetch("id1", is_engine=False) == ""
    assert Media(tmp_path).picture("id1", 0) == b"10"


def test_a_disk_error_stops_at_once(
    client: Client, fetch: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(media, "write_media", full)
    with pytest.raises(OSError, match="No space left"):
        fetch(*(f"id{number}" for number in range(200)))
    assert len(client.calls) < 100, "the others are not fetched"


@pytest.mark.parametrize(
    ("duration_s", "most", "times"),
    [(0, 24, [0]), (4, 24, [2]), (20, 24, [2.5, 7.5, 12.5, 17.5]), (1000, 2, [250, 750])],
)
def test_thumbnail_times(duration_s: float, most: int, times: list[float]) -> None:
    assert thumbnail_times(duration_s, most) == times
