"""Videos before they are uploaded: which are refused, and for which reason."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from engine import media
from engine.media import MediaInfo
from platforms.limits import ENGINE, HOSTED, Limits
from steps.folder import STILL_CHANGING, VideoFile, find_videos
from steps.preflight import check, check_all
from store.records import LeftOut
from tests.support.media import cut, write_video


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_video(tmp_path_factory.mktemp("clip") / "clip.mp4", seconds=1).read_bytes()


def put(folder: Path, name: str, content: bytes = b"x") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def found(path: Path) -> VideoFile:
    stat = path.stat()
    return VideoFile(path.name, path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def reason(result: MediaInfo | LeftOut) -> str:
    assert isinstance(result, LeftOut), result
    return result.reason


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unreadable to the superuser")
def test_refuses_what_it_may_not_read(tmp_path: Path, clip: bytes) -> None:
    closed = put(tmp_path, "closed.mp4", clip)
    put(tmp_path, "folder/clip.mp4")
    closed.chmod(0)
    (tmp_path / "folder").chmod(0)
    try:
        videos, refused = find_videos(tmp_path)
        assert reason(check(videos[0], ENGINE, media.probe)) == "cannot be read: Permission denied"
        assert [str(entry) for entry in refused] == [
            "folder: is a folder that cannot be read: Permission denied"
        ]
    finally:
        (tmp_path / "folder").chmod(0o700)


@pytest.mark.parametrize("name", ["clip.mp4", "clip.MKV", "clip.avi", "clip.ts", "clip.webm"])
def test_accepts_the_containers_that_ffmpeg_reads(tmp_path: Path, name: str) -> None:
    codec, sound = ("libvpx", "libopus") if name.endswith("webm") else ("libx264", "aac")
    path = write_video(tmp_path / name, codec=codec, sound_codec=sound, sound_rate=48_000)
    info = check(found(path), ENGINE, media.probe)
    assert isinstance(info, MediaInfo)
    assert (info.width, info.height, info.has_audio) == (160, 96, True)


def test_says_what_is_wrong_with_a_file(tmp_path: Path, clip: bytes) -> None:
    reasons = {
        name: reason(check(found(path), ENGINE, media.probe))
        for name, path in {
            "empty": put(tmp_path, "empty.mp4", b""),
            "text": put(tmp_path, "text.mp4", b"Dear diary,\n" * 500),
            "noise": put(tmp_path, "noise.mp4", os.urandom(5000)),
            "cut": cut(put(tmp_path, "cut.mp4", clip), 0.5),
            "sound": write_video(tmp_path / "sound.mp4", times=[]),
        }.items()
    }
    assert reasons["empty"] == "is empty (0 bytes): copy it again"
    assert reasons["text"].startswith("cannot be read as a video")
    assert reasons["noise"].startswith("cannot be read as a video")
    assert reasons["cut"].startswith("is incomplete, its moov atom is missing")
    assert reasons["sound"] == "is not a video: it has no video stream"


def test_a_file_that_cannot_be_opened_says_why(
    tmp_path: Path, clip: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = found(put(tmp_path, "clip.mp4", clip))

    def closed(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", closed)
    assert reason(check(video, ENGINE, media.probe)) == "cannot be read: Permission denied"


@pytest.mark.parametrize("rest", [b"", b"more"], ids=["truncated", "growing"])
def test_a_file_that_changes_is_left_for_the_next_run(
    tmp_path: Path, clip: bytes, rest: bytes
) -> None:
    path = put(tmp_path, "clip.mp4", clip)
    video = found(path)
    path.write_bytes(clip + rest if rest else clip[:100])
    assert reason(check(video, ENGINE, media.probe)) == STILL_CHANGING


def test_a_file_that_is_gone_is_refused(tmp_path: Path, clip: bytes) -> None:
    path = put(tmp_path, "clip.mp4", clip)
    video = found(path)
    path.unlink()
    assert reason(check(video, ENGINE, media.probe)) == "cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("size", "seconds", "sides", "words"),
    [
        (1, 4.0, (640, 360), ""),
        (1, 7200.0, (360, 640), ""),
        (2 * 1024**3, 60.0, (3840, 2160), ""),
        (1, 0.0, (640, 480), ""),
        (
            2 * 1024**3 + 1,
            60.0,
            (640, 480),
            "is 2.00 GB large; the platform accepts up to 2 GB: shorten",
        ),
        (1, 3.9, (640, 480), "is 3.9 s long; the platform accepts 4 s to 7200 s: remove it"),
        (1, 7201.0, (640, 480), "is 7201.0 s long; the platform accepts 4 s to 7200 s: shorten it"),
        (1, 60.0, (480, 352), "is 480x352; the platform accepts 480x360 and larger: remove it"),
        (1, 60.0, (360, 470), "is 360x470; the platform accepts 480x360 and larger: remove it"),
        (
            1,
            60.0,
            (7680, 4320),
            "is 7680x4320; the platform accepts up to 4096x2160: scale it down",
        ),
    ],
)
def test_holds_files_to_the_limits_of_a_hosted_platform(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: int,
    seconds: float,
    sides: tuple[int, int],
    words: str,
) -> None:
    path = put(tmp_path, "clip.mp4")
    os.truncate(path, size)  # sparse: no byte of it is written
    monkeypatch.setattr(media, "probe", lambda _: MediaInfo(seconds, 25.0, *sides, True))
    answer = check(found(path), HOSTED, media.probe)
    assert reason(answer).startswith(words) if words else isinstance(answer, MediaInfo)


def test_the_engine_accepts_any_length(tmp_path: Path) -> None:
    short = found(write_video(tmp_path / "one picture.mp4", times=[0.0], size=(640, 480)))
    assert isinstance(check(short, ENGINE, media.probe), MediaInfo)
    assert "s long" in reason(check(short, HOSTED, media.probe))
    assert ENGINE.max_duration_s == math.inf


def test_results_come_in_the_order_of_the_files(tmp_path: Path, clip: bytes) -> None:
    videos = [found(put(tmp_path, f"{n}.mp4", clip if n % 3 else b"")) for n in range(12)]
    results = list(check_all(videos, Limits(), workers=4))
    assert [isinstance(result, LeftOut) for result in results] == [n % 3 == 0 for n in range(12)]


def test_corpus_passes(corpus: Path) -> None:
    videos, refused = find_videos(corpus / "videos")
    assert (len(videos) > 0, refused) == (True, [])
    results = check_all(videos[:10], ENGINE, workers=2)
    assert not [result for result in results if isinstance(result, LeftOut)]
