"""The page: what the pipeline found, with a player beside every proof.

`create_app` makes the Flask application, `python app.py` serves it. It reads the results folder
and the videos folder; only the prompt lab (`page.lab`) writes, and only into the results folder.
"""

from __future__ import annotations

import argparse
import ipaddress
import logging
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import waitress
from flask import Flask, Response, abort, jsonify, request
from werkzeug.exceptions import HTTPException

from core.settings import SettingError, Settings, load_settings, parse_setting
from page import downloads as export_routes
from page import routes as page_routes
from page.lab import routes as lab_routes
from page.query import SelectionError
from page.results_cache import Shelf, html, put_shelf, wants_json
from store import results

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

SERVER_THREADS = 8  # none waits for a slow reader, see send_video: enough for pages in the making

NOT_FOUND = "Only the page itself and the videos that the results name are served here."


# The application


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the application; `config` wins over the settings.

    RESULTS_DIR is the folder to show. VIDEOS_DIR, where given, is where the videos are; else they
    are where the run found them, or where the settings say. HOST is the address it listens on: on
    a loopback address only loopback names are answered, so that no web page can reach the videos
    through a name of its own (DNS rebinding). SETTINGS are the settings the prompt lab opens its
    platform with.
    """
    settings = load_settings()
    app = Flask(__name__)
    app.config.from_mapping(
        RESULTS_DIR=settings.results_dir, VIDEOS_DIR=None, HOST=settings.host, SETTINGS=settings
    )
    app.config.from_mapping(config)
    videos_dir = app.config["VIDEOS_DIR"]
    put_shelf(
        app,
        Shelf(
            Path(app.config["RESULTS_DIR"]),
            Path(videos_dir) if videos_dir is not None else None,
            app.config["SETTINGS"],
        ),
    )
    page_routes.add_routes(app)
    export_routes.add_routes(app)
    lab_routes.add_routes(app)
    if is_loopback(app.config["HOST"]):
        app.before_request(refuse_other_names)
    app.register_error_handler(results.ResultsMissing, show_missing)
    app.register_error_handler(results.ResultsBroken, show_broken)
    app.register_error_handler(SelectionError, show_selection_error)
    app.register_error_handler(HTTPException, show_http_error)
    app.after_request(add_security_headers)
    return app


def refuse_other_names() -> None:
    """Answer to this machine's own names only; Flask's TRUSTED_HOSTS cannot say so of IPv6."""
    if not is_loopback(urlsplit(f"//{request.host}").hostname or ""):
        abort(Response("Only localhost is answered: start the page with --host for more.\n", 421))


def show_missing(error: results.ResultsMissing) -> Response:
    """No results yet is a state of the page and no fault, hence 200; programs get 404."""
    if wants_json():
        return problem(404, "No results yet", str(error))
    return html("missing.html", path=error.path)


def show_broken(error: results.ResultsBroken) -> Response:
    """Say which file breaks which rule."""
    if wants_json():
        return problem(500, "The results cannot be read", str(error))
    return html("broken.html", 500, error=error)


def show_selection_error(error: SelectionError) -> Response:
    """An address that asks for what cannot be."""
    return problem(400, "The address has a mistake", str(error))


def problem(status: int, title: str, explanation: str) -> Response:
    """What is wrong, as a page for people and as JSON for programs."""
    if not wants_json():
        return html("error.html", status, title=title, explanation=explanation)
    response = jsonify({"error": title, "explanation": explanation})
    response.status_code = status
    response.cache_control.no_cache = True
    response.vary.add("Accept")
    return response


def show_http_error(error: HTTPException) -> Response:
    """A page for a wrong address; the error's own headers (Allow, Content-Range) stay."""
    explanation = NOT_FOUND if error.code == 404 else error.description or error.name
    page = problem(error.code or 500, error.name, explanation)
    page.headers.extend(
        (name, value) for name, value in error.get_headers() if name.lower() != "content-type"
    )
    return page


def add_security_headers(response: Response) -> Response:
    """The page may load its own files and nothing else, and nobody may frame it."""
    response.headers.update(SECURITY_HEADERS)
    return response


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def name_in_address(host: str) -> str:
    """A host as it stands in an address: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


# The command

OPTIONS = {
    "results_dir": "--results",
    "videos_dir": "--videos",
    "engine_data_dir": "--engine-data-dir",
    "host": "--host",
    "port": "--port",
}


def given_settings(arguments: Sequence[str] | None) -> dict[str, Any]:
    """The settings that the command line gives, by field; raises SettingError."""
    parser = argparse.ArgumentParser(description="Serve the page with the results.")
    for row in fields(Settings):
        if row.name in OPTIONS:
            parser.add_argument(OPTIONS[row.name], dest=row.name, help=row.metadata["help"])
    given = vars(parser.parse_args(arguments))
    return {
        name: parse_setting(name, text, OPTIONS[name])
        for name, text in given.items()
        if text is not None
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; 2 where it cannot start."""
    try:
        given = given_settings(arguments)
        settings = replace(load_settings(), **given)
    except SettingError as error:
        print(error, file=sys.stderr)
        return 2
    host = settings.host
    app = create_app(
        {
            "RESULTS_DIR": settings.results_dir,
            "VIDEOS_DIR": given.get("videos_dir"),
            "HOST": host,
            "SETTINGS": settings,
        }
    )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, settings.port), family=family)
    except OSError as error:
        print(f"Cannot listen on {host}, port {settings.port}: {error}", file=sys.stderr)
        print("Choose another with --port, or any free one with --port 0.", file=sys.stderr)
        return 2
    # Its warning at each request that waits a moment is nothing a reader can act on.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    with listener, suppress(KeyboardInterrupt):  # also while it is starting
        # Read, judged and laid out once before anybody asks; what is wrong is said on the page.
        app.test_client().get("/")
        port = listener.getsockname()[1]
        print(f"Results at http://{name_in_address(host)}:{port}/ (Ctrl-C stops)", flush=True)
        if not is_loopback(host):
            print("Whoever reaches this machine can watch the videos.", file=sys.stderr)
        waitress.serve(app, sockets=[listener], threads=SERVER_THREADS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
