"""Drafts: other classes run on the same videos, kept beside the results until one is promoted.

A draft is a results folder of its own in `lab/` of the results folder, so it is read, compared
and exported like the results themselves. A version is a draft or the results (`CURRENT`).
"""

from __future__ import annotations

import re
import secrets
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from core.errors import UserError
from core.types import ClassifyRequest
from platforms.request import run_request
from store import results
from store.judged_run import JudgedRun, load_judged_run
from store.records import Run
from store.safe_files import read_plain
from twelvelabs_client import NotFound, TwelveLabsClient

Json = dict[str, Any]

FOLDER = "lab"
CURRENT = "current"  # the version that is the results themselves
DRAFT_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")

GONE = "no longer in the index"


class LabError(UserError):
    """The lab cannot do that; the message says why."""

    page_status = 409


class NoSuchDraft(LabError):
    """There is no draft with that id."""

    title = "Not in the lab"
    page_status = 404


# Running


def run_draft(results_dir: Path, client: TwelveLabsClient, request: ClassifyRequest) -> str:
    """Classify the videos of the results anew and keep what comes back as a draft; its id.

    Videos that cannot be classified are not in the draft; its run names them with the reason.
    Raises LabError if none can be, and what the client raises; then there is no draft.
    """
    started, begun = datetime.now(timezone.utc), time.monotonic()
    run = dict(read_plain(results_dir / results.RUN_FILE))
    current = results.load_run(results_dir)
    names = [{"video_id": each.video_id, "video_name": each.name} for each in current.videos]
    index, ids = run["index"], {each["video_id"] for each in names}
    held = ids & held_ids(client, index)
    responses = run_request(client, index["id"], request, held) if held else {}
    names, left_out = split(names, {**dict.fromkeys(ids - held, GONE), **client.unclassified})
    if not names:
        raise LabError(f"{none_classified(left_out)}: run pipeline.py again, then try again")
    failed = [*run["failed"], *(asdict(entry) for entry in current.unreadable), *left_out]
    report = {
        **run,
        **request.as_json(),
        "failed": failed,
        "details": {video_id: asdict(found) for video_id, found in current.details.items()},
        "counts": {**run["counts"], "classified": len(names), "failed": len(failed)},
        "started_at": started.isoformat(timespec="milliseconds"),
        "finished_at": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
        "elapsed_s": round(time.monotonic() - begun, 3),
    }
    draft_id = new_id(started)
    folder = results_dir / FOLDER / draft_id
    results.write_results(folder, {"video_id_name_list": names, **responses}, report)
    return draft_id


def held_ids(client: TwelveLabsClient, index: Json) -> set[str]:
    """The ids of the videos in an index; raises LabError if there is no such index."""
    try:
        return {video.video_id for video in client.videos(index["id"])}
    except NotFound:
        raise LabError(
            f"the platform has no index {index['name']!r} with these videos: start app.py with the"
            " --engine-data-dir or API_URL that pipeline.py used, or run pipeline.py again"
        ) from None


def split(names: Sequence[Json], reasons: Mapping[str, str]) -> tuple[list[Json], list[Json]]:
    """The videos that were classified, and the others with their `reasons`, which are by id."""
    classified = [each for each in names if each["video_id"] not in reasons]
    others = [
        {**each, "reason": reasons[each["video_id"]]}
        for each in names
        if each["video_id"] in reasons
    ]
    return classified, others


def none_classified(left_out: Sequence[Json]) -> str:
    """That no video could be classified, and why, each reason once."""
    reasons = "; ".join(dict.fromkeys(each["reason"] for each in left_out))
    return f"none of the videos can be classified ({len(left_out)} left out: {reasons})"


def new_id(moment: datetime) -> str:
    """An id for a draft; ids sort by time."""
    return f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


# Versions


def version_folder(results_dir: Path, version: str) -> Path:
    """The folder of a version; raises NoSuchDraft."""
    if version == CURRENT:
        return results_dir
    folder = results_dir / FOLDER / version
    if not DRAFT_ID.fullmatch(version) or not folder.is_dir():
        raise NoSuchDraft(f"there is no draft {version!r}: it was promoted or deleted")
    return folder


def drafts(results_dir: Path) -> list[str]:
    """The ids of all drafts, the newest first."""
    try:
        found = [path.name for path in (results_dir / FOLDER).iterdir()]
    except FileNotFoundError:
        return []
    return sorted((name for name in found if DRAFT_ID.fullmatch(name)), reverse=True)


def video_ids(run: Run) -> set[str]:
    """The ids of all videos of a version, also of those that could not be classified."""
    ids = {video.video_id for video in run.videos}
    return ids | {entry.video_id for entry in (*run.failed, *run.unreadable) if entry.video_id}


def is_outdated(version: Run, current: Run) -> bool:
    """Whether a version has other videos than the results have now."""
    return video_ids(version) != video_ids(current)


def load_version(results_dir: Path, version: str) -> JudgedRun:
    """A version with all its clips; raises NoSuchDraft, ResultsMissing or ResultsBroken."""
    return load_judged_run(version_folder(results_dir, version))


def promote(results_dir: Path, draft_id: str) -> str:
    """Make a draft the results; the previous results become a draft, whose id is returned.

    Raises LabError for a draft with other videos than the results: its clips would not fit them.
    """
    folder = version_folder(results_dir, draft_id)
    if folder == results_dir:
        raise LabError("these are the results already")
    if is_outdated(results.load_run(folder), results.load_run(results_dir)):
        raise LabError(
            "the videos have changed since this draft was made: edit and run it again, or delete it"
        )
    saved_id = new_id(datetime.now(timezone.utc))
    results.copy_results(results_dir, results_dir / FOLDER / saved_id)
    results.copy_results(folder, results_dir)
    shutil.rmtree(folder)
    return saved_id


def delete(results_dir: Path, draft_id: str) -> None:
    """Delete a draft; raises LabError for the results themselves."""
    folder = version_folder(results_dir, draft_id)
    if folder == results_dir:
        raise LabError("the results themselves cannot be deleted here")
    shutil.rmtree(folder)
