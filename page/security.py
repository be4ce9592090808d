"""Who is answered and what may happen: security headers, host names, tokens of forms."""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlsplit

from flask import Flask, Response, abort, request, session

from core.addresses import is_loopback

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

TOKEN = "csrf_token"  # noqa: S105 (the name of a form field)
MAX_FORM_BYTES = 1_000_000


def protect(app: Flask) -> None:
    """Set security headers, check host names, bound forms; sessions end with the process.

    On a loopback address (HOST of the configuration) only loopback names are answered, so that no
    other web page can reach the videos through a host name of its own (DNS rebinding).
    """
    app.config.update(
        SECRET_KEY=secrets.token_bytes(32),
        SESSION_COOKIE_NAME="video_classification_lab",
        SESSION_COOKIE_SAMESITE="Strict",
        MAX_CONTENT_LENGTH=MAX_FORM_BYTES,
    )
    if is_loopback(app.config["HOST"]):
        app.before_request(refuse_other_hosts)
    app.after_request(add_security_headers)


def refuse_other_hosts() -> None:
    """Answer only to this machine's loopback names; Flask's TRUSTED_HOSTS does not cover IPv6."""
    if not is_loopback(urlsplit(f"//{request.host}").hostname or ""):
        abort(Response("Only localhost is served: start the page with --host for more.\n", 421))


def add_security_headers(response: Response) -> Response:
    """Let the page load only its own files, and let no other site frame it."""
    response.headers.update(SECURITY_HEADERS)
    return response


def csrf_token() -> str:
    """The token of this visitor's session, made when it is first needed."""
    if TOKEN not in session:
        session[TOKEN] = secrets.token_urlsafe(32)
    return str(session[TOKEN])


def require_token() -> None:
    """Refuse a form that this page did not hand out (cross-site request forgery)."""
    given, known = request.form.get(TOKEN, ""), str(session.get(TOKEN, ""))
    if not known or not hmac.compare_digest(given.encode(), known.encode()):
        abort(403, "This form comes from an earlier session: reload the page and send it again.")
