"""The pipeline on v1.3: whole runs on the fake, what they cost and leave out."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import app
from core.classes import PromptClass
from core.settings import Settings
from core.types import ClassifyRequest
from pipeline import main
from platforms.connect import open_platform
from platforms.errors import SpendingRefused
from steps.console import Console
from store.results import load_run
from tests.support.fake_v13 import KEY, V13Platform, running_platform
from tests.support.media import write_video

CLASSES = {
    "classes": [
        {"name": "Early", "prompts": ["early pictures", "the start"]},
        {"name": "Never", "prompts": ["a giraffe"]},
    ]
}


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[V13Platform]:
    folder = tmp_path / "platform"
    folder.mkdir()
    with running_platform(folder) as platform:
        yield platform


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in Settings.__dataclass_fields__:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("API_KEY", KEY)
    (tmp_path / "classes.json").write_text(json.dumps(CLASSES), encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(
    place: Path, platform: V13Platform, capsys: pytest.CaptureFixture[str]
) -> Callable[..., SimpleNamespace]:
    def run_main(*more: str) -> SimpleNamespace:
        capsys.readouterr()
        options = ["--videos", "videos", "--api-url", platform.url, "--poll-seconds", "0.01"]
        code = main([*options, *more])
        out, err = capsys.readouterr()
        assert KEY not in out + err
        return SimpleNamespace(code=code, out=out, err=err)

    return run_main


def clip(path: Path, seconds: float = 4.0, size: tuple[int, int] = (480, 360)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_video(path, seconds=seconds, fps=4, size=size, sound=[], container_format="mp4")


def report(place: Path) -> dict:
    return json.loads((place / "results" / "run.json").read_text(encoding="utf-8"))


def analyses(platform: V13Platform) -> int:
    return len(platform.sent("POST", "/analyze/tasks"))


def test_a_folder_becomes_results(
    place: Path, platform: V13Platform, run: Callable[..., SimpleNamespace]
) -> None:
    for name in ("a.mp4", "sub folder/Übung.mp4"):
        clip(place / "videos" / name)
    done = run()
    assert (done.code, "Traceback" in done.err) == (0, False)
    assert "minutes to index x $0.042 + " in done.err
    assert done.err.count("This will cost") == 1
    kept = load_run(place / "results")
    assert [video.name for video in kept.videos] == ["a.mp4", "sub folder/Übung.mp4"]
    for video in kept.videos:
        (found,) = video.classes
        assert (found.name, found.duration_ratio) == ("Early", 0.5)
        (proof,) = found.clips
        assert (proof.start, proof.end, proof.prompt) == (0.0, 2.0, "early pictures")
    described = report(place)["platform"]
    assert described["scores"].startswith("self-rated: pegasus1.5")
    assert described["models"]["visual"] == "pegasus1.5"
    assert analyses(platform) == 2
    page = app.create_app({"RESULTS_DIR": place / "results"}).test_client().get("/").text
    assert "self-rated: pegasus1.5" in page
    assert "Übung" in page


def test_a_second_run_with_other_thresholds_costs_nothing(
    place: Path, platform: V13Platform, run: Callable[..., SimpleNamespace]
) -> None:
    clip(place / "videos" / "a.mp4")
    assert run().code == 0
    done = run("--min-duration-ratio", "0.9")
    assert done.code == 0
    assert "This will cost" not in done.err
    assert "1 of 1 videos classified (0 uploaded, 1 already indexed" in done.out
    assert load_run(place / "results").videos[0].classes == ()
    assert (analyses(platform), len(platform.sent("POST", "/assets"))) == (1, 1)


def test_videos_of_other_folders_are_not_paid_for(
    place: Path, platform: V13Platform, run: Callable[..., SimpleNamespace]
) -> None:
    clip(place / "videos" / "a.mp4")
    assert run().code == 0
    (place / "videos" / "a.mp4").rename(place / "moved.mp4")
    clip(place / "videos" / "b.mp4")
    (place / "classes.json").write_text(json.dumps({"classes": CLASSES["classes"][:1]}))
    assert run().code == 0
    assert analyses(platform) == 2
    assert report(place)["counts"]["other_videos_in_index"] == 1


def test_a_costly_run_needs_a_yes_before_anything_is_sent(
    place: Path,
    platform: V13Platform,
    run: Callable[..., SimpleNamespace],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("V13_CONFIRM_ABOVE", "0.001")
    clip(place / "videos" / "a.mp4")
    done = run()
    assert done.code == 2
    assert "above V13_CONFIRM_ABOVE=0.001" in done.err
    assert (platform.assets, platform.analyses) == ({}, {})
    assert run("--yes").code == 0
    assert analyses(platform) == 1


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("n\n", 2), ("", 2)])
def test_a_person_is_asked(
    place: Path,
    run: Callable[..., SimpleNamespace],
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    code: int,
) -> None:
    monkeypatch.setenv("V13_CONFIRM_ABOVE", "0.001")
    asked = []
    reply = typed.strip() == "y"
    monkeypatch.setattr(Console, "confirm", lambda self, question: asked.append(question) or reply)
    clip(place / "videos" / "a.mp4")
    assert run().code == code
    assert asked == ["Continue?"]


def test_confirm_reads_the_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = SimpleNamespace(isatty=lambda: True, readline=lambda: " Yes \n")
    monkeypatch.setattr(sys, "stdin", terminal)
    console = Console()
    assert not console.confirm("Continue?"), "stderr is no terminal here"
    console.is_terminal = True
    assert console.confirm("Continue?")
    terminal.readline = lambda: ""
    assert not console.confirm("Continue?")


def test_an_analysis_that_fails_leaves_its_video_out_with_the_reason(
    place: Path, platform: V13Platform, run: Callable[..., SimpleNamespace]
) -> None:
    clip(place / "videos" / "good.mp4")
    clip(place / "videos" / "bad.mp4", 5.0)
    platform.segments = lambda definition, seconds: (
        [{"start_time": 0.0, "end_time": 1.0}] if seconds > 4.5 else []
    )
    done = run()
    assert done.code == 1
    assert "Failed bad.mp4: the analysis cannot be read" in done.out
    assert [video.name for video in load_run(place / "results").videos] == ["good.mp4"]
    (place / "videos" / "good.mp4").unlink()
    before = report(place)
    done = run()
    assert (done.code, report(place)) == (2, before)
    assert "no video could be classified" in done.err


def test_limits_are_those_of_the_version(
    place: Path, platform: V13Platform, run: Callable[..., SimpleNamespace]
) -> None:
    clip(place / "videos" / "good.mp4")
    clip(place / "videos" / "short.mp4", 2.0)
    clip(place / "videos" / "wide.mp4", size=(1000, 360))
    done = run()
    assert done.code == 1
    assert "Refused short.mp4: is 2.0 s long; the platform accepts 4 s to 7200 s" in done.out
    assert (
        "Refused wide.mp4: is 1000x360; the platform accepts aspect ratios up to 2.4:1" in done.out
    )


def test_an_expired_key_leaves_earlier_results(
    place: Path, run: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip(place / "videos" / "a.mp4")
    assert run().code == 0
    before = report(place)
    monkeypatch.setenv("API_KEY", "tlk_other")
    done = run()
    assert (done.code, report(place)) == (2, before)
    assert "have expired" in done.err


def test_search_is_a_setting_and_told(
    place: Path,
    platform: V13Platform,
    run: Callable[..., SimpleNamespace],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("V13_CLASSIFY", "search")
    clip(place / "videos" / "a.mp4")

    class Everywhere(dict):
        def __missing__(self, text: str) -> list[tuple[str, float, float]]:
            moments = [(key, 2.0 * at, 2.0 * at + 2) for key in platform.indexed for at in range(2)]
            return moments if "early" in text else moments[:0]

    platform.rankings = Everywhere()
    done = run("--options", "visual")
    assert done.code == 0
    assert "6 searches x $0.004" in done.err
    assert report(place)["platform"]["scores"].startswith("by rank")
    assert report(place)["platform"]["models"]["visual"] == "marengo3.0"
    (video,) = load_run(place / "results").videos
    assert video.classes[0].name == "Early"
    assert analyses(platform) == 0


def test_whoever_cannot_ask_spends_no_more_than_the_limit(
    place: Path, platform: V13Platform, run: Callable[..., SimpleNamespace]
) -> None:
    """As the page's prompt lab does: it opens the platform without anybody to ask."""
    clip(place / "videos" / "a.mp4")
    assert run().code == 0
    settings = Settings(api_url=platform.url, api_key=KEY, v13_confirm_above=0.0)
    with open_platform(settings) as opened:
        index = opened.client.find_index(settings.index_name)
        assert index is not None
        other = ClassifyRequest((PromptClass("Other", ("late",)),), ("visual",))
        with pytest.raises(SpendingRefused, match="was not confirmed"):
            opened.client.classify_index(index.index_id, other)
    assert analyses(platform) == 1
