"""Files for other tools: rows, cues, timecodes that editing programs agree with."""

from __future__ import annotations

import csv
import io
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.classification import ClassScore, Clip
from store import exports
from store.exports import NoFrameRate, VideoClips

NTSC, NTSC_60 = Fraction(30_000, 1001), Fraction(60_000, 1001)


def video(*clips: Clip, name: str = "a/b.mp4", fps: float = 25.0) -> VideoClips:
    return VideoClips("id1", name, fps, (ClassScore("Pets", 91.5, 0.5, clips, 90, 80),))


DOG = Clip(3661.5, 3663.25, 90.4, "visual", "a dog")
SAID = Clip(1.0, 2.5, 80.0, "conversation", 'fish & <chips> --> "x"\nmore')


# CSV


def test_csv_has_a_row_per_clip_in_order_of_time() -> None:
    rows = list(csv.DictReader(io.StringIO(exports.to_csv([video(DOG, SAID)]))))
    assert [row["start_s"] for row in rows] == ["1.0", "3661.5"]
    assert rows[0]["prompt"] == SAID.prompt
    assert rows[1] | {} == {
        "video_id": "id1",
        "video_name": "a/b.mp4",
        "class": "Pets",
        "class_score": "91.5",
        "duration_ratio": "0.5",
        "start_s": "3661.5",
        "end_s": "3663.25",
        "clip_score": "90.4",
        "evidence": "visual",
        "prompt": "a dog",
    }


def test_csv_has_every_video_and_every_class() -> None:
    nothing = VideoClips("id2", "none.mp4", 25, ())
    rows = list(csv.reader(io.StringIO(exports.to_csv([nothing, video()]))))[1:]
    assert rows == [
        ["id2", "none.mp4", *[""] * 8],
        ["id1", "a/b.mp4", "Pets", "91.5", "0.5", *[""] * 5],
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t"])
def test_csv_has_no_formula(start: str) -> None:
    text = exports.to_csv([video(Clip(0, 1, 90, "visual", f"{start}cmd|' /C calc'!A0"))])
    (row,) = csv.DictReader(io.StringIO(text))
    assert row["prompt"].startswith(f"'{start}")


# Segmentes


FILM = video(
    Clip(0, 10, 70.0, "visual", "a dog"),
    Clip(8, 22, 91.4, "visual", "a puppy"),
    Clip(2, 5, 80.0, "conversation", "a dog"),
    Clip(0, 22, 66.0, "visual", "fur"),
    Clip(30, 31, 75.0, "visual", "fur"),
)


def test_footage_is_there_once_per_class_however_many_prompts_it_meets() -> None:
    assert FILM.segments() == [
        exports.Segment(
            0, 22, 91.4, ("Pets",), ("a puppy", "a dog", "fur"), ("visual", "conversation")
        ),
        exports.Segment(30, 31, 75.0, ("Pets",), ("fur",), ("visual",)),
    ]
    assert exports.to_srt(FILM).split("\n\n")[0].splitlines()[1:] == [
        "00:00:00,000 --> 00:00:22,000",
        "Pets: a puppy, a dog, fur (91)",
    ]
    assert exports.to_chapters(FILM).count(" --> ") == 2
    lines = exports.to_edl(FILM).splitlines()
    assert lines[3].endswith("00:00:00:00 00:00:22:00 00:00:00:00 00:00:22:00")
    assert lines[5] == "* COMMENT: Pets: a puppy, a dog, fur (visual, conversation, score 91)"
    assert sum(line[:1].isdigit() for line in lines) == 2


def test_csv_and_captions_have_every_clip() -> None:
    assert len(exports.to_csv([FILM]).splitlines()) == 1 + 5
    assert exports.to_captions(FILM, lambda clip: "").count(" --> ") == 5


def test_clips_that_touch_are_one_segment_and_those_apart_are_not() -> None:
    touching = video(*(Clip(at, at + 1, 90, "visual", "a dog") for at in (2, 0, 1, 3.04)))
    assert [(each.start, each.end) for each in touching.segments()] == [(0, 3), (3.04, 4.04)]


def test_segments_of_two_classes_stay_apart_unless_they_are_equal() -> None:
    dog, cat = (Clip(0, 9, score, "visual", word) for word, score in (("a dog", 80), ("a cat", 85)))
    sofa = Clip(3, 6, 70, "visual", "a sofa")
    classes = (("Pets", (dog,)), ("Cats", (cat,)), ("Home", (sofa,)))
    found = tuple(ClassScore(name, 90, 0.5, clips, 90, 90) for name, clips in classes)
    assert [str(each) for each in VideoClips("id", "a.mp4", 25, found).segments()] == [
        "Pets, Cats: a cat, a dog",
        "Home: a sofa",
    ]


# Captions


def test_webvtt_chapters_and_captions() -> None:
    chapters = exports.to_chapters(video(DOG, SAID)).split("\n\n")
    assert chapters[0] == "WEBVTT"
    assert chapters[1].splitlines()[1] == "00:00:01.000 --> 00:00:02.500"
    assert chapters[1].splitlines()[2] == 'Pets: fish &amp; &lt;chips&gt; --&gt; "x" more'
    assert chapters[2].splitlines()[1:] == ["01:01:01.500 --> 01:01:03.250", "Pets: a dog"]
    captions = exports.to_captions(video(DOG), lambda clip: "words\n\nheard")
    assert captions.splitlines()[-2:] == ["Pets: a dog (visual, 90)", "words heard"]


def test_srt() -> None:
    cues = exports.to_srt(video(SAID, DOG)).split("\n\n")
    assert cues[0].splitlines()[:2] == ["1", "00:00:01,000 --> 00:00:02,500"]
    assert cues[1].splitlines() == ["2", "01:01:01,500 --> 01:01:03,250", "Pets: a dog (90)"]


def test_srt_has_no_escapes_so_nothing_may_look_like_a_tag_or_a_time_line() -> None:
    words = Clip(0, 1, 90, "visual", "<i>fish</i> --> \x07chips\x00")
    assert exports.to_srt(video(words)).splitlines()[2] == (
        "Pets: \u2039i\u203afish\u2039/i\u203a --\u203a chips (90)"
    )


def test_clip_of_two_classes_is_one_cue() -> None:
    found = tuple(ClassScore(name, 90, 0.5, (DOG,), 90, 90) for name in ("Pets", "Home"))
    assert "Pets, Home: a dog" in exports.to_srt(VideoClips("id", "a.mp4", 25, found))


def test_no_cue_is_without_length() -> None:
    assert "00:00:01.000 --> 00:00:01.001" in exports.to_chapters(
        video(Clip(1, 1, 90, "visual", "a"))
    )


# Edit lists


@pytest.mark.parametrize(
    ("frame", "rate", "code"),
    [
        (0, NTSC, "00:00:00;00"),
        (1799, NTSC, "00:00:59;29"),
        (1800, NTSC, "00:01:00;02"),
        (17981, NTSC, "00:09:59;29"),
        (17982, NTSC, "00:10:00;00"),
        (107892, NTSC, "01:00:00;00"),
        (3599, NTSC_60, "00:00:59;59"),
        (3600, NTSC_60, "00:01:00;04"),
        (215784, NTSC_60, "01:00:00;00"),
        (1800, Fraction(30), "00:01:00:00"),
        (1440, Fraction(24_000, 1001), "00:01:00:00"),
        (90_000, Fraction(25), "01:00:00:00"),
    ],
)
def test_timecode(frame: int, rate: Fraction, code: str) -> None:
    assert exports.timecode(frame, rate) == code


@given(st.integers(0, 24 * 107_892 - 1), st.sampled_from([NTSC, NTSC_60]))
def test_drop_frame_keeps_step_with_the_clock(frame: int, rate: Fraction) -> None:
    hours, minutes, rest = exports.timecode(frame, rate).split(":")
    second, frames = rest.split(";")
    assert not (second == "00" and int(frames) < round(rate) // 15 and int(minutes) % 10)
    shown_s = 3600 * int(hours) + 60 * int(minutes) + int(second) + int(frames) / round(rate)
    # Two frames in hand before they are dropped, and a millionth that no dropping makes good.
    assert abs(shown_s - float(frame / rate)) < 2 / 30 + 1.01e-6 * shown_s + 0.001


@given(st.integers(0, 10**6), st.sampled_from([NTSC, NTSC_60]))
def test_following_frames_have_following_timecodes(frame: int, rate: Fraction) -> None:
    assert exports.timecode(frame, rate) < exports.timecode(frame + 1, rate)


@pytest.mark.parametrize(
    ("fps", "rate"),
    [
        (29.97, NTSC),
        (29.97003, NTSC),
        (59.94, NTSC_60),
        (23.976, Fraction(24_000, 1001)),
        (23.98, Fraction(24_000, 1001)),
        (24, Fraction(24)),
        (25.0, Fraction(25)),
        (30, Fraction(30)),
        (12.5, Fraction(25, 2)),
    ],
)
def test_true_rates(fps: float, rate: Fraction) -> None:
    assert exports.true_rate(fps) == rate


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan")])
def test_unknown_rate_gives_no_edit_list(fps: float) -> None:
    with pytest.raises(NoFrameRate):
        exports.to_edl(video(DOG, fps=fps))


def test_edit_list_lays_clips_end_to_end() -> None:
    lines = exports.to_edl(video(SAID, DOG, fps=29.97)).splitlines()
    assert lines[:2] == ["TITLE: a/b.mp4", "FCM: DROP FRAME"]
    events = [line for line in lines if line[:1].isdigit()]
    assert events == [
        "001  B        V     C        00:00:01;00 00:00:02;15 00:00:00;00 00:00:01;15",
        "002  B        V     C        01:01:01;15 01:01:03;08 00:00:01;15 00:00:03;08",
    ]
    assert "* FROM CLIP NAME: a/b.mp4" in lines
    assert exports.to_edl(video(DOG)).splitlines()[1] == "FCM: NON-DROP FRAME"


# Names


def test_file_names_are_apart_and_safe() -> None:
    names = ["a.mp4", "A.mov", "sub/a.mp4", "../../etc/x.mp4", "C:\\b.mp4", "..", "a.mkv"]
    assert exports.file_names(names, "srt") == [
        "a.srt",
        "A (2).srt",
        "sub/a.srt",
        "etc/x.srt",
        "C__b.srt",
        "video.srt",
        "a (3).srt",
    ]


def test_file_names_of_many_videos_are_made_at_once() -> None:
    names = exports.file_names([*("a.mp4" for _ in range(200)), *map(str, range(20_000))], "srt")
    assert names[199] == "a (200).srt"
    assert len(set(names)) == 20_200
