"""Classifies a folder of videos: index, upload, monitor, list, classify, save.

    python pipeline.py --videos classify --classes classes.json --results results

Only new and changed videos are uploaded, so a run can be stopped at any time and started again.
All results are written together at the end: a run that fails leaves earlier results untouched.
Exit codes: 0 all videos classified; 1 results written, but some videos were refused or failed;
2 no results, earlier ones untouched; 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from core.classes import load_classes
from core.command_line import make_parser, read_settings
from core.errors import UserError
from core.settings import Settings
from platforms.connect import open_platform
from platforms.request import request_of, run_request
from steps.console import Console
from steps.folder import list_folder
from steps.index import open_index
from steps.job import Job
from steps.media import fetch_media
from steps.monitor import find_running_tasks, monitor_tasks
from steps.preflight import preflight
from steps.report import Stopwatch, describe_run, print_left_out, print_report
from steps.status_log import status_log
from steps.sync import SyncPlan, delete_outdated, make_sync_plan
from steps.upload import upload_videos
from store.media import prune_media
from store.records import LeftOut
from store.results import write_results

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
        return run(settings_of(argv), console)
    except KeyboardInterrupt:
        console.say("Stopped. Run the same command again to continue.")
        return STOPPED
    except UserError as error:
        console.say(f"No new results: {error}")
    except OSError as error:
        console.say(f"No new results: {error.filename or 'a file'}: {error.strerror or error}")
    return NOTHING_DONE


def settings_of(argv: Sequence[str] | None = None) -> Settings:
    """The settings in force, with the command's options laid over them."""
    parser = make_parser(__doc__, OPTIONS)
    parser.add_argument(
        "--yes", action="store_true", help="Do not ask before spending money (v1.3)"
    )
    given = parser.parse_args(argv)
    settings = read_settings(given, OPTIONS)
    return replace(settings, v13_confirm_above=math.inf) if given.yes else settings


def run(settings: Settings, console: Console) -> int:
    """Run all steps in order; returns the exit code, raises UserError if nothing can be done."""
    stopwatch = Stopwatch()
    request = request_of(settings, load_classes(settings.classes_file))
    videos, refused = list_folder(settings)
    with open_platform(settings, console.say, console.confirm) as platform:
        index = open_index(platform.client, settings, console)
        job = Job(settings, console, request, platform.with_index(index), index, videos, refused)
        plan = update_index(job)
        delete_outdated(job, plan)
        plan, responses = classify(job, plan)
        fetch_media(job, plan)
    report = describe_run(job, plan, stopwatch)
    save(job, plan, responses, report)
    print_report(job, plan, responses["clips_data"]["data"], report)
    return SOME_LEFT_OUT if job.left_out() else ALL_CLASSIFIED


def update_index(job: Job) -> SyncPlan:
    """Upload the files that the index lacks, and wait until they are indexed.

    One round is enough, unless an earlier run uploaded a file that has changed since: a task does
    not tell the size of its file, so this shows only when the task has ended. Raises
    SpendingRefused if the user does not agree to the costs.
    """
    job.settings.results_dir.mkdir(parents=True, exist_ok=True)
    with status_log(job.settings.results_dir / "upload_status.csv") as log:
        plan = make_sync_plan(job)
        while plan.missing:
            running = find_running_tasks(job, plan.missing)
            plan = make_sync_plan(job)  # a task may have ended just before they were listed
            awaited = set(running.values())
            files = preflight(job, [file for file in plan.missing if file.name not in awaited])
            minutes = sum(files.values()) / 60
            job.platform.agree_to_costs(job.index_id, job.request, plan.ids(), minutes)
            monitor_tasks(job, running | upload_videos(job, list(files)), log)
            plan = make_sync_plan(job)
    for name in job.uploaded.keys() - plan.matched.keys() - job.left_out():
        job.failed.append(LeftOut(name, "is ready, but the index does not list it: run again"))
    return plan


def classify(job: Job, plan: SyncPlan) -> tuple[SyncPlan, dict[str, Json]]:
    """The platform's responses by result name, and the plan without what it could not classify.

    Raises UserError if that leaves no video.
    """
    require_any(job, plan, f"no video of {job.settings.videos_dir} could be indexed")
    job.console.say(f"Classifying {len(plan.matched)} videos by {len(job.request.classes)} classes")
    responses = run_request(job.client, job.index_id, job.request, plan.ids())
    plan, unclassified = plan.without(job.client.unclassified)
    job.failed += unclassified
    require_any(job, plan, "no video could be classified")
    return plan, responses


def require_any(job: Job, plan: SyncPlan, otherwise: str) -> None:
    """Raises UserError if no video is left to continue with."""
    if not plan.matched:
        print_left_out(job.console.say, job.refused, job.failed)
        raise UserError(f"{otherwise}; see above")


def save(job: Job, plan: SyncPlan, responses: Mapping[str, Json], report: Json) -> None:
    """Write all results, and only then delete the media that only earlier results needed."""
    results_dir = job.settings.results_dir
    write_results(results_dir, {"video_id_name_list": plan.names(), **responses}, report)
    try:
        prune_media(results_dir, plan.ids())
    except OSError as error:
        job.console.say(f"Pictures of earlier results could not be deleted: {error}")


if __name__ == "__main__":
    sys.exit(main())
