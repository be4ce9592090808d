"""Videos are decoded in separate processes: what ends one of them ends nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine import media
from engine.media import AudioBlock, DecodeReport, Frame, MediaError, decoder
from engine.media.decoder import DecoderClosed, DecoderCrashed, Decoders
from tests.support.media import cut, damage, write_video

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="there are no such limits here"),
]


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    with Decoders() as found:
        yield found


def processes(decoders: Decoders) -> list[subprocess.Popen[bytes]]:
    return [each._process for each in decoders._all if each._process is not None]


def read(decoders: Decoders, path: Path) -> tuple[list[Frame | AudioBlock], DecodeReport]:
    report = DecodeReport()
    info = decoders.probe(path)
    return list(decoders.decode(path, info.duration_s, report=report, step_s=0.5)), report


@pytest.mark.parametrize("file_name", ["a.mp4", "zwölf o'clock\n.mkv", os.fsdecode(b"\xff.mp4")])
def test_gives_what_is_given_without_it(tmp_path: Path, decoders: Decoders, file_name: str) -> None:
    path = tmp_path / file_name
    damage(write_video(tmp_path / f"a{path.suffix}", seconds=4), 0.5, 0.52).rename(path)
    assert decoders.probe(path) == media.probe(path)
    expected = DecodeReport()
    items, report = read(decoders, path)
    for item, other in zip(items, media.decode(path, report=expected, step_s=0.5), strict=True):
        if isinstance(other, Frame):
            assert isinstance(item, Frame)
            assert item.time_s == other.time_s
            assert np.array_equal(item.image, other.image)
        else:
            assert isinstance(item, AudioBlock)
            assert item.start_s == other.start_s
            assert np.array_equal(item.samples, other.samples)
    assert report == expected


def test_says_why_a_file_cannot_be_read_and_goes_on(tmp_path: Path, decoders: Decoders) -> None:
    good = write_video(tmp_path / "good.mp4")
    bad = cut(write_video(tmp_path / "bad.mp4"), 0.5)
    for _ in range(2):
        with pytest.raises(MediaError, match="its moov atom is missing") as caught:
            decoders.probe(bad)
        assert caught.value.code == "video_file_broken"
        assert decoders.probe(good).duration_s == 3.0
    assert len(processes(decoders)) == 1


@pytest.mark.parametrize("ended_by", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_a_crash_is_an_error_and_the_next_video_is_read(
    tmp_path: Path, decoders: Decoders, ended_by: signal.Signals
) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=20, size=(640, 360))
    items = decoders.decode(path, 20.0, report=DecodeReport())
    next(items)
    processes(decoders)[0].send_signal(ended_by)
    with pytest.raises(DecoderCrashed, match=rf"makes the decoder crash \({ended_by.name}\)"):
        list(items)
    assert len(read(decoders, path)[0]) > 20


def test_a_process_that_died_between_two_videos_is_started_again(
    tmp_path: Path, decoders: Decoders
) -> None:
    path = write_video(tmp_path / "a.mp4")
    decoders.probe(path)
    processes(decoders)[0].kill()
    processes(decoders)[0].wait()
    assert decoders.probe(path).duration_s == 3.0


def test_memory_is_bounded(
    tmp_path: Path, decoders: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=0.2, size=(3840, 2160), sound=[])
    assert decoders.probe(path).width == 3840
    with open(f"/proc/{processes(decoders)[0].pid}/status") as file:
        kilobytes = next(int(line.split()[1]) for line in file if line.startswith("VmPeak"))
    assert kilobytes * 1024 < decoder.MAX_MEMORY
    monkeypatch.setattr(decoder, "MAX_MEMORY", kilobytes * 1024 // 2)
    with Decoders() as bounded, pytest.raises(MediaError):
        read(bounded, path)
    with Decoders() as bounded, pytest.raises(MediaError, match=r"more memory|the decoder"):
        bounded.probe(path)


def test_processor_time_is_bounded() -> None:
    code = "from engine.media.child import _limit_processor_time as limit; limit(0)\nwhile 1: pass"
    done = subprocess.run([sys.executable, "-c", code], cwd=decoder.ROOT, check=False)
    assert done.returncode == -signal.SIGXCPU


def test_the_bound_of_processor_time_is_that_of_one_video(
    tmp_path: Path, decoders: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.mp4")
    monkeypatch.setattr(decoder, "PROBE_CPU_S", 1.0)
    used_s = 0.0
    while used_s < 1.5:
        decoders.probe(path)
        with open(f"/proc/{processes(decoders)[0].pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        used_s = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    assert len(decoders._all) == 1


def test_one_that_hangs_is_ended(
    tmp_path: Path, decoders: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder, "WATCH_EVERY_S", 0.05)
    path = write_video(tmp_path / "a.mp4", seconds=20, size=(640, 360))
    decoders.probe(path)
    monkeypatch.setattr(decoder, "SILENT_S", 3.0)
    items = decoders.decode(path, 20.0, report=DecodeReport())
    next(items)
    processes(decoders)[0].send_signal(signal.SIGSTOP)
    with pytest.raises(DecoderCrashed, match="takes too long to decode"):
        list(items)


def test_a_slow_reader_is_not_taken_for_one_that_hangs(
    tmp_path: Path, decoders: Decoders, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=3)
    decoders.probe(path)
    monkeypatch.setattr(decoder, "SILENT_S", 2.0)
    monkeypatch.setattr(decoder, "WATCH_EVERY_S", 0.02)
    items = decoders.decode(path, 3.0, report=DecodeReport())
    assert isinstance(next(items), Frame)
    time.sleep(2.2)  # what is done with a picture may take its time
    assert list(items)


def test_closing_ends_what_is_in_work(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", seconds=20, size=(640, 360))
    decoders = Decoders()
    items = decoders.decode(path, 20.0, report=DecodeReport())
    next(items)
    started = processes(decoders)
    threading.Timer(0.1, decoders.close).start()
    with pytest.raises(DecoderClosed):
        [time.sleep(0.05) for _ in items]
    assert all(process.wait(5) for process in started)
    with pytest.raises(DecoderClosed):
        decoders.probe(path)


def test_a_video_that_is_left_in_the_middle_leaves_nothing_behind(
    tmp_path: Path, decoders: Decoders
) -> None:
    long = write_video(tmp_path / "long.mp4", seconds=20, size=(640, 360))
    short = write_video(tmp_path / "short.mp4")
    for _ in range(2):
        items = decoders.decode(long, 20.0, report=DecodeReport())
        next(items)
        items.close()
    assert decoders.probe(short).duration_s == 3.0
    assert len(processes(decoders)) == 1


def test_threads_share_them(tmp_path: Path, decoders: Decoders) -> None:
    path = write_video(tmp_path / "a.mp4")
    found: list[float] = []

    def probe() -> None:
        for _ in range(3):
            found.append(decoders.probe(path).duration_s)

    threads = [threading.Thread(target=probe) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [3.0] * 9
    assert len(decoders._all) <= 3


def test_it_ends_with_the_one_who_started_it(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4")
    code = (
        "import os, sys; from pathlib import Path; from engine.media.decoder import Decoders\n"
        "decoders = Decoders(); decoders.probe(Path(sys.argv[1]))\n"
        "print(decoders._all[0]._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, cwd=decoder.ROOT, stdout=subprocess.PIPE, text=True, check=False)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{int(done.stdout)}/cmdline").exists() and time.monotonic() < deadline:
        if b"engine.media.child" not in Path(f"/proc/{int(done.stdout)}/cmdline").read_bytes():
            break
        time.sleep(0.05)
    assert time.monotonic() < deadline
