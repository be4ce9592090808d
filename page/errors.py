"""The error pages: missing or broken results, requests that cannot be answered."""

from __future__ import annotations

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from core.errors import UserError
from page.responses import html, problem, wants_json
from store.safe_files import ResultsBroken, ResultsMissing

NOT_FOUND = "There is no such page, and the results list no such video."


def add_error_pages(app: Flask) -> None:
    """Answer every error of the page with an explanation."""
    app.register_error_handler(UserError, show_user_error)
    app.register_error_handler(HTTPException, show_http_error)


def show_user_error(error: UserError) -> Response:
    """Say what is wrong; missing and broken results have pages of their own for people.

    Before the first run there are no results: to people that is no error (200), to programs 404.
    """
    if isinstance(error, ResultsMissing) and not wants_json():
        return html("missing.html", path=error.path)
    if isinstance(error, ResultsBroken) and not wants_json():
        return html("broken.html", error.page_status, error=error)
    return problem(error.page_status, error.title, str(error))


def show_http_error(error: HTTPException) -> Response:
    """Explain an HTTP error; its own headers (Allow, Content-Range) stay."""
    explanation = NOT_FOUND if error.code == 404 else error.description or error.name
    page = problem(error.code or 500, error.name, explanation)
    page.headers.extend(
        (name, value) for name, value in error.get_headers() if name.lower() != "content-type"
    )
    return page
