"""The pipeline on the real engine over loopback: whole runs, second runs, changes, kills.

Only what a real platform cannot be made to do on time (stall, vanish, refuse one upload) is played
by a fake client.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from safetensors.numpy import save

import pipeline
from core import types as records
from core.classification import Thresholds
from core.settings import Settings
from engine.catalog.tables import Catalog, Index, Video, new_id, sqlite_url
from engine.media import probe
from engine.server import EngineOptions, running_engine
from pipeline import main, update_index
from platforms.connect import open_platform
from platforms.request import request_of
from steps.console import Console
from steps.folder import find_videos
from steps.index import create_index
from steps.job import Job
from steps.sample_videos import Sample, Shot, compose_missing
from store.media import Media
from store.records import LeftOut
from store.results import RESULT_NAMES, load_run, read_result
from tests.support.jobs import job_on, rows_of
from tests.support.media import cut, damage, write_video
from tests.support.paths import FIXTURES, ROOT
from twelvelabs_client import TwelveLabsClient

pytestmark = pytest.mark.slow

TINY_CLIP = FIXTURES / "clip"
PETS = {"classes": [{"name": "Pets", "prompts": ["a cat", "a dog"]}]}
SIZE = {"size": (640, 480)}


@pytest.fixture(scope="module")
def engine_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_engine(EngineOptions(tmp_path_factory.mktemp("engine"), workers=2)) as url:
        yield f"{url}/v1.2"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a classes file, without any settings of this machine."""
    for name in Settings.__dataclass_fields__:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "classes.json").write_text(json.dumps(PETS), encoding="utf-8")
    return tmp_path


@pytest.fixture
def run(
    place: Path, engine_url: str, capsys: pytest.CaptureFixture[str]
) -> Callable[..., SimpleNamespace]:
    """Run the command on the engine, with an index per test; returns code, out and err."""

    def run_main(*more: str) -> SimpleNamespace:
        options = ["--videos", "videos", "--api-url", engine_url, "--index", place.name]
        capsys.readouterr()
        code = main([*options, "--poll-seconds", "0.1", *more])
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    return run_main


@pytest.fixture
def client(engine_url: str) -> Iterator[TwelveLabsClient]:
    with TwelveLabsClient(engine_url) as open_client:
        yield open_client


def clip(path: Path, seconds: float = 1.0) -> Path:
    """A small silent video; another length gives another size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_video(path, seconds=seconds, fps=8, sound=[], container_format="mp4")


def report(place: Path) -> dict:
    return json.loads((place / "results" / "run.json").read_text(encoding="utf-8"))


def status_rows(place: Path) -> list[dict[str, str]]:
    return rows_of(place / "results" / "upload_status.csv")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.is_file() and path.suffix != ".csv"
    }


def listed(client: TwelveLabsClient, index_name: str) -> list[tuple[str, int]]:
    index = client.find_index(index_name)
    assert index is not None
    videos = client.videos(index.index_id)
    return sorted((video.filename, video.size or 0) for video in videos)


# Whole runs


def test_a_folder_becomes_results(place: Path, run: Callable[..., SimpleNamespace]) -> None:
    names = ["-dash.mp4", '=sub folder/a "quoted" clip.MP4', "Übung 映画.mp4"]
    for place_in_list, name in enumerate(names):
        clip(place / "videos" / name, 1 + place_in_list / 2)
    (place / "videos" / "diary.mp4").write_text("Dear diary")

    done = run("--min-clip-score", "0", "--min-video-score", "0", "--min-duration-ratio", "0")

    assert done.code == 1
    assert "Refused diary.mp4: cannot be read as a video" in done.out
    assert "3 of 4 videos classified (3 uploaded, 0 already indexed, 1 refused" in done.out
    assert "Traceback" not in done.err
    kept = load_run(place / "results")
    assert [video.name for video in kept.videos] == names
    assert kept.counts == {
        "videos": 4,
        "uploaded": 3,
        "already_indexed": 0,
        "refused": 1,
        "failed": 0,
        "classified": 3,
        "other_videos_in_index": 0,
    }
    assert [entry.video_name for entry in kept.refused] == ["diary.mp4"]
    assert kept.platform.models.keys() == {"visual", "conversation", "text_in_video", "text"}
    assert (kept.index_name, kept.videos_dir) == (place.name, place / "videos")
    assert kept.request.thresholds == Thresholds(0, 0, 0)
    for name in RESULT_NAMES:
        as_json = json.loads((place / "results" / f"{name}.json").read_text(encoding="utf-8"))
        (place / "results" / f"{name}.json").rename(place / f"{name}.json")
        assert read_result(place / "results", name) == as_json


def test_the_log_follows_every_task_to_its_end(
    place: Path, run: Callable[..., SimpleNamespace]
) -> None:
    for name in ("a.mp4", "=b.mp4", "c.mp4"):
        clip(place / "videos" / name)
    assert run().code == 0
    rows = status_rows(place)
    assert list(rows[0]) == [
        "time",
        "task_id",
        "file_name",
        "status",
        "upload_percentage",
        "remaining_seconds",
        "elapsed_seconds",
        "error",
    ]
    assert {row["file_name"] for row in rows} == {"a.mp4", "'=b.mp4", "c.mp4"}
    for task_id in {row["task_id"] for row in rows}:
        seen = [row["status"] for row in rows if row["task_id"] == task_id]
        assert seen[-1] == "ready"
        assert seen.count("ready") == 1
    assert all(row["time"].endswith("Z") and float(row["elapsed_seconds"]) >= 0 for row in rows)


def test_a_second_run_uploads_nothing(place: Path, run: Callable[..., SimpleNamespace]) -> None:
    for name in ("a.mp4", "sub/b.mp4"):
        clip(place / "videos" / name)
    assert run().code == 0
    before, rows = report(place), status_rows(place)
    done = run()
    assert done.code == 0
    assert "2 of 2 videos classified (0 uploaded, 2 already indexed" in done.out
    assert status_rows(place) == rows
    assert report(place)["index"] == before["index"]


def test_swapped_files_of_the_same_size_are_told_apart(
    place: Path, run: Callable[..., SimpleNamespace], client: TwelveLabsClient
) -> None:
    one, other = clip(place / "videos" / "a.mp4"), clip(place / "videos" / "b.mp4", 2)
    size = max(path.stat().st_size for path in (one, other))
    for path in (one, other):
        path.write_bytes(path.read_bytes().ljust(size, b"\0"))
    assert run().code == 0
    before = {video.name: video.video_id for video in load_run(place / "results").videos}
    one.rename(place / "c.mp4")
    other.rename(one)
    (place / "c.mp4").rename(other)
    done = run()
    assert (done.code, "(2 uploaded, 0 already indexed" in done.out) == (0, True)
    after = {video.name: video.video_id for video in load_run(place / "results").videos}
    assert not set(before.values()) & set(after.values())
    assert len(listed(client, place.name)) == 2
    one.touch()
    assert "(0 uploaded, 2 already indexed" in run().out


def test_a_changed_file_replaces_its_older_version(
    place: Path, run: Callable[..., SimpleNamespace], client: TwelveLabsClient
) -> None:
    clip(place / "videos" / "same.mp4")
    clip(place / "videos" / "a.mp4", 1)
    assert run().code == 0
    old = load_run(place / "results").videos
    newer = clip(place / "videos" / "a.mp4", 2)
    assert run().code == 0
    new = load_run(place / "results").videos
    assert [video.name for video in new] == ["a.mp4", "same.mp4"]
    assert (new[0].video_id != old[0].video_id, new[1]) == (True, old[1])
    assert ("a.mp4", newer.stat().st_size) in listed(client, place.name)
    assert len(listed(client, place.name)) == 2


def test_only_what_the_folder_holds_is_in_the_results(
    place: Path, run: Callable[..., SimpleNamespace], client: TwelveLabsClient
) -> None:
    for name in ("stays.mp4", "goes.mp4", "breaks.mp4"):
        clip(place / "videos" / name)
    assert run().code == 0
    (place / "videos" / "goes.mp4").unlink()
    (place / "videos" / "breaks.mp4").write_bytes(b"")
    done = run()
    assert done.code == 1
    assert [video.name for video in load_run(place / "results").videos] == ["stays.mp4"]
    assert "Refused breaks.mp4: is empty" in done.out
    assert "Left out 2 other videos" in done.out
    assert len(listed(client, place.name)) == 3, "nothing is deleted that could not be replaced"


def test_nothing_to_classify_leaves_earlier_results_untouched(
    place: Path, run: Callable[..., SimpleNamespace]
) -> None:
    path = clip(place / "videos" / "a.mp4")
    assert run().code == 0
    before = contents(place / "results")
    path.write_text("Dear diary")
    done = run()
    assert (done.code, done.out) == (2, "")
    assert "Refused a.mp4: cannot be read as a video" in done.err
    assert contents(place / "results") == before


def test_a_response_that_the_page_could_not_read_leaves_earlier_results_untouched(
    place: Path, run: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip(place / "videos" / "a.mp4")
    assert run().code == 0
    before = contents(place / "results")
    run_request = pipeline.run_request

    def invalid(*arguments: Any) -> dict[str, Any]:
        responses = run_request(*arguments)
        found = {"start": 4.0, "end": 3.0, "score": 90, "option": "visual", "prompt": "a dog"}
        pets = {"name": "Pets", "score": 90, "duration_ratio": 1, "clips": [found]}
        (video_id,) = arguments[-1]
        return {**responses, "clips_data": {"data": [{"video_id": video_id, "classes": [pets]}]}}

    monkeypatch.setattr(pipeline, "run_request", invalid)
    done = run()
    assert done.code == 2
    assert "No new results: " in done.err
    assert 'clips_data.json: data[0].classes[0]: clips[0]: "end" must not be before' in done.err
    assert "earlier results are kept" in done.err
    assert contents(place / "results") == before


def test_failed_and_unfinished_tasks_of_an_earlier_run_are_resumed(
    place: Path, run: Callable[..., SimpleNamespace], client: TwelveLabsClient
) -> None:
    index_id = client.create_index(place.name, Settings().options)
    bad = place / "bad"
    bad.write_text("Dear diary")
    failing = client.upload_video(index_id, bad, "retried.mp4")
    while client.task(failing).status != "failed":
        time.sleep(0.05)
    clip(place / "videos" / "retried.mp4")
    # Unfinished tasks of another run: for a file that is unchanged, and for one that has changed.
    client.upload_video(index_id, clip(place / "videos" / "running.mp4", 3), "running.mp4")
    client.upload_video(index_id, clip(place / "older.mp4", 4), "changed.mp4")
    changed = clip(place / "videos" / "changed.mp4", 2)

    assert run().code == 0

    assert len(load_run(place / "results").videos) == 3
    assert report(place)["counts"]["uploaded"] == 2
    videos = listed(client, place.name)
    assert len(videos) == 3
    assert ("changed.mp4", changed.stat().st_size) in videos


def test_real_footage_is_classified_with_clips_inside_it(
    place: Path, run: Callable[..., SimpleNamespace], corpus: Path
) -> None:
    (place / "videos").mkdir()
    smallest = sorted((corpus / "videos").iterdir(), key=lambda path: path.stat().st_size)[:2]
    for path in smallest:
        shutil.copy(path, place / "videos")
    anything = ["--min-video-score", "0", "--min-clip-score", "0", "--min-duration-ratio", "0"]
    assert run("--classes", str(corpus / "tasks.json"), *anything).code == 0
    videos = load_run(place / "results").videos
    assert [video.name for video in videos] == sorted(path.name for path in smallest)
    for video in videos:
        info = probe(corpus / "videos" / video.name)
        clips = [clip for found in video.classes for clip in found.clips]
        assert clips
        assert all(0 <= clip.start < clip.end <= info.duration_s + 0.1 for clip in clips)


def test_an_index_without_an_option_is_refused(
    place: Path, run: Callable[..., SimpleNamespace], client: TwelveLabsClient
) -> None:
    client.create_index(place.name, ["visual"])
    clip(place / "videos" / "a.mp4")
    done = run()
    assert done.code == 2
    assert "was made without conversation, text_in_video: name another one with --index" in done.err
    assert run("--options", "visual").code == 0


# Interrupted runs


SHORT_SAMPLES = (
    Sample("cat.mp4", (Shot("chelsea.png", 4),)),
    Sample("two.mp4", (Shot("coffee.png", 2), Shot("chelsea.png", 3, caption="Not for the cat"))),
    Sample("told.mp4", (Shot("camera.png", 5),), narration=(0.7, 5.7)),
)


@pytest.fixture(scope="module")
def sample_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    assert len(list(compose_missing(folder, SHORT_SAMPLES))) == len(SHORT_SAMPLES)
    return folder


@pytest.fixture
def start(place: Path, sample_folder: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start the command as a separate process, on the embedded engine and the samples."""
    started: list[subprocess.Popen[str]] = []

    def start_process(*more: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(ROOT / "pipeline.py"), "--videos", str(sample_folder)]
        options = ["--classes", str(ROOT / "classes.json"), "--poll-seconds", "0.05", *more]
        process = subprocess.Popen(
            command + options,
            cwd=place,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start_process
    for process in started:
        process.kill()
        process.communicate()


def wait_until_indexing(place: Path, rows_before: int) -> None:
    log = place / "results" / "upload_status.csv"
    end = time.monotonic() + 120
    while not log.exists() or "indexing" not in [
        row["status"] for row in status_rows(place)[rows_before:]
    ]:
        assert time.monotonic() < end, "no task was seen indexing"
        time.sleep(0.02)


def test_interrupted_runs_can_be_continued(
    place: Path, start: Callable[..., subprocess.Popen[str]], ctrl_c: signal.Signals
) -> None:
    stopped = start()
    wait_until_indexing(place, rows_before=0)
    stopped.send_signal(ctrl_c)
    _, err = stopped.communicate(timeout=60)
    assert stopped.returncode == 130
    assert err.endswith("Stopped. Run the same command again to continue.\n")

    killed = start()
    wait_until_indexing(place, rows_before=len(status_rows(place)))
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert [path.name for path in (place / "results").iterdir()] == ["upload_status.csv"]

    out, err = start().communicate(timeout=180)
    assert "3 of 3 videos classified (0 uploaded, 3 already indexed" in out, err
    names = ["cat.mp4", "told.mp4", "two.mp4"]
    assert [video.name for video in load_run(place / "results").videos] == names
    last = {row["task_id"]: row["status"] for row in status_rows(place)}
    assert list(last.values()) == ["ready"] * 3, "the first run's tasks ended, there are no others"
    with open_platform(Settings()) as platform:
        videos = listed(platform.client, Settings().index_name)
    assert [name for name, _ in videos] == names
    assert not list((place / "engine_data" / "uploads").iterdir())


def test_ctrl_c_before_results_are_written_keeps_the_earlier_pictures(
    place: Path, run: Callable[..., SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    def pictures() -> dict[str, bool]:
        videos = load_run(place / "results").videos
        return {
            video.name: Media(place / "results").has_pictures(video.video_id) for video in videos
        }

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    clip(place / "videos" / "stays.mp4")
    goes = clip(place / "videos" / "goes.mp4")
    assert run().code == 0
    before = contents(place / "results")
    goes.unlink()
    clip(place / "videos" / "comes.mp4")
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "write_results", interrupted)
        assert run().code == 130
    assert contents(place / "results") == before
    assert pictures() == {"goes.mp4": True, "stays.mp4": True}
    assert run().code == 0
    assert pictures() == {"comes.mp4": True, "stays.mp4": True}
    assert len(list((place / "results" / "media").iterdir())) == 2, "the others are deleted"


# Runs without results


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--videos", "gone"], "the videos folder gone cannot be read: No such file or directory"),
        (["--videos", "classes.json"], "the videos folder classes.json cannot be read"),
        (["--videos", "empty"], "the videos folder empty holds no video: name your videos folder"),
        (["--videos", "classify"], "make samples with: python -m steps.samples"),
        (["--classes", "gone.json"], "gone.json: there is no such file"),
        (["--classes", "bad.json"], "bad.json: class 1 ('Pets') has no prompts"),
        (["--min-clip-score", "101"], "--min-clip-score='101' must be a number from 0 to 100"),
        (
            ["--min-duration-ratio", "nan"],
            "-ratio='nan' must be a number from 0 to 1",
        ),
        (["--workers", "0"], "--workers='0' must be a whole number from 1 to 64"),
        (["--options", "visual,smell"], "--options='visual,smell' must be one or more"),
        (["--conversation-option", "vague"], "--conversation-option='vague' must be one of"),
        (["--api-url", "https://platform.example/v1.2"], "set API_KEY"),
        (["--api-url", "http://127.0.0.1:9/v1.2"], "Connection refused"),
        (["--api-url", "http://127.0.0.1:9/v7"], "v7"),
        (["--engine-data-dir", "classes.json"], "classes.json"),
        (["--results", "classes.json/x", "--api-url", "ENGINE"], "classes.json"),
    ],
)
def test_says_in_one_line_why_there_are_no_results(
    place: Path,
    engine_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    message: str,
) -> None:
    monkeypatch.setenv("MAX_RETRIES", "0")
    clip(place / "videos" / "a.mp4")
    (place / "empty").mkdir()
    (place / "classify").mkdir()
    (place / "bad.json").write_text('[{"name": "Pets", "prompts": []}]')
    (place / "results").mkdir()
    (place / "results" / "run.json").write_text("earlier")
    given = [engine_url if option == "ENGINE" else option for option in options]

    assert main(["--videos", "videos", *given]) == 2

    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err
    assert contents(place / "results") == {"run.json": b"earlier"}


def test_an_unknown_option_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--video", "videos"])
    assert stopped.value.code == 2
    assert "unrecognized arguments: --video" in capsys.readouterr().err


def test_help_shows_every_option_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    for option, name in pipeline.OPTIONS.items():
        assert option in text
        assert name.upper() in text
    assert "default: 75;" in text
    assert "Exit codes" in text


def test_options_win_over_the_environment(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIN_CLIP_SCORE", "50")
    monkeypatch.setenv("API_URL", "https://platform.example/v1.2")
    settings = pipeline.settings_of(["--min-clip-score", "40", "--api-url", ""])
    assert (settings.min_clip_score, settings.api_url) == (40.0, "")
    assert pipeline.settings_of([]).min_clip_score == 50.0


# Scale


def test_a_thousand_unchanged_videos_are_recognised_at_once(place: Path) -> None:
    data_dir = place / "engine"
    evidence = data_dir / "evidence"
    evidence.mkdir(parents=True)
    catalog = Catalog(sqlite_url(data_dir / "catalog.sqlite3"))
    index_id = new_id()
    with catalog.transaction() as session:
        options = list(Settings().options)
        session.add(
            Index(id=index_id, name="big", engine_name="e", options=options, addons=[], models={})
        )
        session.flush()
        for number in range(1000):
            path = place / "videos" / f"{number % 10}" / f"{number}.mp4"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x" * (number + 1))
            video_id = new_id()
            (evidence / f"{video_id}.safetensors").write_bytes(save({}))
            session.add(
                Video(
                    id=video_id,
                    index_id=index_id,
                    filename=f"{number % 10}/{number}.mp4",
                    size=number + 1,
                    duration=10.0,
                    fps=25.0,
                    width=640,
                    height=360,
                )
            )
    catalog.close()
    settings = Settings(videos_dir=place / "videos", engine_data_dir=data_dir, index_name="big")
    begun = time.process_time()  # CPU time of engine and pipeline, as the machine may be busy
    with open_platform(settings) as platform:
        videos, refused = find_videos(settings.videos_dir)
        index = create_index(platform.client, settings)
        job = Job(settings, Console(), request_of(settings, []), platform, index, videos, refused)
        plan = update_index(job)
    assert time.process_time() - begun < 2
    assert (len(plan.matched), plan.outdated, plan.unrelated) == (1000, [], 0)
    assert (job.uploaded, job.left_out()) == ({}, set())


# Failures that no real platform produces on time


def test_a_video_that_the_index_does_not_list_is_reported(place: Path) -> None:
    class Client:
        def videos(self, index_id: str) -> Iterator[records.Video]:
            return iter(())

        def tasks(self, index_id: str) -> Iterator[records.Task]:
            yield records.Task("t", "ready", video_id="v")

        def upload_video(self, *_: object, **__: object) -> str:
            return "t"

    clip(place / "videos" / "a.mp4")
    job = job_on(Client(), place / "videos")
    assert update_index(job).matched == {}
    assert job.failed == [LeftOut("a.mp4", "is ready, but the index does not list it: run again")]


def test_a_task_that_ends_between_two_listings_is_not_uploaded_again(place: Path) -> None:
    path = clip(place / "videos" / "a.mp4")
    video = records.Video("v", "a.mp4", path.stat().st_size)
    listed: list[records.Video] = []

    class Client:
        def videos(self, index_id: str) -> Iterator[records.Video]:
            return iter(list(listed))

        def tasks(self, index_id: str) -> Iterator[records.Task]:
            listed.append(video)
            yield records.Task("t", "ready", video_id="v", filename="a.mp4")

    job = job_on(Client(), place / "videos")
    assert update_index(job).matched == {"a.mp4": video}
    assert job.uploaded == {}


def test_another_model_is_noticed_and_reindexes_on_request(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clip(place / "videos" / "a.mp4")
    command = ["--videos", "videos", "--engine-data-dir", str(place / "data")]
    monkeypatch.setenv("VISUAL_MODEL", "imagenet")
    assert main(command) == 0
    assert report(place)["platform"]["scores"] == ""
    before = contents(place / "results")
    monkeypatch.setenv("VISUAL_MODEL", str(TINY_CLIP))
    assert main(command) == 2
    assert "--reindex yes" in capsys.readouterr().err
    assert contents(place / "results") == before
    assert main([*command, "--reindex", "yes"]) == 0
    assert (
        "is emptied first (videos: 1, including those of other folders)" in capsys.readouterr().err
    )
    models = report(place)["platform"]["models"]
    assert "imagenet" not in models["visual"]
    assert "not calibrated on videos" in report(place)["platform"]["scores"]
    assert report(place)["counts"]["uploaded"] == 1
    assert main([*command, "--reindex", "yes"]) == 0
    assert report(place)["counts"]["already_indexed"] == 1


def test_damaged_files_are_classified_and_named(
    place: Path, run: Callable[..., SimpleNamespace]
) -> None:
    videos = place / "videos"
    videos.mkdir()
    clip(videos / "whole.mp4")
    damage(write_video(videos / "scratched.mp4", seconds=10, gop=60), 0.4, 0.5)
    cut(write_video(videos / "short.mkv", seconds=10), 0.5)
    for _ in range(2):  # also when the videos are already indexed
        result = run()
        assert result.code == 0
        said = [line for line in result.out.splitlines() if line.startswith("Damaged")]
        assert said[0].startswith("Damaged scratched.mp4: damaged frames: ")
        assert said[1].startswith("Damaged short.mkv: ends after ")
        assert len(said) == 2
    known = report(place)["details"].values()
    assert sorted(bool(details["damage"]) for details in known) == [False, True, True]
