"""The routes of the prompt lab: the only ones that change anything, and only with a token."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, redirect, request, url_for
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response as AnyResponse

from core.classes import ClassesError
from core.errors import UserError
from core.types import ClassifyRequest
from page.formatting import CONVERSATION_WORDS, counted, evidence_word, readable_time
from page.lab import drafts as lab
from page.lab import form as lab_form
from page.lab.comparison import compare_versions
from page.lab.drafts import CURRENT
from page.lab.form import LabForm
from page.lab.report import report_html
from page.responses import attachment, html
from page.results_cache import current_cache
from page.security import csrf_token, require_token
from platforms.connect import open_platform
from platforms.errors import PlatformUnavailable
from store.judged_run import JudgedRun
from store.records import Run

RUNNING = "lab.running"

blueprint = Blueprint("lab", __name__)


@blueprint.record
def add_lock(state: BlueprintSetupState) -> None:
    """Give the application the lock that lets the lab run one draft at a time."""
    state.app.extensions[RUNNING] = threading.Lock()


# The form


@blueprint.get("/lab")
def show() -> Response:
    """The form, filled in with the classes and options of a version, by default the results."""
    cache = current_cache()
    version = request.args.get("version", CURRENT)
    run = lab.load_version(cache.results_dir, version).run
    return form_page(lab_form.form_of(run.request))


@blueprint.post("/lab")
def post() -> AnyResponse:
    """A button of the form: edit rows, import or export classes, or run."""
    require_token()
    form = lab_form.read_form(request.form.to_dict(flat=False))
    action = request.form.get("action", "run")
    try:
        if action == "import":
            form = lab_form.imported(form, uploaded())
        elif action == "export":
            text = lab_form.exported(form.classes())
            return attachment(text, "classes.json", "application/json")
        elif action == "run":
            return redirect(url_for("lab.compare", after=run(form.request())), 303)
        else:
            form = lab_form.edit(form, action)
    except UserError as error:
        not_done = "Not imported" if action == "import" else "No draft"
        return form_page(form, f"{not_done}: {error}", error.page_status)
    return form_page(form)


def uploaded() -> bytes:
    """The content of the file to import; raises ClassesError if none was chosen."""
    file = request.files.get("file")
    if not file:
        raise ClassesError("choose a file first")
    return bytes(file.read())


def run(classify_request: ClassifyRequest) -> str:
    """Run a draft on the platform of the settings, one at a time; its id."""
    cache, running = current_cache(), current_app.extensions[RUNNING]
    if not running.acquire(blocking=False):
        raise PlatformUnavailable("the lab is already running a draft: wait until it has ended")
    try:
        with open_platform(cache.settings) as platform:
            return lab.run_draft(cache.results_dir, platform.client, classify_request)
    finally:
        running.release()


def form_page(form: LabForm, problem: str = "", status: int = 200) -> Response:
    """The lab with this form."""
    cache = current_cache()
    return html(
        "lab.html",
        status,
        form=form,
        problem=problem,
        token=csrf_token(),
        hosted=cache.settings.api_url,
        options=[(option, evidence_word(option)) for option in lab_form.OPTIONS],
        conversation_options=list(CONVERSATION_WORDS.items()),
        versions=version_names(cache.results_dir),
        videos=counted(len(cache.judged_run().run.videos), "video"),
    )


# Versions


@blueprint.get("/lab/compare")
def compare() -> Response:
    """Two versions side by side: `before`, by default the results, and `after`."""
    cache = current_cache()
    names = version_names(cache.results_dir)
    before = request.args.get("before", CURRENT)
    after = request.args.get("after") or next((v for v, _ in names if v != before), CURRENT)
    old, new = (lab.load_version(cache.results_dir, version) for version in (before, after))
    return html(
        "compare.html",
        before=before,
        after=after,
        versions=names,
        titles=dict(names),
        sides=[
            (label, version, side(judged_run, cache.judged_run().run))
            for label, version, judged_run in (("Before", before, old), ("After", after, new))
        ],
        comparison=compare_versions(old, new),
        token=csrf_token(),
        current=CURRENT,
    )


def side(judged_run: JudgedRun, current: Run) -> dict[str, Any]:
    """A version in a few words; `current` are the results as they are now."""
    found = judged_run.run
    return {
        "classes": counted(len(found.request.classes), "class"),
        "prompts": counted(sum(len(each.prompts) for each in found.request.classes), "prompt"),
        "with_class": counted(sum(bool(video.classes) for video in found.videos), "video"),
        "thresholds": found.request.thresholds,
        "options": ", ".join(evidence_word(option) for option in found.request.options),
        "outdated": lab.is_outdated(found, current),
        "videos": counted(len(lab.video_ids(found)), "video"),
        "left_out": [entry for entry in (*found.failed, *found.unreadable) if entry.video_id],
    }


@blueprint.post("/lab/promote")
def promote() -> AnyResponse:
    """Make a draft the results."""
    require_token()
    lab.promote(current_cache().results_dir, request.form.get("version", ""))
    return redirect(url_for("page.show_page"), 303)


@blueprint.post("/lab/delete")
def delete() -> AnyResponse:
    """Delete a draft."""
    require_token()
    lab.delete(current_cache().results_dir, request.form.get("version", ""))
    return redirect(url_for("lab.show"), 303)


def version_names(results_dir: Path) -> list[tuple[str, str]]:
    """Every version with its title, the results first."""
    drafts = [(draft, f"Draft of {moment_of(draft)}") for draft in lab.drafts(results_dir)]
    return [(CURRENT, "The results"), *drafts]


def moment_of(draft: str) -> str:
    """When a draft was made, by its id; to the second, as two may be made within a minute."""
    day, time = draft[:8], draft[9:15]
    rfc3339 = f"{day[:4]}-{day[4:6]}-{day[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}+00:00"
    return readable_time(rfc3339, "%H:%M:%S")


# One file


@blueprint.get("/report")
def report() -> Response:
    """A version as one HTML file that needs no server."""
    cache = current_cache()
    judged_run = lab.load_version(cache.results_dir, request.args.get("version", CURRENT))
    return attachment(report_html(judged_run, cache.media), "classification.html", "text/html")
