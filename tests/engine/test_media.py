"""Decoding videos: what is sampled is what is shown at the time, whatever the file is like."""

from __future__ import annotations

import gc
import io
import os
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.indexing.extract import build_evidence
from engine.media import (
    SAMPLE_RATE,
    AudioBlock,
    DecodeReport,
    Frame,
    MediaError,
    MediaInfo,
    decode,
    files,
    fingerprint,
    frames,
    jpeg,
    probe,
    streams,
)
from engine.media.audio import BLOCK_S
from engine.models.protocols import Models
from engine.retrieval.prompts import PromptSet
from tests.support.media import (
    beeps,
    cut,
    damage,
    damage_all,
    damage_picture,
    number_of,
    write_song,
    write_video,
)

MILLISECOND = 0.0011  # containers round to milliseconds
ROUNDING = 1e-6  # what comes of seconds as floats
OPUS = {"sound_codec": "libopus", "sound_rate": 48_000}


def sampled(path: Path, **arguments: Any) -> list[tuple[float, int]]:
    """The time and number of each picture given."""
    items = decode(path, **arguments)
    return [(item.time_s, number_of(item.image)) for item in items if isinstance(item, Frame)]


def blocks(path: Path) -> list[AudioBlock]:
    return [item for item in decode(path) if isinstance(item, AudioBlock)]


def heard(path: Path) -> list[float]:
    """The times of all beeps, by the tenth of a second; a beep may go from block to block."""
    times, start_s, joined = [], 0.0, np.zeros(0, np.float32)
    for block in blocks(path):
        if abs(start_s + len(joined) / SAMPLE_RATE - block.start_s) > 1 / SAMPLE_RATE:
            times += beeps(joined, start_s)
            start_s, joined = block.start_s, joined[:0]
        joined = np.concatenate([joined, block.samples])
    return [round(time, 1) for time in [*times, *beeps(joined, start_s)]]


def due(times: Sequence[float], step_s: float) -> list[int]:
    """The sampling rule, said once more: the first picture at or after each multiple of a step."""
    numbers: list[int] = []
    target = 0
    for number, time in enumerate(times):
        if time >= target * step_s - ROUNDING:
            numbers.append(number)
            while target * step_s <= time + ROUNDING:
                target += 1
    return numbers


def assert_sampled(path: Path, times: Sequence[float], step_s: float = 1.0) -> None:
    """Hold what is given against the times at which the pictures were written.

    Some containers start a little late, because the sound begins with the encoder's silence.
    """
    given_ = sampled(path, step_s=step_s)
    late = given_[0][0] - times[given_[0][1]]
    assert 0 <= late < 0.1
    expected = due([time + late for time in times], step_s)
    assert [number for _, number in given_] == expected
    for time, number in given_:
        assert time == pytest.approx(times[number] + late, abs=MILLISECOND)


# Name of the file, and what write_video is told.
READABLE: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("a.mp4", {}),
    "long gop": ("a.mp4", {"seconds": 5, "gop": 1000}),
    "dense keyframes": ("a.mp4", {"gop": 15}),
    "no reordering": ("a.mp4", {"options": {"bf": "0"}}),
    "deep reordering": ("a.mp4", {"options": {"bf": "8", "b-pyramid": "normal"}}),
    "open gop": ("a.mp4", {"gop": 15, "options": {"x264-params": "open-gop=1"}}),
    "29.97": ("a.mp4", {"fps": Fraction(30_000, 1001)}),
    "one a second": ("a.mp4", {"fps": 1, "seconds": 5}),
    "slower than the step": ("a.mp4", {"fps": Fraction(1, 3), "seconds": 12}),
    "one picture": ("a.mp4", {"times": [0.0], "sound": []}),
    "one picture with sound": ("a.mp4", {"times": [0.0]}),
    "variable rate": ("a.mp4", {"times": [0, 0.1, 0.9, 1.4, 4.2, 4.3, 5.0, 8.8], "seconds": 9}),
    "no sound": ("a.mp4", {"sound": []}),
    "fragments": ("a.mp4", {"container_options": {"movflags": "frag_keyframe+empty_moov"}}),
    "quicktime": ("a.MOV", {}),
    "matroska": ("a.mkv", {}),
    "no duration": ("a.mkv", {"container_options": {"live": "1"}}),
    "transport stream": ("a.ts", {}),
    "flash": ("a.flv", {}),
    "bare h264": ("a.h264", {"fps": 25, "sound": []}),
    "vp8": ("a.webm", {"codec": "libvpx", **OPUS}),
    "vp9": ("a.webm", {"codec": "libvpx-vp9", **OPUS}),
    "vp9 with alpha": ("a.webm", {"codec": "libvpx-vp9", "pix_fmt": "yuva420p", **OPUS}),
    "hevc": ("a.mp4", {"codec": "libx265"}),
    "mpeg-4 in avi": (
        "a.avi",
        {"codec": "mpeg4", "sound_codec": "libmp3lame", "options": {"bf": "2"}},
    ),
    "mpeg-2": ("a.mpg", {"codec": "mpeg2video", "sound_codec": "mp2", "fps": 25}),
    "motion jpeg": (
        "a.avi",
        {"codec": "mjpeg", "pix_fmt": "yuvj420p", "sound_codec": "pcm_s16le"},
    ),
    "windows media": ("a.wmv", {"codec": "wmv2", "sound": []}),
    "gif": ("a.gif", {"codec": "gif", "pix_fmt": "rgb8", "fps": 10, "sound": []}),
    "prores": ("a.mov", {"codec": "prores_ks", "pix_fmt": "yuv422p10le"}),
    "interlaced": ("a.mp4", {"options": {"x264-params": "tff=1"}, "size": (160, 128)}),
    "odd sizes": ("a.mkv", {"codec": "ffv1", "pix_fmt": "yuv444p", "size": (161, 97)}),
    "hdr": (
        "a.mp4",
        {
            "codec": "libx265",
            "pix_fmt": "yuv420p10le",
            "colors": {"color_trc": 16, "color_primaries": 9, "colorspace": 9},
        },
    ),
    "rgb": ("a.mp4", {"codec": "libx264rgb", "pix_fmt": "rgb24"}),
    **{
        pix_fmt: ("a.mp4", {"pix_fmt": pix_fmt})
        for pix_fmt in ("yuv444p10le", "yuv422p", "yuvj420p", "gray", "gray10le")
    },
    **{
        pix_fmt: ("a.mkv", {"codec": "ffv1", "pix_fmt": pix_fmt})
        for pix_fmt in ("yuva420p", "yuv410p", "bgra", "gray16le", "gbrp10le", "yuva444p16le")
    },
    **{
        f"png {pix_fmt}": ("a.mov", {"codec": "png", "pix_fmt": pix_fmt})
        for pix_fmt in ("rgb24", "gray", "rgba64be")
    },
}


@pytest.mark.parametrize("name", READABLE)
def test_gives_the_frames_that_are_due(tmp_path: Path, name: str) -> None:
    file_name, arguments = READABLE[name]
    arguments = {"seconds": 3, **arguments}
    path = write_video(tmp_path / file_name, **arguments)
    fps = arguments.get("fps", 30)
    written = round(arguments["seconds"] * fps)
    times = arguments.get("times") or [float(Fraction(i) / fps) for i in range(written)]

    assert_sampled(path, times)

    info, size = probe(path), arguments.get("size", (160, 96))
    assert (info.width, info.height) == size
    assert info.has_audio == (arguments.get("sound") != [])
    if info.has_audio or len(times) > 1:
        assert info.duration_s == pytest.approx(arguments["seconds"], abs=0.11)
    if len(times) == written:
        assert info.fps == pytest.approx(float(fps), rel=0.01)


UNUSUAL: dict[str, tuple[str, dict[str, Any]]] = {
    "turned": ("a.mp4", {"rotation": 90}),
    "8k": (
        "a.mov",
        {
            "codec": "mjpeg",
            "pix_fmt": "yuvj420p",
            "size": (7680, 4320),
            "times": [0.0, 1.0],
            "sound": [],
        },
    ),
}


@pytest.mark.parametrize("name", [*READABLE, *UNUSUAL])
def test_everything_readable_becomes_evidence(
    tmp_path: Path, real_models: Models, name: str
) -> None:
    file_name, arguments = (READABLE | UNUSUAL)[name]
    path = write_video(tmp_path / file_name, **arguments)
    evidence = build_evidence(path, probe(path), real_models)
    assert len(evidence.frame_vectors) == len(evidence.frame_times) >= 1
    assert np.isfinite(evidence.window_vectors).all()
    assert evidence.window_edges[-1] == pytest.approx(evidence.duration_s)
    prompt_set = PromptSet({"Numbers": ("a number", "digits")}, "visual", real_models)
    clips = prompt_set.clips(evidence)
    covered = sum(clip.end - clip.start for clip in clips["Numbers"] if clip.prompt == "digits")
    assert covered >= evidence.duration_s - 0.01


@pytest.mark.parametrize("step_s", [0.1, 1 / 3, 0.5, 1.0, 2.5, 60.0])
@pytest.mark.parametrize("gop", [1, 15, 250])
def test_takes_any_step(tmp_path: Path, step_s: float, gop: int) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=5.2, gop=gop, sound=[])
    times = [i / 30 for i in range(156)]
    if gop <= step_s * 30:
        keyframes = range(0, 156, gop)
        chosen = due([times[i] for i in keyframes], step_s)
        assert [n for _, n in sampled(path, step_s=step_s)] == [keyframes[i] for i in chosen]
    else:
        assert_sampled(path, times, step_s)


@given(
    gaps=st.lists(st.integers(1, 2000), min_size=1, max_size=30),
    gop=st.sampled_from([5, 12, 250]),
    reordered=st.integers(0, 4),
    step_ms=st.integers(50, 3000),
)
def test_any_times_are_sampled_by_the_rule(
    tmp_path_factory: pytest.TempPathFactory,
    gaps: list[int],
    gop: int,
    reordered: int,
    step_ms: int,
) -> None:
    times = [sum(gaps[:i]) / 1000 for i in range(len(gaps))]
    path = tmp_path_factory.mktemp("any") / "a.mkv"
    write_video(path, times=times, size=(64, 48), gop=gop, sound=[], options={"bf": str(reordered)})
    given_ = sampled(path, step_s=step_ms / 1000)
    if frames.keyframes_suffice(path, step_ms / 1000):
        assert {number % gop for _, number in given_} == {0}
        assert all(time == pytest.approx(times[number], abs=MILLISECOND) for time, number in given_)
    else:
        assert [number for _, number in given_] == due(times, step_ms / 1000)
    shutil.rmtree(path.parent)


def test_decodes_no_more_than_it_takes(tmp_path: Path) -> None:
    dense, sparse = DecodeReport(), DecodeReport()
    sampled(write_video(tmp_path / "dense.mp4", seconds=5, gop=15), report=dense)
    sampled(write_video(tmp_path / "sparse.mp4", seconds=5, gop=250), report=sparse)
    assert (dense.frames, dense.sampled) == (5, 5)
    assert sparse.sampled == 5
    assert sparse.frames < 110, "pictures that no other refers to are left out unless due"


@pytest.mark.parametrize("gop", [15, 250])
def test_frames_are_released_as_soon_as_they_are_copied(tmp_path: Path, gop: int) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=8, gop=gop, rotation=90)
    gc.collect()
    gc.disable()  # cycles of references would keep a long film's pictures until the next collection
    try:
        for _ in decode(path, step_s=0.5):
            alive = sum(isinstance(each, av.VideoFrame) for each in gc.get_objects())
            assert alive <= 4
    finally:
        gc.enable()


def test_does_not_believe_false_keyframes(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", codec="libx265", sound=[])
    # Without this list of keyframes, FFmpeg takes every picture for one.
    path.write_bytes(path.read_bytes().replace(b"stss", b"free"))
    with av.open(str(path)) as container:
        assert all(packet.is_keyframe for packet in container.demux(video=0) if packet.size)
    assert_sampled(path, [i / 30 for i in range(90)])


def test_real_videos_give_what_plain_decoding_gives(corpus: Path) -> None:
    for path in sorted((corpus / "videos").glob("*.mp4"))[::12]:
        with av.open(str(path)) as container:
            start = container.streams.video[0].start_time or 0
            times = [float((f.pts - start) * f.time_base) for f in container.decode(video=0)]
        expected = [times[number] for number in due(times, 1.0)]
        given_ = [item.time_s for item in decode(path) if isinstance(item, Frame)]
        assert given_ == pytest.approx(expected, abs=1e-6), path.name


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
@pytest.mark.parametrize("mirrored", [False, True])
def test_rotated_frames_are_upright(tmp_path: Path, rotation: int, mirrored: bool) -> None:
    path = write_video(
        tmp_path / "a.mp4", rotation=rotation, mirrored=mirrored, size=(160, 96), seconds=2
    )
    assert_sampled(path, [i / 30 for i in range(60)])
    info = probe(path)
    assert (info.width, info.height) == (160, 96)


@pytest.mark.parametrize(
    ("aspect", "rotation", "shown"),
    [
        (Fraction(16, 11), None, (233, 96)),
        (Fraction(8, 9), None, (160, 108)),
        (Fraction(16, 11), 90, (160, 140)),
        (Fraction(1, 300), None, (160, 96)),
    ],
    ids=["wide pixels", "tall pixels", "wide and turned", "nonsense"],
)
def test_shows_square_pixels(
    tmp_path: Path, aspect: Fraction, rotation: int | None, shown: tuple[int, int]
) -> None:
    path = write_video(tmp_path / "a.mp4", aspect=aspect, rotation=rotation, seconds=1, sound=[])
    info = probe(path)
    assert (info.width, info.height) == shown
    frame = next(item for item in decode(path) if isinstance(item, Frame))
    assert frame.image.shape == (shown[1], shown[0], 3)
    assert number_of(frame.image) == 0


@pytest.mark.parametrize(
    ("size", "max_side", "shape"),
    [
        ((640, 360), 320, (180, 320, 3)),
        ((360, 640), 320, (320, 180, 3)),
        ((160, 96), 320, (96, 160, 3)),
        ((640, 16), 100, (2, 100, 3)),
    ],
    ids=["wide", "tall", "small enough", "a strip"],
)
def test_frames_have_the_requested_size(
    tmp_path: Path, size: tuple[int, int], max_side: int, shape: tuple[int, int, int]
) -> None:
    path = write_video(tmp_path / "a.mp4", size=size, seconds=0.2, sound=[])
    (frame,) = [i for i in decode(path, max_side=max_side) if isinstance(i, Frame)]
    assert frame.image.shape == shape
    assert frame.image.dtype == np.uint8
    assert frame.image.flags.c_contiguous


@pytest.mark.parametrize(
    ("arguments"),
    [
        {},
        {"pix_fmt": "yuvj420p", "colors": {"color_range": 2}},
        {"pix_fmt": "yuv444p10le"},
        {"matrix": 1, "colors": {"colorspace": 1}},
        {"matrix": 1, "size": (1280, 720)},
    ],
    ids=["untold", "full range", "ten bits", "bt.709", "high definition untold"],
)
def test_keeps_colours(tmp_path: Path, arguments: dict[str, Any]) -> None:
    for fill in [(230, 20, 30), (20, 200, 40), (30, 40, 220), (250, 250, 250)]:
        path = write_video(tmp_path / "a.mp4", times=[0.0], fill=fill, **arguments)
        frame = next(item for item in decode(path) if isinstance(item, Frame))
        assert frame.image[40, 40].astype(int) == pytest.approx(fill, abs=6)


@pytest.mark.slow
def test_reads_8k(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "a.mov",
        size=(7680, 4320),
        times=[0.0, 0.5],
        codec="mjpeg",
        pix_fmt="yuvj420p",
        sound=[],
    )
    assert sampled(path, step_s=0.5) == [(0.0, 0), (0.5, 1)]
    assert (probe(path).width, probe(path).height) == (7680, 4320)


@pytest.mark.parametrize("limit", ["MAX_SIDE", "MAX_PIXELS"])
def test_frames_of_absurd_size_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=0.2)
    monkeypatch.setattr(streams, limit, 150)
    with pytest.raises(MediaError, match="has frames of 160 x 96 pixels: at most ") as caught:
        probe(path)
    assert caught.value.code == "video_resolution_too_high"


# What the file is told to sound like, and when beeps are heard.
SOUNDS: dict[str, tuple[str, dict[str, Any], list[float]]] = {
    "plain": ("a.mp4", {}, [0, 0.5, 1, 1.5, 2, 2.5]),
    "mono": ("a.mp4", {"layout": "mono", "sound_rate": 22_050}, [0, 0.5, 1, 1.5, 2, 2.5]),
    "surround": ("a.mp4", {"layout": "5.1", "sound_rate": 48_000}, [0, 0.5, 1, 1.5, 2, 2.5]),
    "as asked for": (
        "a.mkv",
        {"layout": "mono", "sound_rate": 16_000, "sound_codec": "pcm_f32le"},
        [0, 0.5, 1, 1.5, 2, 2.5],
    ),
    "opus": ("a.webm", {"codec": "libvpx", **OPUS}, [0, 0.5, 1, 1.5, 2, 2.5]),
    "late": ("a.mp4", {"sound": [(1.25, 3)]}, [1.5, 2, 2.5]),
    "late in matroska": ("a.mkv", {"sound": [(1.25, 3)]}, [1.5, 2, 2.5]),
    "ends early": ("a.mp4", {"sound": [(0, 1.2)]}, [0, 0.5, 1]),
    "a gap": ("a.mp4", {"sound": [(0, 1.2), (2.3, 3)]}, [0, 0.5, 1, 2.5]),
    "a gap in matroska": ("a.mkv", {"sound": [(0, 1.2), (2.3, 3)]}, [0, 0.5, 1, 2.5]),
    "pictures late": ("a.mkv", {"times": [1.5, 2.0, 2.5]}, [0, 0.5, 1, 1.5, 2, 2.5]),
    "longer than the pictures": ("a.mp4", {"times": [0.0]}, [0, 0.5, 1, 1.5, 2, 2.5]),
}


@pytest.mark.parametrize("name", SOUNDS)
def test_all_audio_is_at_its_time(tmp_path: Path, name: str) -> None:
    file_name, arguments, expected = SOUNDS[name]
    path = write_video(tmp_path / file_name, seconds=3, **arguments)
    assert heard(path) == expected
    for block in blocks(path):
        assert block.samples.dtype == np.float32
        assert block.samples.ndim == 1


def test_frames_and_audio_stay_in_sync(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", seconds=3)  # starts 1.4 s late on its own clock
    shown = {number: time for time, number in sampled(path, step_s=0.1)}
    block, *_ = blocks(path)
    for beep in beeps(block.samples, block.start_s)[1:]:
        number = min(shown, key=lambda n: abs(shown[n] - beep))
        assert shown[number] - number / 30 == pytest.approx(beep - round(beep * 2) / 2, abs=0.02)


def test_long_audio_comes_in_consecutive_blocks(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=40, fps=1, layout="mono", sound_rate=16_000)
    given_ = blocks(path)
    assert len(given_) == 3
    assert all(len(block.samples) < (BLOCK_S + 1) * SAMPLE_RATE for block in given_)
    for block, after in pairwise(given_):
        assert block.start_s + len(block.samples) / SAMPLE_RATE == pytest.approx(after.start_s)
    assert heard(path) == [i / 2 for i in range(80)]


def test_hours_of_nothing_are_not_filled_with_silence(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", sound=[(0, 1), (36_000, 36_001)])
    first, second = blocks(path)
    assert (first.start_s, second.start_s) == (0.0, pytest.approx(36_000, abs=0.05))
    assert len(first.samples) + len(second.samples) < 3 * SAMPLE_RATE


def test_audio_can_be_left_out(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    items = list(decode(path, audio=False))
    assert len(items) == 3
    assert all(isinstance(item, Frame) for item in items)


def test_comes_in_file_order(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=40, fps=5, layout="mono", sound_rate=16_000)
    kinds = [type(item).__name__ for item in decode(path)]
    first, last = kinds.index("AudioBlock"), len(kinds) - 1 - kinds[::-1].index("Frame")
    assert 14 <= first <= 18, "the first block of 15 s comes among the pictures of its time"
    assert first < last


# --- Files that are damaged, but of use -----------------------------------------------------


@pytest.mark.parametrize("file_name", ["a.mp4", "a.mkv", "a.ts"])
def test_survives_damage_in_the_middle(tmp_path: Path, file_name: str) -> None:
    path = damage(write_video(tmp_path / file_name, seconds=10, gop=60), 0.4, 0.5)
    report = DecodeReport()
    given_ = sampled(path, report=report)
    assert report.end_s == pytest.approx(10, abs=0.1)
    good = [(round(time), number) for time, number in given_ if not 3.5 < time < 6]
    assert good == [(second, 30 * second) for second in (0, 1, 2, 3, 6, 7, 8, 9)]
    assert [time for time, _ in given_] == sorted(time for time, _ in given_)
    if file_name == "a.mp4":  # the others leave damaged packets out before anyone sees them
        assert 10 < report.broken_frames < 60
        assert report.broken_audio > 10
    assert probe(path).duration_s == pytest.approx(10, abs=0.1)
    late = [beep for beep in heard(path) if beep > 6]
    assert late == [6.5, 7, 7.5, 8, 8.5, 9, 9.5]


def test_a_damaged_frame_is_replaced_by_the_next_good_one(tmp_path: Path) -> None:
    path = damage_picture(write_video(tmp_path / "a.mp4", gop=1, sound=[]), 30)
    report = DecodeReport()
    assert [number for _, number in sampled(path, report=report)] == [0, 31, 60]
    assert report.broken_frames == 1


def test_a_damaged_frame_is_better_than_none(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", gop=1, fps=1, seconds=4, sound=[])
    damage_picture(path, 2)
    assert [time for time, _ in sampled(path, step_s=0.25)] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("broken", "lengths_s", "words"),
    [
        ((0, 0), (10.0, 10.5), ""),
        ((0, 0), (10.0, 0.0), ""),
        ((3, 0), (10.0, 10.0), "damaged frames: 3"),
        ((1, 2), (10.0, 10.0), "damaged frames: 1; damaged audio packets: 2"),
        ((0, 0), (4.0, 10.0), "ends after 4.0 of the 10.0 s that its header promises"),
    ],
)
def test_damage_is_said_in_words(
    broken: tuple[int, int], lengths_s: tuple[float, float], words: str
) -> None:
    report = DecodeReport(broken_frames=broken[0], broken_audio=broken[1])
    info = MediaInfo(lengths_s[0], 25.0, 160, 90, has_audio=True, header_s=lengths_s[1])
    assert report.damage(info) == words


class Unreadable:
    """Stands in for a container: read errors on the way, and PyAV's own at the end."""

    def __init__(self, *results: Exception | list[SimpleNamespace]) -> None:
        self._results = list(results)

    def demux(self, streams: object) -> Iterator[SimpleNamespace]:
        result = self._results.pop(0)
        if isinstance(result, Exception):
            raise result
        yield from result
        raise IndexError("list index out of range")


def test_reads_on_past_places_that_cannot_be_read() -> None:
    some = SimpleNamespace(size=1, has_sidedata=lambda kind: False)
    error = av.error.InvalidDataError(1, "invalid")
    media = SimpleNamespace(container=Unreadable(error, error, [some, some]), streams=[])
    assert list(streams.packets(media)) == [some, some]
    media.container = Unreadable(*[error] * 1000)
    assert list(streams.packets(media)) == []


def test_a_file_that_is_mostly_broken_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = damage(write_video(tmp_path / "a.mp4", seconds=8, sound=[]), 0.1, 0.8)
    monkeypatch.setattr(frames, "MAX_BROKEN", 20)
    with pytest.raises(MediaError, match=r"is damaged: 2[1-9] frames are broken"):
        sampled(path)


@pytest.mark.parametrize(
    ("file_name", "options"),
    [
        ("a.mp4", {"movflags": "faststart"}),
        ("a.mp4", {"movflags": "frag_keyframe+empty_moov"}),
        ("a.mkv", {}),
        ("a.ts", {}),
        ("a.flv", {}),
    ],
    ids=["mp4", "fragments", "matroska", "transport stream", "flash"],
)
def test_a_file_that_ends_early_is_as_long_as_what_is_there(
    tmp_path: Path, file_name: str, options: dict[str, str]
) -> None:
    path = cut(
        write_video(tmp_path / file_name, seconds=16, gop=30, container_options=options), 0.6
    )
    info, report = probe(path), DecodeReport()
    given_ = sampled(path, report=report)
    assert 8 < info.duration_s < 12
    assert report.end_s == pytest.approx(info.duration_s, abs=0.2)
    assert [number for _, number in given_][:8] == [30 * second for second in range(8)]
    assert info.duration_s - 1.2 < given_[-1][0] < info.duration_s


def test_a_clock_that_starts_again_goes_on(tmp_path: Path) -> None:
    first = write_video(tmp_path / "1.ts", seconds=4)
    second = write_video(
        tmp_path / "2.ts",
        seconds=4,
        size=(96, 160),
        first_number=120,
        layout="mono",
        sound_rate=22_050,
    )
    path = tmp_path / "joined.ts"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    given_ = sampled(path)
    assert [round(time) for time, _ in given_] == list(range(8))
    assert all(number == pytest.approx(30 * time, abs=3) for time, number in given_)
    assert probe(path).duration_s == pytest.approx(8, abs=0.2)
    assert heard(path) == pytest.approx([i / 2 for i in range(16)], abs=0.11)


def test_one_wild_time_does_not_cost_the_rest(tmp_path: Path) -> None:
    path, wild = write_video(tmp_path / "a.ts", seconds=5, sound=[]), tmp_path / "wild.ts"
    with av.open(str(path)) as source, av.open(str(wild), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for number, packet in enumerate(source.demux(video=0)):
            if packet.size:
                packet.stream = stream
                packet.pts += 90_000 * 10_000 if number == 40 else 0
                target.mux(packet)
    assert [round(time) for time, _ in sampled(wild)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("file_name", ["a.mp4", "a.mkv", "a.ts", "a.flv"])
def test_random_damage_gives_frames_or_an_error(tmp_path: Path, file_name: str) -> None:
    path, dice = write_video(tmp_path / file_name, seconds=1), random.Random(file_name)
    whole, outcomes = path.read_bytes(), set()
    for _ in range(40):
        data = bytearray(whole)
        for at in [dice.randrange(len(data)), *dice.choices(range(1500), k=5)]:
            data[at] = dice.randrange(256)
        del data[dice.randrange(1, 4 * len(data)) :]
        path.write_bytes(data)
        try:
            info = probe(path)
            times = [time for time, _ in sampled(path)]
        except MediaError as error:
            outcomes.add(error.message)
        else:
            outcomes.add("pictures")
            assert info.duration_s > 0
            assert times == sorted(set(times))
            assert times[0] >= 0
    assert len(outcomes) > 1


def test_reads_what_the_names_of_files_may_be(tmp_path: Path) -> None:
    folder = tmp_path / 'it\'s a: "folder"'
    folder.mkdir()
    plain = write_video(tmp_path / "a.mp4", seconds=0.2)
    names = [
        "-i.mp4",
        "http:x.mp4",
        "concat:a|b.mp4",
        "%03d.mp4",
        "Фильм ü 映画.MP4",
        "a b'c\".mp4",
    ]
    for name in names:
        shutil.copy(plain, folder / name)
        assert probe(folder / name).width == 160


def test_a_relative_name_that_looks_like_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(write_video(tmp_path / "a.mp4", seconds=0.2), "concat:a.mp4|a.mp4")
    assert sampled(Path("concat:a.mp4|a.mp4")) == [(0.0, 0)]


# --- Files that are refused -----------------------------------------------------------------


def text(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content)


def still(kind: str) -> Callable[[Path], object]:
    return lambda path: Image.new("RGB", (64, 64)).save(path, kind)


PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nsecret.mp4\n#EXT-X-ENDLIST\n"
SDP = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n"
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><image href="secret.mp4"/></svg>'

REFUSED: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "nothing": ("a.mp4", lambda path: path.write_bytes(b""), "is empty"),
    "text": ("a.mp4", text("Dear diary,\n" * 100), "cannot be read as a video"),
    "noise": ("a.mp4", lambda p: p.write_bytes(os.urandom(50_000)), "cannot be read as a video"),
    "cut off": ("a.mp4", lambda path: cut(write_video(path), 0.6), "its moov atom is missing"),
    "cut in the moov": (
        "a.mp4",
        lambda path: cut(write_video(path), 0.99),
        "its moov atom is missing",
    ),
    "only noise": (
        "a.mp4",
        lambda path: damage_all(write_video(path, sound=[])),
        "has no frame that can be decoded",
    ),
    "sound": ("a.mp4", lambda path: write_video(path, times=[]), "no video stream"),
    "song": ("a.mp3", lambda path: write_song(path, cover=False), "no video stream"),
    "cover": ("a.mp3", write_song, "no video stream"),
    "cover in mp4": ("a.m4a", write_song, "no video stream"),
    "folder": ("a.mp4", lambda path: path.mkdir(), "cannot be read: Is a directory"),
    "missing": ("a.mp4", lambda path: None, "cannot be read: No such file"),
    "jpeg": ("a.mp4", still("JPEG"), "an image or something else"),
    "png": ("a.mp4", still("PNG"), "an image or something else"),
    "playlist": ("a.m3u8", text(PLAYLIST), "not a video, but a playlist"),
    "playlist in disguise": ("a.mp4", text(PLAYLIST), ""),
    "concat": ("a.mp4", text("ffconcat version 1.0\nfile 'secret.mp4'\n"), "but a playlist"),
    "sdp": ("a.sdp", text(SDP), "but a playlist"),
    "svg": ("a.svg", text(SVG), ""),
    "subtitles": ("a.srt", text("1\n00:00:00,000 --> 00:00:02,000\nHello\n"), ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_what_is_no_video_and_says_why(tmp_path: Path, name: str) -> None:
    file_name, make, reason = REFUSED[name]
    write_video(tmp_path / "secret.mp4", seconds=1)
    path = tmp_path / file_name
    make(path)
    for read in (probe, sampled):
        with pytest.raises(MediaError) as caught:
            read(path)
        assert caught.value.code == "video_file_broken"
        assert reason in caught.value.message
        assert str(tmp_path) not in caught.value.message


def test_frames_in_an_undecodable_format_are_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", codec="mpeg4", sound=[])
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"QQ42").replace(b"fmp4", b"qq42"))
    with pytest.raises(MediaError, match="frames in a format that cannot be decoded here"):
        probe(path)


def test_opens_only_formats_that_ffmpeg_has(tmp_path: Path) -> None:
    for name in files.FORMATS.split(","):
        assert name in {part for known in av.formats_available for part in known.split(",")}


@pytest.mark.parametrize("arguments", [{"step_s": 0}, {"step_s": -1}, {"max_side": 0}])
def test_refuses_arguments_out_of_range(tmp_path: Path, arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        next(iter(decode(tmp_path / "a.mp4", **arguments)))


# --- Manners --------------------------------------------------------------------------------


@pytest.fixture
def open_files() -> Callable[[Path], int]:
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("open files cannot be counted on this system")
    return lambda path: sum(os.path.realpath(link) == str(path) for link in folder.iterdir())


def test_closes_the_file_however_it_ends(tmp_path: Path, open_files: Callable[[Path], int]) -> None:
    path = write_video(tmp_path / "a.mp4")
    items = decode(path)
    next(items)
    assert open_files(path) == 1
    items.close()  # type: ignore[attr-defined]
    assert open_files(path) == 0
    damaged = damage_all(write_video(tmp_path / "b.mp4", sound=[]))
    with pytest.raises(MediaError):
        probe(damaged)
    assert open_files(damaged) == 0


def test_is_silent(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = damage(write_video(tmp_path / "a.mp4", seconds=4), 0.4, 0.6)
    capfd.readouterr()
    probe(path)
    sampled(path)
    assert capfd.readouterr() == ("", "")


def test_several_files_at_the_same_time(tmp_path: Path) -> None:
    paths = [
        write_video(tmp_path / f"{gop}.mp4", gop=gop, first_number=gop) for gop in (10, 30, 90, 250)
    ]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda path: sampled(path, threads=1), paths))
    assert together == [sampled(path) for path in paths]


def test_makes_thumbnails() -> None:
    image = np.zeros((96, 160, 3), np.uint8)
    image[:, 80:] = (255, 0, 0)
    thumbnail = Image.open(io.BytesIO(jpeg(image, 40)))
    assert (thumbnail.format, thumbnail.size) == ("JPEG", (40, 24))
    assert thumbnail.getpixel((35, 12)) == pytest.approx((255, 0, 0), abs=12)
    assert Image.open(io.BytesIO(jpeg(image, 1000))).size == (160, 96)


def test_fingerprints_tell_files_of_one_size_apart(tmp_path: Path) -> None:
    path, prints = tmp_path / "a", set()
    for size in (0, 1, 100_000, 3_000_000):
        content = bytearray(size)
        path.write_bytes(content)
        prints.add(fingerprint(path))
        for place in (0, size - 1) if size else ():
            content[place] ^= 1
            path.write_bytes(content)
            prints.add(fingerprint(path))
            content[place] ^= 1
    assert len(prints) == 1 + 2 + 3 + 3  # where there is one byte, it is both ends
    path.write_bytes(bytes(3_000_000))
    assert fingerprint(path) in prints
