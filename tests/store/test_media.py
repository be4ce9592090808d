"""Pictures and words kept beside the results, and how they are fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.classification import Clip
from steps.media import gather_media, picture_times
from store.media import HEARD, Media, Words, media_path, prune_media, write_media
from twelvelabs_client import ApiError, ApiTimeout, NotFound

WORDS = [Words(0, 3, HEARD, "good morning"), Words(3, 6, HEARD, "good night")]


@pytest.fixture
def media(tmp_path: Path) -> Media:
    path = media_path(tmp_path, "id1")
    assert path is not None
    write_media(path, {0.5: b"first", 7.25: b"second"}, WORDS)
    return Media(tmp_path)


def test_picture_is_the_nearest(media: Media) -> None:
    assert media.has_pictures("id1")
    assert media.picture("id1", 3) == b"first"
    assert media.picture("id1", 1000) == b"second"


def test_words_are_those_of_the_clip_and_its_evidence(media: Media) -> None:
    words_of = media.words_of("id1")
    assert words_of(Clip(2.5, 4, 90, HEARD, "a")) == "good morning good night"
    assert words_of(Clip(3, 4, 90, HEARD, "a")) == "good night"
    assert words_of(Clip(3, 4, 90, "visual", "a")) == ""


@pytest.mark.parametrize("video_id", ["id2", "", "..", "../id1", "a/b", "x" * 300, "é", "id1.zip"])
def test_no_media_of_other_ids(media: Media, video_id: str) -> None:
    assert not media.has_pictures(video_id)
    assert media.picture(video_id, 0) is None


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04" + bytes(50)])
def test_broken_file_counts_as_none(media: Media, tmp_path: Path, content: bytes) -> None:
    path = media_path(tmp_path, "id1")
    assert path is not None
    path.write_bytes(content)
    assert not media.has_pictures("id1")
    assert media.picture("id1", 0) is None
    assert media.words_of("id1")(Clip(0, 9, 90, HEARD, "a")) == ""


def test_media_of_videos_that_are_gone_are_deleted(media: Media, tmp_path: Path) -> None:
    prune_media(tmp_path, {"id1"})
    assert media.has_pictures("id1")
    prune_media(tmp_path, {"id2"})
    assert not media.has_pictures("id1")


class Platform:
    """Plays a platform that has no pictures of "dark", and nothing of "gone"."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def words_heard(self, index_id: str, video_id: str) -> list[dict[str, Any]]:
        self.calls.append(video_id)
        if video_id == "gone":
            raise ApiError("not there")
        return [{"start": 0, "end": 3, "value": "hello"}]

    def words_read(self, index_id: str, video_id: str) -> list[dict[str, Any]]:
        return []

    def thumbnail(self, index_id: str, video_id: str, time_s: float) -> bytes:
        if video_id == "dark":
            raise ApiError("no thumbnails")
        return f"{time_s:g}".encode()


def test_each_video_is_fetched_once_and_none_is_missed(tmp_path: Path) -> None:
    platform: Any = Platform()
    done: list[str] = []
    lengths = {"id1": 20.0, "dark": 20.0, "gone": 20.0}
    failed = gather_media(platform, "index", lengths, tmp_path, on_done=done.append)
    assert set(failed) == {"dark", "gone"}
    assert sorted(done) == sorted(lengths)
    media = Media(tmp_path)
    assert media.picture("id1", 12) == b"12.5"
    assert media.words_of("id1")(Clip(0, 1, 90, HEARD, "a")) == "hello"
    assert not media.has_pictures("dark")
    platform.calls.clear()
    gather_media(platform, "index", lengths, tmp_path)
    assert "id1" not in platform.calls


@pytest.mark.parametrize(
    ("error", "is_final"),
    [
        (ApiError("v1.3 gives no pictures of a video"), True),
        (NotFound(404, "resource_not_exist", "no thumbnails"), True),
        (ApiTimeout("no answer in time"), False),
    ],
)
def test_words_are_kept_where_no_pictures_will_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: ApiError, is_final: bool
) -> None:
    def refuse(self: Platform, index_id: str, video_id: str, time_s: float) -> bytes:
        raise error

    monkeypatch.setattr(Platform, "thumbnail", refuse)
    platform: Any = Platform()
    assert gather_media(platform, "index", {"id1": 20.0}, tmp_path) == {"id1": str(error)}
    heard = Media(tmp_path).words_of("id1")(Clip(0, 1, 90, HEARD, "a"))
    assert heard == ("hello" if is_final else "")
    platform.calls.clear()
    gather_media(platform, "index", {"id1": 20.0}, tmp_path)
    assert platform.calls == ([] if is_final else ["id1"])


@pytest.mark.parametrize(
    ("duration_s", "most", "times"),
    [(0, 24, [0]), (4, 24, [2]), (20, 24, [2.5, 7.5, 12.5, 17.5]), (1000, 2, [250, 750])],
)
def test_picture_times(duration_s: float, most: int, times: list[float]) -> None:
    assert picture_times(duration_s, most) == times
