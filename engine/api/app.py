"""The WSGI app: one table of routes for both versions, and what happens around every view."""

from __future__ import annotations

import hmac
import logging

from flask import Blueprint, Flask, Response, jsonify, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from engine.api import limits, uploads
from engine.api.links import PATH as THUMBNAILS
from engine.api.openapi import openapi
from engine.api.routes import ROUTES
from engine.api.schemas.base import refusal
from engine.api.state import ApiOptions, State, attach, state
from engine.api.videos import thumbnail_image
from engine.errors import PlatformError
from engine.models.store import ModelError
from engine.service import Service

log = logging.getLogger(__name__)

VERSIONS = ("v1.1", "v1.2")
OPENAPI = "/openapi.json"
STATUSES = {
    "api_key_invalid": 401,
    "resource_not_exist": 404,
    "index_name_already_exists": 409,
    "task_cannot_be_deleted": 409,
    "too_many_requests": 429,
}


class EngineApp(Flask):
    """A Flask app whose requests stream uploads to disk."""

    request_class = uploads.EngineRequest


def create_app(service: Service, options: ApiOptions | None = None) -> Flask:
    """The engine's WSGI app."""
    chosen = options or ApiOptions()
    app = EngineApp(__name__, static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    attach(app, State(service, chosen, limits.RateLimiter(chosen.rate_limit)))
    for version in VERSIONS:
        app.register_blueprint(_blueprint(version), url_prefix=f"/{version}")
    app.add_url_rule(f"{THUMBNAILS}/<token>", view_func=thumbnail_image)
    app.add_url_rule(OPENAPI, "openapi", lambda: jsonify(openapi(VERSIONS)))
    app.before_request(uploads.limit_body)
    app.before_request(_authenticate)
    app.before_request(_limit_calls)
    app.after_request(_add_headers)
    app.teardown_request(lambda _: uploads.remove_unclaimed())
    app.register_error_handler(PlatformError, _refused)
    app.register_error_handler(ModelError, _model_fails)
    app.register_error_handler(ValidationError, lambda error: _refused(refusal(error)))
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _failed)
    return app


def _blueprint(version: str) -> Blueprint:
    routes = Blueprint(version.replace(".", "_"), __name__)
    for route in ROUTES:
        name = f"{route.method} {route.rule}".replace(".", "_")
        routes.add_url_rule(route.rule, name, route.respond, methods=[route.method])
    return routes


def _authenticate() -> None:
    key = state().options.api_key
    given = request.headers.get("x-api-key", "")
    is_open = request.path == OPENAPI or request.path.startswith(f"{THUMBNAILS}/")
    if key and not is_open and not hmac.compare_digest(given.encode(), key.encode()):
        raise PlatformError("api_key_invalid", "The x-api-key header is missing or wrong.")


def _limit_calls() -> None:
    """Count a call in its group of routes: the part of the path after the version."""
    version, _, rest = request.path.strip("/").partition("/")
    if version not in VERSIONS:
        return
    if limits.note_call(state().limiter, rest.partition("/")[0]).exceeded:
        raise PlatformError(
            "too_many_requests", "You have exceeded the rate limit. Please try again later."
        )


def _add_headers(response: Response) -> Response:
    version = request.path.split("/", 2)[1]
    response.headers["X-Api-Version"] = version if version in VERSIONS else VERSIONS[-1]
    response.headers["X-Content-Type-Options"] = "nosniff"
    limits.add_headers(response)
    return response


def _refused(error: PlatformError) -> Response:
    return _error(STATUSES.get(error.code, 400), error.code, error.message)


def _model_fails(error: ModelError) -> Response:
    """Not a status of 5xx, which clients retry: a broken model stays broken."""
    log.error("%s %s failed: %s", request.method, request.path, error)
    return _refused(PlatformError("index_not_supported_for_search", str(error)))


def _http_error(error: HTTPException) -> Response:
    """Errors of the HTTP layer itself, in the form of the API's errors."""
    status = error.code or 500
    if status == 413:
        return _refused(uploads.too_large())
    if status == 404:
        return _refused(PlatformError("resource_not_exist", f"There is no {request.path}."))
    code = "parameter_invalid" if status < 500 else "internal_server_error"
    response = _error(status, code, str(error.description))
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def _failed(error: Exception) -> Response:
    log.exception("%s %s failed", request.method, request.path)
    return _error(500, "internal_server_error", "The engine failed: see its log.")


def _error(status: int, code: str, message: str) -> Response:
    response = jsonify(code=code, message=message)
    response.status_code = status
    return response
