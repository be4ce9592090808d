"""Pictures and texts stored with the results."""

from __future__ import annotations

import os
import zipfile
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


def test_no_damaged_byte_is_more_than_a_missing_picture_or_text(
    media: Media, tmp_path: Path
) -> None:
    path = media_path(tmp_path, "id1")
    assert path is not None
    whole = path.read_bytes()
    for at in range(len(whole)):
        for damage in (0x01, 0xFF):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ damage]) + whole[at + 1 :])
            os.utime(path, ns=(at, 256 * at + damage))  # so that nothing cached is taken for it
            found = Media(tmp_path)
            assert found.picture("id1", 3) in (b"first", b"second", None)
            assert isinstance(found.words_of("id1")(Clip(0, 9, 90, HEARD, "a")), str)


@pytest.mark.parametrize(
    "words",
    ["{}", '[{"start": 0}]', '[{"start": "0", "end": 1, "option": "a", "text": "b"}]', "[", "[7]"],
)
def test_texts_of_another_shape_count_as_none(media: Media, tmp_path: Path, words: str) -> None:
    path = media_path(tmp_path, "id1")
    assert path is not None
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("500.jpg", b"picture")
        archive.writestr("cover.jpg", b"of another program")
        archive.writestr("words.json", words)
    assert media.words_of("id1")(Clip(0, 9, 90, HEARD, "a")) == ""
    assert media.picture("id1", 0) == b"picture"


def test_half_a_character_in_a_text_survives(tmp_path: Path) -> None:
    path = media_path(tmp_path, "id1")
    assert path is not None
    write_media(path, {}, [TimedText(0, 1, HEARD, "half \ud83d é")])
    assert Media(tmp_path).words_of("id1")(Clip(0, 1, 90, HEARD, "a")) == "half \ud83d é"


def test_media_of_videos_that_are_gone_are_deleted(media: Media, tmp_path: Path) -> None:
    prune_media(tmp_path, {"id1"})
    assert media.has_pictures("id1")
    prune_media(tmp_path, {"id2"})
    assert not media.has_pictures("id1")
