"""Exports as other programs read them: OpenTimelineIO's CMX 3600 adapter, and webvtt-py."""

from __future__ import annotations

import html
from collections.abc import Sequence
from fractions import Fraction

import opentimelineio as otio
import pytest
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st

from core.classification import ClassScore, Clip
from store import exports
from store.exports import VideoClips

RATES = {
    23.976: Fraction(24_000, 1001),
    24.0: Fraction(24),
    25.0: Fraction(25),
    29.97: Fraction(30_000, 1001),
    30.0: Fraction(30),
    50.0: Fraction(50),
    59.94: Fraction(60_000, 1001),
    60.0: Fraction(60),
}
ODD_NAMES = (
    "a/b.mp4",
    "Ferien im März/Oma & Opa: Tag 1.mp4",
    "001  AX V C 00:00:00:00.mp4",
    "* FROM CLIP NAME: x.mp4",
    "TITLE: FCM: NON-DROP FRAME",
    'quo"te\\back <b>.[1-9].mp4',
    "line\r\nbreak\u2028and\x85more\x00\x07.mp4",
    "\u202egnp.4pm",
    "日本語.mp4",
    "x" * 300 + ".mp4",
)
ODD_WORDS = (
    "a dog",
    'fish & <chips> --> "x"\nmore',
    "00:00:01.000 --> 00:00:02.000",
    "1\n\n2024",
    "<v Bob>hi</v> &amp; {\\an8}",
    "NOTE STYLE REGION WEBVTT",
    "bell\x07 nul\x00 end",
    "\u202eright to left",
    "  ",
)


READ_BACK = settings(max_examples=50, deadline=None)


def seconds(most: float) -> st.SearchStrategy[float]:
    return st.floats(0, most).map(lambda value: round(value, 3))


@st.composite
def clips(draw: st.DrawFn) -> Clip:
    start = draw(seconds(4000) | st.integers(0, 4000).map(float))
    end = round(start + draw(seconds(60)), 3)
    option = draw(st.sampled_from(["visual", "conversation", "text_in_video"]))
    score = draw(st.floats(0, 100))
    return Clip(start, end, score, option, draw(st.sampled_from(ODD_WORDS)))


@st.composite
def videos(draw: st.DrawFn) -> VideoClips:
    """Up to three classes with overlapping clips; the first has one at least."""
    names = draw(st.lists(st.sampled_from(ODD_WORDS), min_size=1, max_size=3, unique=True))
    least = [1, *[0] * (len(names) - 1)]
    classes = tuple(
        ClassScore(name, 90, 0.5, tuple(draw(st.lists(clips(), min_size=few, max_size=6))), 90, 80)
        for name, few in zip(names, least, strict=True)
    )
    fps = draw(st.sampled_from(list(RATES)))
    return VideoClips("id1", draw(st.sampled_from(ODD_NAMES)), fps, classes)


def one_line(text: str) -> str:
    """What is left of a text in a format of lines: words and single spaces."""
    return " ".join("".join(c if c.isprintable() or c in "\u202e" else " " for c in text).split())


# Edit lists


def check_edl(video: VideoClips) -> None:
    """One video track with an event per segment, whole frames, without gap or overlap."""
    rate, record = RATES[video.fps], 0
    text = exports.to_edl(video)
    timeline = otio.adapters.read_from_string(text, "cmx_3600", rate=float(rate))
    (track,) = timeline.tracks
    assert track.kind == otio.schema.TrackKind.Video
    for event, segment in zip(track, video.segments(), strict=True):
        first, length = (
            round(each.value) for each in (event.source_range.start_time, event.duration())
        )
        frame_s = float(1 / rate)
        assert float(first / rate) == pytest.approx(segment.start, abs=0.5001 * frame_s)
        end = max(segment.end, float((first + 1) / rate))  # no event is without a frame
        assert float((first + length) / rate) == pytest.approx(end, abs=0.5001 * frame_s)
        assert event.range_in_parent().start_time.value == record
        assert event.name == one_line(video.name)
        (comment,) = event.metadata["cmx_3600"]["comments"]
        names, prompts = (
            ", ".join(one_line(each) for each in texts)
            for texts in (segment.names, segment.prompts)
        )
        assert one_line(comment).startswith(one_line(f"COMMENT: {names}: {prompts} ("))
        assert comment.endswith(f" ({', '.join(segment.evidence)}, score {segment.score:.0f})")
        record += length


@READ_BACK
@given(videos())
def test_every_event_is_a_segment(video: VideoClips) -> None:
    check_edl(video)


@pytest.mark.parametrize("fps", RATES)
def test_events_keep_their_frames_for_hours(fps: float) -> None:
    """Drop-frame times are checked where they skip: at whole minutes, but for every tenth."""
    starts = [
        60.0 * minute + offset for minute in range(0, 240, 7) for offset in (-0.05, 0.0, 0.05)
    ]
    found = tuple(Clip(max(start, 0.0), start + 0.02, 90, "visual", "a") for start in starts)
    check_edl(VideoClips("id", "a.mp4", fps, (ClassScore("Pets", 90, 0.5, found, 90, 90),)))


def test_more_events_than_three_digits_count() -> None:
    found = tuple(Clip(2.0 * place, 2.0 * place + 1, 90, "visual", "a") for place in range(1100))
    check_edl(VideoClips("id", "a.mp4", 25, (ClassScore("Pets", 90, 0.5, found, 90, 90),)))


# Subtitles


def milliseconds(stamp: str) -> int:
    clock, rest = stamp.split(".")
    hours, minutes, second = (int(part) for part in clock.split(":"))
    return 1000 * (3600 * hours + 60 * minutes + second) + int(rest)


def check_times(cue: webvtt.Caption, start: float, end: float) -> None:
    assert milliseconds(cue.start) == round(1000 * start)
    assert milliseconds(cue.end) == max(round(1000 * end), round(1000 * start) + 1)


def texts(parts: Sequence[str]) -> str:
    return ", ".join(one_line(part) for part in parts)


@READ_BACK
@given(videos())
def test_every_chapter_is_a_segment(video: VideoClips) -> None:
    cues = webvtt.from_string(exports.to_chapters(video)).captions
    for cue, segment in zip(cues, video.segments(), strict=True):
        check_times(cue, segment.start, segment.end)
        told = one_line(f"{texts(segment.names)}: {texts(segment.prompts)}")
        assert one_line(html.unescape(cue.text)) == told


@READ_BACK
@given(videos())
def test_every_caption_is_a_clip(video: VideoClips) -> None:
    heard = "what\n\n<was> --> heard &"
    cues = webvtt.from_string(exports.to_captions(video, lambda clip: heard)).captions
    for cue, (clip, names) in zip(cues, video.clips(), strict=True):
        check_times(cue, clip.start, clip.end)
        first, second = html.unescape(cue.text).splitlines()
        how = f"({clip.option.replace('_', ' ')}, {clip.score:.0f})"
        assert one_line(first) == one_line(f"{texts(names)}: {one_line(clip.prompt)} {how}")
        assert second == one_line(heard)


@READ_BACK
@given(videos())
def test_every_subtitle_is_a_segment(
    tmp_path_factory: pytest.TempPathFactory, video: VideoClips
) -> None:
    path = tmp_path_factory.mktemp("srt") / "a.srt"
    path.write_text(exports.to_srt(video), encoding="utf-8")
    cues = webvtt.from_srt(str(path)).captions
    for cue, segment in zip(cues, video.segments(), strict=True):
        check_times(cue, segment.start, segment.end)
        told = one_line(f"{texts(segment.names)}: {texts(segment.prompts)} ({segment.score:.0f})")
        plain = cue.text.replace("\u2039", "<").replace("\u203a", ">")
        assert one_line(plain) == told, "no word is taken for a tag"
