"""The streams of a file that are used are those that a person would watch and hear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from av.stream import Disposition

from engine.media import AudioBlock, DecodeReport, Frame, MediaError, audio, decode, probe
from tests.support.media import (
    beeps,
    join_tracks,
    make_sound_unknown,
    number_of,
    write_song,
    write_video,
)

KEY = "00112233445566778899aabbccddeeff"


def pictures(path: Path) -> list[int]:
    return [number_of(item.image) for item in decode(path) if isinstance(item, Frame)]


def heard(path: Path, language: str = "") -> list[float]:
    return [
        round(time, 1)
        for item in decode(path, language=language)
        if isinstance(item, AudioBlock)
        for time in beeps(item.samples, item.start_s)
    ]


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
@pytest.mark.parametrize("cover_first", [False, True])
@pytest.mark.parametrize("flagged", [Disposition(0), Disposition.default, Disposition.attached_pic])
def test_the_video_is_the_stream_that_moves(
    tmp_path: Path, ending: str, cover_first: bool, flagged: Disposition
) -> None:
    film = write_video(tmp_path / "film.mp4", seconds=3, sound=[], size=(160, 96))
    cover = write_video(
        tmp_path / "cover.mov",
        times=[0.0],
        sound=[],
        size=(640, 640),
        fill=(200, 0, 0),
        codec="mjpeg",
        pix_fmt="yuvj420p",
    )
    sources = [cover, film] if cover_first else [film, cover]
    at = 0 if cover_first else 1
    path = join_tracks(tmp_path / f"a.{ending}", sources, dispositions={at: flagged})
    assert (probe(path).width, probe(path).height) == (160, 96)
    assert pictures(path) == [0, 30, 60]


def test_a_film_that_is_marked_as_a_cover_is_a_film(tmp_path: Path) -> None:
    film = write_video(tmp_path / "film.mp4", seconds=3, sound=[])
    path = join_tracks(tmp_path / "a.mkv", [film], dispositions={0: Disposition.attached_pic})
    assert pictures(path) == [0, 30, 60]


def test_a_single_frame_is_still_a_video_and_a_song_is_none(tmp_path: Path) -> None:
    assert pictures(write_video(tmp_path / "a.mp4", times=[0.0], sound=[])) == [0]
    with pytest.raises(MediaError, match="it has no video stream"):
        probe(write_song(tmp_path / "a.m4a"))


def three_sounds(
    path: Path, languages: Mapping[int, str], marks: Mapping[int, Disposition]
) -> Path:
    """A film with three tracks of sound, which start 0, 1 and 2 s late."""
    film = write_video(path.parent / "film.mp4", seconds=4, sound=[])
    sounds = [
        write_video(path.parent / f"sound{late}.mp4", seconds=4, times=[], sound=[(late, 3.9)])
        for late in range(3)
    ]
    return join_tracks(path, [film, *sounds], languages=languages, dispositions=marks)


@pytest.mark.parametrize(
    ("languages", "marks", "asked", "first_beep"),
    [
        ({}, {}, "eng", 0.0),
        ({1: "fre", 2: "eng", 3: "ger"}, {}, "eng", 1.0),
        ({1: "fre", 2: "eng", 3: "ger"}, {}, "ger", 2.0),
        ({1: "fre", 2: "eng", 3: "ger"}, {}, "", 0.0),
        ({1: "fre", 2: "ger"}, {}, "eng", 2.0),
        ({1: "eng", 2: "eng"}, {1: Disposition.comment}, "eng", 1.0),
        ({}, {1: Disposition(0), 2: Disposition(0)}, "eng", 2.0),
        ({1: "fre", 2: "ger", 3: "ita"}, {}, "eng", 0.0),
    ],
    ids=[
        "unmarked",
        "the language",
        "another language",
        "any language",
        "not marked as another",
        "no commentary",
        "the default",
        "only other languages",
    ],
)
def test_of_several_audio_tracks_one_is_chosen(
    tmp_path: Path,
    languages: Mapping[int, str],
    marks: Mapping[int, Disposition],
    asked: str,
    first_beep: float,
) -> None:
    path = three_sounds(tmp_path / "a.mp4", languages, marks)
    assert heard(path, asked)[0] == first_beep


def test_a_silent_track_does_not_hide_another(tmp_path: Path) -> None:
    film = write_video(tmp_path / "film.mp4", seconds=3, gains=[0, 0])
    other = write_video(tmp_path / "sound.mp4", seconds=3, times=[], sound=[(1, 3)])
    path = join_tracks(tmp_path / "a.mp4", [film, other], languages={1: "eng"})
    assert heard(path)[0] == heard(path, "eng")[0] == 1.0


@pytest.mark.parametrize("unknown", [0, 1])
def test_an_undecodable_track_does_not_hide_another(tmp_path: Path, unknown: int) -> None:
    film = write_video(tmp_path / "film.mov", seconds=3)
    other = write_video(tmp_path / "sound.mov", seconds=3, times=[], sound=[(1, 3)])
    path = make_sound_unknown(join_tracks(tmp_path / "a.mov", [film, other]), unknown)
    info = probe(path)
    assert info.has_audio
    assert DecodeReport().damage(info) == ""
    assert heard(path)[0] == (1.0 if unknown == 0 else 0.0)


def test_undecodable_audio_is_reported(tmp_path: Path) -> None:
    path = make_sound_unknown(write_video(tmp_path / "a.mov", seconds=3))
    info = probe(path)
    assert not info.has_audio
    assert DecodeReport().damage(info) == "its audio is in a format that cannot be decoded here"
    assert pictures(path) == [0, 30, 60]
    silent = probe(write_video(tmp_path / "b.mov", seconds=3, sound=[]))
    assert DecodeReport().damage(silent) == ""


@pytest.mark.parametrize("ending", ["mp4", "mov"])
def test_encrypted_videos_are_refused(tmp_path: Path, ending: str) -> None:
    path = write_video(
        tmp_path / f"a.{ending}",
        seconds=3,
        container_format="mp4",
        container_options={
            "encryption_scheme": "cenc-aes-ctr",
            "encryption_key": KEY,
            "encryption_kid": KEY,
        },
    )
    with pytest.raises(MediaError, match="is copy-protected"):
        probe(path)
    with pytest.raises(MediaError, match="is copy-protected"):
        list(decode(path))


@pytest.mark.parametrize(
    ("gains", "layout"),
    [
        ([1, -1], "stereo"),
        ([1, -0.9], "stereo"),
        ([1, 0], "stereo"),
        ([0, 1], "stereo"),
        ([1, 1], "stereo"),
        ([0, 0, 1, 0, 0, 0], "5.1"),
        ([1], "mono"),
    ],
    ids=["opposite", "nearly opposite", "left", "right", "both", "centre", "mono"],
)
def test_no_channel_is_lost(tmp_path: Path, gains: Sequence[float], layout: str) -> None:
    path = write_video(
        tmp_path / "a.mkv", seconds=2, gains=gains, layout=layout, sound_codec="flac"
    )
    items = [item for item in decode(path) if isinstance(item, AudioBlock)]
    loudest = max(float(np.abs(item.samples).max()) for item in items)
    assert loudest == pytest.approx(0.5, abs=0.08)
    assert heard(path) == [0.0, 0.5, 1.0, 1.5]


def test_a_mix_is_as_loud_as_its_loudest_channel() -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (2, 16_000)).astype(np.float32)
    loudness = float(np.sqrt(np.square(audio.mono(noise)).mean()))
    assert loudness == pytest.approx(0.1, rel=0.05)
    silence = np.zeros((2, 100), np.float32)
    assert not audio.mono(silence).any()


def test_channels_may_change_on_the_way(tmp_path: Path) -> None:
    stereo = write_video(tmp_path / "a.ts", seconds=2, gains=[1, -1])
    mono = write_video(tmp_path / "b.ts", seconds=2, layout="mono")
    stereo.write_bytes(stereo.read_bytes() + mono.read_bytes())
    assert len(heard(stereo)) == 8
