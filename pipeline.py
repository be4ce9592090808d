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
import sys
import time
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from core.classes import ClassesError, load_classes
from core.settings import SettingError, Settings, environment_name, load_settings, parse_setting
from platforms.connect import PlatformUnavailable, open_platform
from platforms.request import agree_to_costs, ask
from steps.console import Console
from steps.errors import PipelineError
from steps.folder import Refused, list_folder
from steps.index import open_index
from steps.job import Job
from steps.media import fetch_media
from steps.monitor import find_running_tasks, monitor_tasks, status_log, utc_now
from steps.preflight import preflight
from steps.report import describe_run, print_counts, print_damaged, print_left_out, print_summary
from steps.sync import Holdings, list_videos, remove_replaced
from steps.upload import upload_videos
from store.results import write_results
from twelvelabs_client import ApiError

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


def require_any(job: Job, holdings: Holdings, otherwise: str) -> None:
    """Raises PipelineError where no video is left to go on with."""
    if not holdings.current:
        print_left_out(job.console.say, job.refused, job.failed)
        raise PipelineError(f"{otherwise}; see above")


def classify(job: Job, holdings: Holdings) -> dict[str, Json]:
    """The platform's answers for the videos of the folder, by result name."""
    return ask(job.client, job.index_id, job.question, holdings.ids())


if __name__ == "__main__":
    sys.exit(main())
