"""The sample videos: what they are made of, and that no file of the user is ever touched."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from steps import sample_videos
from steps.sample_videos import SAMPLES, Sample, Shot, View, compose, compose_missing
from steps.samples import main
from tests.support.paths import ROOT

SHORT = Sample(
    "short one.mp4",
    (
        Shot("coffee.png", 1.0, View(), View(zoom=1.4)),
        Shot("chelsea.png", 1.5, caption="Do not feed the cat"),
    ),
    narration=(1.0, 2.0),
)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compose(SHORT, tmp_path_factory.mktemp("short"))


def decoded_sound(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])


def decoded_pictures(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def test_is_h264_and_aac_with_its_index_first(short: Path) -> None:
    with av.open(str(short)) as container:
        picture, sound = container.streams.video[0], container.streams.audio[0]
        assert (picture.codec_context.name, sound.codec_context.name) == ("h264", "aac")
        assert (picture.width, picture.height, picture.pix_fmt) == (640, 360, "yuv420p")
        assert container.duration == pytest.approx(2_500_000, abs=50_000)
        assert float(sound.duration * sound.time_base) == pytest.approx(2.5, abs=0.05)
    data = short.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_speech_is_followed_by_silence(short: Path) -> None:
    sound = decoded_sound(short)
    assert np.abs(sound[: sample_videos.AUDIO_RATE]).max() > 0.05
    assert np.abs(sound[int(1.1 * sample_videos.AUDIO_RATE) :]).max() < 0.005


def test_camera_moves_a_little_with_every_frame_and_the_shots_differ(short: Path) -> None:
    pictures = decoded_pictures(short).astype(np.float32)
    steps = np.abs(np.diff(pictures, axis=0)).mean(axis=(1, 2, 3))
    cut = sample_videos.FPS - 1
    assert steps.argmax() == cut
    within = np.delete(steps, cut)
    assert within.min() > 0
    assert within.max() < steps[cut] / 5


def test_the_same_sample_gives_the_same_file(short: Path, tmp_path: Path) -> None:
    assert compose(SHORT, tmp_path).read_bytes() == short.read_bytes()


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_every_sample_is_of_a_length_and_of_parts_that_exist(sample: Sample) -> None:
    assert 8 <= sample.seconds <= 30
    for shot in sample.shots:
        assert sample_videos._wheel_file("skimage", f"data/{shot.picture}").is_file()
    if sample.narration:
        assert sample.narration[1] - sample.narration[0] <= sample.seconds


def test_there_are_at_least_six_under_different_names() -> None:
    assert len({sample.name for sample in SAMPLES}) == len(SAMPLES) >= 6


def test_a_file_of_the_same_name_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / SHORT.name).write_bytes(b"mine")
    assert list(compose_missing(tmp_path, [SHORT])) == []
    assert (tmp_path / SHORT.name).read_bytes() == b"mine"


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    broken = Sample("broken.mp4", (Shot("coffee.png", 0.2), Shot("no such picture.png", 1)))
    with pytest.raises(sample_videos.SampleError, match=r"no such picture\.png.*pip install"):
        compose(broken, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_videos_gets_no_samples(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "holiday.mp4").write_bytes(b"mine")
    assert main(["--videos", str(tmp_path)]) == 0
    assert "already has videos" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.mp4"]


def test_force_adds_them_beside_the_videos_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_videos, "SAMPLES", (SHORT,))
    (tmp_path / "holiday.mp4").write_bytes(b"mine")
    assert main(["--videos", str(tmp_path), "--force"]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"holiday.mp4", SHORT.name}


def test_an_empty_folder_gets_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_videos, "SAMPLES", (SHORT,))
    (tmp_path / "notes.txt").write_text("no video")
    assert main(["--videos", str(tmp_path)]) == 0
    assert (tmp_path / SHORT.name).is_file()


def test_a_folder_that_is_not_there_is_an_error_with_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--videos", str(tmp_path / "typing slip")]) == 2
    assert "typing slip" in capsys.readouterr().err
    assert not (tmp_path / "typing slip").exists()


def test_skimage_is_not_imported_for_its_pictures() -> None:
    code = "import sys; from steps.sample_videos import _wheel_file; " + (
        "_wheel_file('skimage', 'data/coffee.png'); sys.exit('skimage' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_default_classes_are_of_the_tutorials_shape() -> None:
    classes = json.loads((ROOT / "classes.json").read_text(encoding="utf-8"))["classes"]
    assert all(set(entry) == {"name", "prompts"} for entry in classes)
    assert len({entry["name"] for entry in classes}) == len(classes)
    assert all(prompt.strip() for entry in classes for prompt in entry["prompts"])
