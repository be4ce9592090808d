"""How the page answers: HTML from a template, JSON for programs, and what is wrong as either."""

from __future__ import annotations

import io
import re

from flask import Response, jsonify, render_template, request, send_file


def wants_json() -> bool:
    """Whether the request comes from a program: to the page's API, and not preferring HTML."""
    best = request.accept_mimetypes.best_match(["application/json", "text/html"])
    return request.path.startswith("/api/") and best != "text/html"


def html(template: str, status: int = 200, **values: object) -> Response:
    """Render a template; characters that UTF-8 cannot encode become question marks."""
    response = Response(render_template(template, **values).encode(errors="replace"), status)
    response.cache_control.no_cache = True
    return response


def problem(status: int, title: str, explanation: str) -> Response:
    """What is wrong: a page for people, JSON for programs."""
    if not wants_json():
        return html("error.html", status, title=title, explanation=explanation)
    response = jsonify({"error": title, "explanation": explanation})
    response.status_code = status
    response.cache_control.no_cache = True
    response.vary.add("Accept")
    return response


def attachment(content: bytes | str, name: str, media_type: str) -> Response:
    """A file to save under a name; characters that UTF-8 cannot encode become question marks."""
    data = content if isinstance(content, bytes) else content.encode(errors="replace")
    # Neither has a place in a header: control characters, and halves of a surrogate pair.
    plain = re.sub(r"[\x00-\x1f\x7f\ud800-\udfff]", "_", name)
    return send_file(io.BytesIO(data), media_type, as_attachment=True, download_name=plain)
