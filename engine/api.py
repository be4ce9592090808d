"""The platform's HTTP face: routes, authentication, error bodies, paging.

Nothing below this module knows HTTP. Routes parse, call the service and render; they decide
nothing.
"""

from __future__ import annotations

import hmac
import logging
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Any, TypeVar

from flask import Blueprint, Flask, Request, Response, current_app, jsonify, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from engine import schemas
from engine.answers import (
    index_answer,
    page_answer,
    task_answer,
    timestamp,
    video_answer,
    video_classes_answer,
)
from engine.pages import ResultPage, ResultPages
from engine.service import (
    Condition,
    PageRequest,
    PlatformError,
    Service,
    VideoClasses,
)

log = logging.getLogger(__name__)

VERSIONS = ("v1.1", "v1.2")
# The platform's limit for one video is 2 GB; a form has a little more around it.
MAX_VIDEO_BYTES = 2 * 1024**3
MAX_FORM_BYTES = MAX_VIDEO_BYTES + 1024**2
MAX_JSON_BYTES = 16 * 1024**2

STATUSES = {
    "api_key_invalid": 401,
    "resource_not_exist": 404,
    "index_name_already_exists": 409,
    "task_cannot_be_deleted": 409,
    "too_many_requests": 429,
}
PAGE_PARAMETERS = {"page", "page_limit", "sort_by", "sort_option"}
NUMBER_FIELDS = {"duration", "fps", "width", "height", "size"}
TIME_FIELDS = {"created_at", "updated_at", "indexed_at"}

AnyBody = TypeVar("AnyBody", bound=schemas.Body)
Answer = tuple[Response, int]


class UploadRequest(Request):
    """Writes uploaded files straight to the service's work folder, whatever their size."""

    max_form_memory_size = 1024**2

    def _get_file_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None = None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        stream = _service().incoming_path().open("wb+")
        self.environ.setdefault("engine.incoming", []).append(Path(stream.name))
        return stream

    def on_json_loading_failed(self, e: ValueError | None) -> Any:
        raise PlatformError(
            "parameter_invalid",
            f"The body is not valid JSON: {e}."
            if e
            else "The body must be JSON, with Content-Type: application/json.",
        )


class EngineApp(Flask):
    """A Flask app whose requests stream uploads to disk."""

    request_class = UploadRequest


def create_app(service: Service, api_key: str = "") -> Flask:
    """The engine's WSGI app; with a key, callers must send it as `x-api-key`."""
    app = EngineApp(__name__, static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions["engine.service"] = service
    app.extensions["engine.pages"] = ResultPages()
    app.extensions["engine.api_key"] = api_key
    for version in VERSIONS:
        app.register_blueprint(_routes(version), url_prefix=f"/{version}")
    app.before_request(_authenticate)
    app.before_request(_limit_body)
    app.after_request(_add_headers)
    app.teardown_request(_remove_unclaimed)
    app.register_error_handler(PlatformError, _refused)
    app.register_error_handler(ValidationError, lambda error: _refused(schemas.refusal(error)))
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _failed)
    return app


def _routes(version: str) -> Blueprint:
    routes = Blueprint(version.replace(".", "_"), __name__)
    for rule, method, view in (
        ("/indexes", "POST", create_index),
        ("/indexes", "GET", list_indexes),
        ("/indexes/<index_id>", "GET", get_index),
        ("/indexes/<index_id>", "PUT", rename_index),
        ("/indexes/<index_id>", "DELETE", delete_index),
        ("/indexes/<index_id>/videos", "GET", list_videos),
        ("/indexes/<index_id>/videos/<video_id>", "GET", get_video),
        ("/indexes/<index_id>/videos/<video_id>", "DELETE", delete_video),
        ("/tasks", "POST", create_task),
        ("/tasks", "GET", list_tasks),
        ("/tasks/status", "GET", count_tasks),
        ("/tasks/<task_id>", "GET", get_task),
        ("/tasks/<task_id>", "DELETE", delete_task),
        ("/classify", "POST", classify_videos),
        ("/classify/bulk", "POST", classify_index),
        ("/classify/<page_token>", "GET", classify_page),
    ):
        routes.add_url_rule(rule, view_func=view, methods=[method])
    return routes


# Indexes


def create_index() -> Answer:
    body = _body(schemas.CreateIndexBody)
    index = _service().create_index(
        body.index_name, body.engine_name, body.options, body.addons or []
    )
    return jsonify({"_id": index.id}), 201


def list_indexes() -> Answer:
    page = _service().indexes(_page_request())
    usage = _service().usage(index.id for index in page.rows)
    return jsonify(page_answer(page, [index_answer(row, usage[row.id]) for row in page.rows])), 200


def get_index(index_id: str) -> Answer:
    index = _service().index(index_id)
    return jsonify(index_answer(index, _service().usage([index_id])[index_id])), 200


def rename_index(index_id: str) -> Answer:
    _service().rename_index(index_id, _body(schemas.RenameIndexBody).index_name)
    return Response(), 204


def delete_index(index_id: str) -> Answer:
    _service().delete_index(index_id)
    return Response(), 204


# Tasks


def create_task() -> Answer:
    index_id = request.form.get("index_id", "")
    upload = request.files.get("video_file")
    if not index_id:
        raise PlatformError("parameter_not_provided", "The index_id parameter is required.")
    if not upload or not upload.filename:
        raise PlatformError("parameter_not_provided", "The video_file parameter is required.")
    incoming = Path(str(upload.stream.name))
    upload.close()
    if incoming.stat().st_size > MAX_VIDEO_BYTES:
        raise PlatformError("video_filesize_too_large", "A video may have 2 GB at most.")
    task = _service().create_task(index_id, incoming, upload.filename)
    return jsonify({"_id": task.id, "video_id": task.video_id}), 201


def list_tasks() -> Answer:
    page = _service().tasks(_page_request())
    data = [task_answer(task, _service().progress(task)) for task in page.rows]
    return jsonify(page_answer(page, data)), 200


def count_tasks() -> Answer:
    index_id = request.args.get("index_id", "")
    if not index_id:
        raise PlatformError("parameter_not_provided", "The index_id parameter is required.")
    counts = _service().task_counts(index_id)
    statuses = ("ready", "validating", "pending", "indexing", "failed")
    answer = {status: counts.get(status, 0) for status in statuses}
    return jsonify({"index_id": index_id} | answer | {"total_result": sum(counts.values())}), 200


def get_task(task_id: str) -> Answer:
    task = _service().task(task_id)
    return jsonify(task_answer(task, _service().progress(task))), 200


def delete_task(task_id: str) -> Answer:
    _service().delete_task(task_id)
    return Response(), 204


# Videos


def list_videos(index_id: str) -> Answer:
    page = _service().videos(index_id, _page_request())
    return jsonify(page_answer(page, [video_answer(video) for video in page.rows])), 200


def get_video(index_id: str, video_id: str) -> Answer:
    return jsonify(video_answer(_service().video(index_id, video_id))), 200


def delete_video(index_id: str, video_id: str) -> Answer:
    _service().delete_video(index_id, video_id)
    return Response(), 204


# Classification


def classify_index() -> Answer:
    body = _body(schemas.ClassifyIndexBody)
    results = _service().classify_index(body.index_id, body.queries, body.thresholds)
    return _classified(results, body)


def classify_videos() -> Answer:
    body = _body(schemas.ClassifyVideosBody)
    results = _service().classify_videos(body.video_ids, body.queries, body.thresholds)
    return _classified(results, body)


def classify_page(page_token: str) -> Answer:
    return _result_page(_pages().page(page_token))


def _classified(results: list[VideoClasses], body: schemas.ClassifyBody) -> Answer:
    items = [
        video_classes_answer(each, clips=body.include_clips, details=body.show_detailed_score)
        for each in results
    ]
    return _result_page(_pages().first(items, body.page_limit))


def _result_page(page: ResultPage) -> Answer:
    info = {
        "limit_per_page": page.limit,
        "total_results": page.total,
        "page_expired_at": timestamp(page.expires_at),
        "next_page_token": page.next_token,
        "prev_page_token": page.previous_token,
    }
    return jsonify({"data": page.items, "page_info": info}), 200


# What all routes share


def _service() -> Service:
    service: Service = current_app.extensions["engine.service"]
    return service


def _pages() -> ResultPages:
    pages: ResultPages = current_app.extensions["engine.pages"]
    return pages


def _body(kind: type[AnyBody]) -> AnyBody:
    return kind.model_validate(request.get_json())


def _page_request() -> PageRequest:
    """The page, order and filters that the query string asks for."""
    order = request.args.get("sort_option", "desc")
    if order not in ("asc", "desc"):
        raise PlatformError("parameter_invalid", "The sort_option parameter must be asc or desc.")
    sort_by = request.args.get("sort_by", "created_at")
    if sort_by not in ("created_at", "updated_at"):
        raise PlatformError(
            "parameter_invalid", "The sort_by parameter must be created_at or updated_at."
        )
    return PageRequest(
        page=_whole_number("page", 1, 1, 2**31),
        limit=_whole_number("page_limit", 10, 1, 50),
        sort_by=sort_by,
        descending=order == "desc",
        conditions=tuple(
            _condition(name, value)
            for name, value in request.args.items()
            if name not in PAGE_PARAMETERS
        ),
    )


def _whole_number(name: str, default: int, least: int, most: int) -> int:
    text = request.args.get(name, str(default))
    if not (text.isascii() and text.isdecimal()) or not least <= int(text) <= most:
        raise PlatformError(
            "parameter_invalid",
            f"The {name} parameter is invalid. It must be a whole number from {least} to {most}.",
        )
    return int(text)


def _condition(name: str, text: str) -> Condition:
    """A filter from the query string: `name=value`, `name[gte]=value` or `name[lte]=value`."""
    field, _, rest = name.partition("[")
    operator = rest.removesuffix("]") or ("gte" if field in TIME_FIELDS else "eq")
    if operator not in ("eq", "gte", "lte"):
        raise PlatformError("parameter_unknown", f"The {name} parameter is unknown.")
    try:
        value: Any = text
        if field in NUMBER_FIELDS:
            value = float(text)
        elif field in TIME_FIELDS:
            value = _moment(text)
    except ValueError:
        raise PlatformError(
            "parameter_invalid", f"The {name} parameter is invalid: {text!r}."
        ) from None
    return Condition(field, operator, value)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


def _authenticate() -> None:
    key = current_app.extensions["engine.api_key"]
    given = request.headers.get("x-api-key", "")
    if key and not hmac.compare_digest(given.encode(), key.encode()):
        raise PlatformError("api_key_invalid", "The x-api-key header is absent or wrong.")


def _limit_body() -> None:
    is_form = request.mimetype == "multipart/form-data"
    request.max_content_length = MAX_FORM_BYTES if is_form else MAX_JSON_BYTES


def _add_headers(response: Response) -> Response:
    version = request.path.split("/", 2)[1]
    response.headers["X-Api-Version"] = version if version in VERSIONS else VERSIONS[-1]
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _remove_unclaimed(_: BaseException | None) -> None:
    """Remove what an upload left in the work folder when no task took it over."""
    for path in request.environ.get("engine.incoming", ()):
        with suppress(OSError):
            path.unlink(missing_ok=True)


def _refused(error: PlatformError) -> Answer:
    return jsonify(code=error.code, message=error.message), STATUSES.get(error.code, 400)


def _http_error(error: HTTPException) -> Answer:
    """Errors of the HTTP layer itself, in the API's shape."""
    status = error.code or 500
    if status == 413:
        return _refused(PlatformError("video_filesize_too_large", "The body is too large: 2 GB."))
    if status == 404:
        return _refused(PlatformError("resource_not_exist", f"There is no {request.path}."))
    code = "parameter_invalid" if status < 500 else "internal_server_error"
    return jsonify(code=code, message=str(error.description)), status


def _failed(error: Exception) -> Answer:
    log.exception("%s %s failed", request.method, request.path)
    return jsonify(code="internal_server_error", message="The engine failed: see its log."), 500
