"""Pictures and words kept beside the results."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.classification import Clip
from core.types import HEARD, TimedText
from store.media import Media, media_path, prune_media, write_media

WORDS = [TimedText(0, 3, HEARD, "good morning"), TimedText(3, 6, HEARD, "good night")]


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
