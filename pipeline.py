"""Classifies a folder of videos: index, upload, monitor, list, classify, save.

    python pipeline.py --videos classify --classes classes.json --results results

Only what is new or changed is uploaded, so a run may be stopped at any moment and simply started
again. Results are written at the end and together: a run that fails leaves the earlier ones whole.
Exit codes: 0 all videos classified; 1 results written, but some video was refused or failed;
2 nothing done, earlier results untouched; 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from core.classes import ClassesError, load_classes
from core.settings import SettingError, Settings, environment_name, load_settings, parse_setting
from platforms.connect import Platform, PlatformUnavailable, open_platform
from platforms.request import Question, agree_to_costs, ask, question_of
from steps.console import Console
from steps.media import fetch_media
from steps.monitor import FAILED, READY, StatusLog, status_log, utc_now, watch
from steps.preflight import STILL_WRITTEN, Refused, VideoFile, check_all, find_videos, limits_of
from steps.report import print_counts, print_damaged, print_left_out, print_summary
from steps.sync import Holdings, compare, metadata_of
from store.results import PromptClass, write_results
from twelvelabs_client import ApiConnectionError, ApiError, Conflict, TwelveLabsClient

# v1.3 tells no progress: only that a video of hours is still being indexed.
LEAST_STALL_V13_S = 3600.0
ALL_CLASSIFIED, SOME_LEFT_OUT, NOTHING_DONE, STOPPED = 0, 1, 2, 130

OPTIONS = {
    "--videos": "videos_dir",
    "--classes": "classes_file",
    "--results": "results_dir",
    "--index": "index_name",
    "--reindex": "reindex",
    "--api-url": "api_url",
    "--options": "options",
    "--conversation-option": "conversation_option",
    "--min-video-score": "min_video_score",
    "--min-clip-score": "min_clip_score",
    "--min-duration-ratio": "min_duration_ratio",
    "--workers": "upload_workers",
    "--poll-seconds": "poll_seconds",
    "--stall-seconds": "stall_seconds",
    "--engine-data-dir": "engine_data_dir",
}

Json = dict[str, Any]


class PipelineError(Exception):
    """The run cannot go on; the message says why and what to do."""


@dataclass
class Job:
    """One run: what its steps work with, and what became of the files of the folder."""

    settings: Settings
    console: Console
    classes: Sequence[PromptClass]
    platform: Platform
    index: Json
    videos: list[VideoFile]
    refused: list[Refused]
    failed: list[Refused] = field(default_factory=list)
    uploaded: dict[str, str] = field(default_factory=dict)  # name to video id, "" until ready
    durations: dict[str, float] = field(default_factory=dict)  # seconds by name, of checked files

    @property
    def client(self) -> TwelveLabsClient:
        return self.platform.client

    @property
    def index_id(self) -> str:
        return str(self.index["_id"])

    @property
    def question(self) -> Question:
        return question_of(self.settings, self.classes)

    @property
    def is_engine(self) -> bool:
        """Whether the platform is the engine, here or elsewhere: only its indexes name models."""
        return self.platform.embedded or "models" in self.index

    def left_out(self) -> set[str]:
        """Names that will not be classified in this run."""
        return {entry.name for entry in (*self.refused, *self.failed)}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the pipeline as a command; returns its exit code."""
    console = Console()
    try:
        return run(read_settings(argv), console)
    except KeyboardInterrupt:
        console.say("Stopped. Run the same command again: it goes on from here.")
        return STOPPED
    except (SettingError, ClassesError, PipelineError, PlatformUnavailable, ApiError) as error:
        console.say(f"No new results: {error}")
    except OSError as error:
        console.say(f"No new results: {error.filename or 'a file'}: {error.strerror or error}")
    return NOTHING_DONE


def read_settings(argv: Sequence[str] | None = None) -> Settings:
    """The settings in force, with the command's options laid over them."""
    purpose, _, *notes = (__doc__ or "").split("\n\n")
    parser = argparse.ArgumentParser(
        description=purpose,
        epilog="\n\n".join(notes),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    rows = {row.name: row for row in fields(Settings)}
    for option, name in OPTIONS.items():
        default = rows[name].default
        shown = ",".join(default) if isinstance(default, tuple) else str(default)
        text = f"{rows[name].metadata['help']} (default: {shown or 'empty'}"
        kind = "PATH" if isinstance(default, Path) else "TEXT" if isinstance(default, str) else "N"
        parser.add_argument(
            option,
            metavar="A,B" if isinstance(default, tuple) else kind,
            help=f"{text}; or set {environment_name(name)})",
        )
    parser.add_argument("--yes", action="store_true", help="do not ask before costs (v1.3)")
    given = parser.parse_args(argv)
    laid_over: Json = {"v13_confirm_above": math.inf} if given.yes else {}
    for option, name in OPTIONS.items():
        text = getattr(given, option[2:].replace("-", "_"))
        if text is not None:
            laid_over[name] = parse_setting(name, text, option)
    return replace(load_settings(), **laid_over)


def run(settings: Settings, console: Console) -> int:
    """All steps in their order; returns the exit code, raises where nothing can be done."""
    started_at, begun = utc_now(), time.monotonic()
    classes = load_classes(settings.classes_file)
    videos, refused = list_folder(settings)
    with open_platform(settings, console.say, console.confirm) as platform:
        index = open_index(platform.client, settings, console)
        job = Job(settings, console, classes, platform, index, videos, refused)
        holdings = update_index(job)
        require_any(job, holdings, f"no video of {settings.videos_dir} could be taken")
        remove_replaced(job, holdings)
        console.say(f"Classifying {len(holdings.current)} videos by {len(classes)} classes")
        answers = classify(job, holdings)
        holdings, unclassified = holdings.without(job.client.unclassified)
        job.failed += unclassified
        require_any(job, holdings, "no video could be classified")
        durations, is_near = holdings.durations(), job.is_engine
        fetch_media(
            console, job.client, job.index_id, durations, settings.results_dir, is_near=is_near
        )
    report = describe_run(job, holdings) | {
        "started_at": started_at,
        "finished_at": utc_now(),
        "elapsed_s": round(time.monotonic() - begun, 3),
    }
    names = holdings.names()
    write_results(settings.results_dir, {"video_id_name_list": names, **answers}, report)
    print_summary(console, names, answers["clips_data"]["data"])
    print_damaged(console, names, report["details"])
    print_left_out(console.answer, job.refused, job.failed)
    print_counts(console, report)
    return SOME_LEFT_OUT if job.left_out() else ALL_CLASSIFIED


def list_folder(settings: Settings) -> tuple[list[VideoFile], list[Refused]]:
    """What the videos folder holds; raises PipelineError where that is no video at all."""
    how = "name your videos folder with --videos"
    if settings.videos_dir == Settings().videos_dir:
        how = "put your videos there, or make samples with: python -m steps.samples"
    try:
        videos, refused = find_videos(settings.videos_dir)
    except OSError as error:
        raise PipelineError(
            f"the videos folder {settings.videos_dir} cannot be read: {error.strerror}: {how}"
        ) from None
    if not videos and not refused:
        raise PipelineError(f"the videos folder {settings.videos_dir} holds no video: {how}")
    return videos, refused


def open_index(client: TwelveLabsClient, settings: Settings, console: Console) -> Json:
    """The index of the settings, made anew where it is outdated and that is asked for.

    Raises PipelineError where it cannot be used.
    """
    index = create_index(client, settings)
    if settings.reindex == "yes" and index.get("outdated"):
        console.say(
            "Indexing again: other models, or another edition of the engine, made the evidence of"
            f" the index {settings.index_name!r}, which is emptied (videos:"
            f" {index.get('video_count', 0)}, of other folders too)"
        )
        client.delete_index(index["_id"])
        index = create_index(client, settings)
    require_usable(index, settings)
    return index


def create_index(client: TwelveLabsClient, settings: Settings) -> Json:
    """The index of the name in the settings, made if there is none."""
    index = client.find_index(settings.index_name)
    if index is None:
        try:
            index = client.index(client.create_index(settings.index_name, settings.options))
        except Conflict:  # another run was faster
            index = client.find_index(settings.index_name)
            if index is None:
                raise
    return index


def require_usable(index: Json, settings: Settings) -> None:
    """Raises PipelineError for an index that lacks an option, or that other models made."""
    held = set(index.get("index_options") or ()).union(
        *(engine.get("engine_options") or () for engine in index.get("engines") or ())
    )
    lacking = [option for option in settings.options if held and option not in held]
    if lacking:
        raise PipelineError(
            f"the index {settings.index_name!r} was made without {', '.join(lacking)}: take another"
            f" one with --index, or only {','.join(sorted(held))} with --options"
        )
    if outdated := index.get("outdated"):
        raise PipelineError(
            "other models than those in use now, or another edition of the engine, made the"
            f" evidence ({', '.join(outdated)}) of the index {settings.index_name!r}: index its"
            " videos again with --reindex yes, take another index with --index, or set"
            " VISUAL_MODEL and SPEECH_MODEL as they were"
        )


def update_index(job: Job) -> Holdings:
    """Upload and await what the index lacks of the folder, until nothing more can be had.

    One round does it, unless a file has changed since an earlier run uploaded it: tasks do not tell
    sizes, so that shows only when its task has ended.
    """
    job.settings.results_dir.mkdir(parents=True, exist_ok=True)
    with status_log(job.settings.results_dir / "upload_status.csv") as log:
        while True:
            holdings = list_videos(job)
            settled = holdings.current.keys() | job.left_out() | job.uploaded.keys()
            missing = [video for video in job.videos if video.name not in settled]
            if not missing:
                break
            running = find_running_tasks(job, {video.name for video in missing})
            names = set(running.values())
            sound = preflight(job, [video for video in missing if video.name not in names])
            if budget := job.platform.budget:
                minutes = sum(job.durations[video.name] for video in sound) / 60
                own = holdings.ids()
                agree_to_costs(budget, job.client, job.index_id, job.question, own, minutes)
            monitor_tasks(job, running | upload_videos(job, sound), log)
    for name in job.uploaded.keys() - holdings.current.keys() - job.left_out():
        job.failed.append(Refused(name, "is ready, but the index does not list it: run again"))
    return holdings


def list_videos(job: Job) -> Holdings:
    """What the index, all pages, holds of the folder."""
    return compare(job.client.videos(job.index_id), job.videos, job.uploaded, job.left_out())


def require_any(job: Job, holdings: Holdings, otherwise: str) -> None:
    """Raises PipelineError where no video is left to go on with."""
    if not holdings.current:
        print_left_out(job.console.say, job.refused, job.failed)
        raise PipelineError(f"{otherwise}; see above")


def find_running_tasks(job: Job, names: Container[str]) -> dict[str, str]:
    """Unfinished tasks of an earlier run for these names, id to name, the newest for each."""
    running: dict[str, str] = {}
    for task in job.client.tasks(job.index_id):  # newest first
        name = metadata_of(task).get("filename", "")
        is_running = task.get("status") not in (READY, FAILED)
        if is_running and name in names and name not in running.values():
            running[task["_id"]] = name
    return running


def preflight(job: Job, videos: Sequence[VideoFile]) -> list[VideoFile]:
    """Those videos that the platform would take; the others are refused with their reason."""
    sound = []
    limits = limits_of(
        is_engine=job.is_engine,
        is_v13=job.platform.budget is not None,
        by_search=job.settings.v13_classify == "search",
    )
    with job.console.bars("Checking", len(videos), "file") as bars:
        answers = check_all(videos, limits, os.cpu_count() or 1)
        for video, answer in zip(videos, answers, strict=True):
            if isinstance(answer, Refused):
                job.refused.append(answer)
                bars.done(video.name, f"Refused {answer}")
            else:
                sound.append(video)
                job.durations[video.name] = answer.duration_s
                bars.done(video.name)
    return sound


def upload_videos(job: Job, videos: Sequence[VideoFile]) -> dict[str, str]:
    """Upload several videos side by side; returns the names by task id.

    A file that cannot be uploaded is noted and the others go on. Raises ApiError where the platform
    is out of reach altogether.
    """
    stopping = threading.Event()
    tasks: dict[str, str] = {}
    pool = ThreadPoolExecutor(job.settings.upload_workers, thread_name_prefix="upload")
    with job.console.bars("Uploading", len(videos), "B") as bars:

        def upload(video: VideoFile) -> str:
            def moved(sent: int, total: int) -> None:
                if stopping.is_set():
                    raise CancelledError
                bars.move(video.name, sent, total)

            return job.client.upload_video(job.index_id, video.path, video.name, on_progress=moved)

        try:
            uploads = {pool.submit(upload, video): video for video in videos}
            for done in as_completed(uploads):
                bars.done(uploads[done].name, note_upload(job, uploads[done], done, tasks))
        except BaseException:
            stopping.set()
            raise
        finally:
            pool.shutdown(cancel_futures=True)
    return tasks


def note_upload(job: Job, video: VideoFile, upload: Future[str], tasks: dict[str, str]) -> str:
    """Note how an upload ended, and say it in a line."""
    try:
        task_id = upload.result()
        job.uploaded[video.name] = ""
        if video.is_unchanged():
            tasks[task_id] = video.name
            return f"Uploaded {video.name}"
        failure = Refused(video.name, STILL_WRITTEN)
    except ApiConnectionError as error:
        job.client.index(job.index_id)  # raises where the platform is gone, and not one upload
        failure = Refused(video.name, str(error))
    except (ApiError, OSError) as error:
        failure = Refused(video.name, str(error))
    job.failed.append(failure)
    return f"Failed {failure}"


def monitor_tasks(job: Job, tasks: Mapping[str, str], log: StatusLog) -> None:
    """Wait until every task has ended; failed and stalled ones are noted with their reason."""
    with job.console.bars("Indexing", len(tasks), "%") as bars:
        pause_s, stall_s = pause_between_looks(job), job.settings.stall_seconds
        if job.platform.budget:
            stall_s = max(stall_s, LEAST_STALL_V13_S)
        for seen in watch(job.client, job.index_id, tasks, log, bars, pause_s, stall_s):
            if seen.status == FAILED:
                job.failed.append(Refused(seen.file_name, seen.error))
            elif seen.file_name in job.uploaded:
                job.uploaded[seen.file_name] = seen.video_id


def pause_between_looks(job: Job) -> Callable[[int], float]:
    """Seconds to wait for a number of tasks: as the settings say, or longer for many tasks.

    So a look never costs much of the machine that is indexing, and the log of a thousand videos
    can still be opened in a spreadsheet.
    """
    given = job.settings.poll_seconds
    least = 0.5 if job.platform.embedded else 5.0
    return lambda left: given or max(least, min(least * left / 20, 10.0))


def remove_replaced(job: Job, holdings: Holdings) -> None:
    """Delete older versions of the folder's videos, now that the newer ones are there."""
    for video_id in holdings.replaced:
        try:
            job.client.delete_video(job.index_id, video_id)
        except ApiError as error:
            job.console.say(f"An older version stays in the index: {error}")


def classify(job: Job, holdings: Holdings) -> dict[str, Json]:
    """The platform's answers for the videos of the folder, by result name."""
    return ask(job.client, job.index_id, job.question, holdings.ids())


def describe_run(job: Job, holdings: Holdings) -> Json:
    """What `run.json` tells of a run besides its times."""
    settings, platform = job.settings, job.platform
    return job.question.as_json() | {
        "index": {"id": job.index_id, "name": settings.index_name},
        "platform": {
            "name": platform.name,
            "url": platform.url,
            "embedded": platform.embedded,
            "models": job.index.get("models") or job.index.get("judged_by") or {},
            "scores": job.index.get("scores") or job.client.scores,
        },
        "videos_dir": str(settings.videos_dir.resolve()),
        "counts": {
            "videos": len(holdings.current) + len(job.left_out()),
            "uploaded": len(job.uploaded),
            "already_indexed": len(holdings.current.keys() - job.uploaded.keys()),
            "refused": len(job.refused),
            "failed": len(job.failed),
            "classified": len(holdings.current),
            "other_videos_in_index": holdings.others,
        },
        "refused": [entry.as_json() for entry in job.refused],
        "failed": [entry.as_json() for entry in job.failed],
        "details": holdings.details(),
    }


if __name__ == "__main__":
    sys.exit(main())
