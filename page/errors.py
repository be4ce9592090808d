"""The error pages: results that are missing or broken, addresses that are wrong."""

from __future__ import annotations

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from page.query import QueryError
from page.responses import html, problem, wants_json
from store.results import ResultsBroken, ResultsMissing

NOT_FOUND = "This address is neither a page nor a video that the results list."


def add_error_pages(app: Flask) -> None:
    """Answer every error of the page with an explanation."""
    app.register_error_handler(ResultsMissing, show_missing)
    app.register_error_handler(ResultsBroken, show_broken)
    app.register_error_handler(QueryError, show_query_error)
    app.register_error_handler(HTTPException, show_http_error)


def show_missing(error: ResultsMissing) -> Response:
    """Before the first run there are no results: to people no error (200), to programs 404."""
    if wants_json():
        return problem(404, "No results yet", str(error))
    return html("missing.html", path=error.path)


def show_broken(error: ResultsBroken) -> Response:
    """Name the file and the rule it breaks."""
    if wants_json():
        return problem(500, "The results cannot be read", str(error))
    return html("broken.html", 500, error=error)


def show_query_error(error: QueryError) -> Response:
    """Name the query parameter and the rule it breaks."""
    return problem(400, "The address has a mistake", str(error))


def show_http_error(error: HTTPException) -> Response:
    """Explain an HTTP error; its own headers (Allow, Content-Range) stay."""
    explanation = NOT_FOUND if error.code == 404 else error.description or error.name
    page = problem(error.code or 500, error.name, explanation)
    page.headers.extend(
        (name, value) for name, value in error.get_headers() if name.lower() != "content-type"
    )
    return page
