"""What `make results` shows a newcomer is true: real models on the sample videos."""

from __future__ import annotations

import json

import pytest

import pipeline
from steps import samples
from steps.sample_videos import SAMPLES
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

# Per sample: the class that applies, by which kinds of evidence, and the share of the video that
# it covers, from and to. None where no class applies.
TRUTH = {
    "cat.mp4": ("Pets", {"visual"}, 0.9, 1.0),
    "coffee break.mp4": ("Coffee & Food", {"visual"}, 0.9, 1.0),
    "garage.mp4": ("Motoring", {"visual"}, 0.9, 1.0),
    "launch day.mp4": ("Space", {"visual", "text_in_video"}, 0.6, 1.0),
    "my weekend.mp4": ("Pets", {"visual"}, 0.5, 0.7),
    "story time.mp4": ("Literature", {"conversation"}, 0.6, 1.0),
    "shop window.mp4": ("Sales & Offers", {"text_in_video"}, 0.9, 1.0),
    "deep sky.mp4": ("Space", {"text_in_video"}, 0.6, 0.7),
    "garden path.mp4": None,
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict]]:
    """The classes of each sample, by its name, from a whole run with default settings."""
    folder = tmp_path_factory.mktemp("demo")
    videos, results = folder / "classify", folder / "results"
    videos.mkdir()
    assert samples.main(["--videos", str(videos)]) == 0
    options = ["--classes", ROOT / "classes.json", "--results", results, "--videos", videos]
    options += ["--engine-data-dir", folder / "engine"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)  # a developer's .env has no say
        patch.setenv("VISUAL_MODEL", "imagenet")
        assert pipeline.main([str(option) for option in options]) == 0
    names = json.loads((results / "video_id_name_list.json").read_text(encoding="utf-8"))
    clips = json.loads((results / "clips_data.json").read_text(encoding="utf-8"))
    classes = {entry["video_id"]: entry["classes"] for entry in clips["data"]}
    return {entry["video_name"]: classes.get(entry["video_id"], []) for entry in names}


def test_every_sample_is_there(found: dict[str, list[dict]]) -> None:
    assert found.keys() == TRUTH.keys() == {sample.name for sample in SAMPLES}


@pytest.mark.parametrize("name", [name for name, truth in TRUTH.items() if truth])
def test_sample_has_its_class_and_the_right_proof(found: dict[str, list[dict]], name: str) -> None:
    wanted, evidence, least, most = TRUTH[name]
    (only,) = found[name]
    assert only["name"] == wanted
    assert least <= only["duration_ratio"] <= most
    assert {clip["option"] for clip in only["clips"]} == evidence


def test_a_video_without_a_class_gets_none(found: dict[str, list[dict]]) -> None:
    assert [name for name, truth in TRUTH.items() if truth is None] == ["garden path.mp4"]
    assert found["garden path.mp4"] == []
