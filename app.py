"""The page: what the pipeline found, with a player beside every proof.

`create_app` makes the Flask application, `python app.py` serves it. It only reads the results
folder and the videos folder; nothing here writes, uploads or classifies.
"""

from __future__ import annotations

import argparse
import ipaddress
import logging
import mimetypes
import socket
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import waitress
from flask import Flask, Response, abort, render_template, request, send_file, url_for
from waitress.buffers import ReadOnlyFileBasedBuffer
from werkzeug.exceptions import HTTPException, RequestedRangeNotSatisfiable

import results
from settings import SettingError, Settings, load_settings, parse_setting
from view_models import PageView, page_view

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

# Fixed here because the system's own table differs from machine to machine.
VIDEO_TYPES = {
    ".3gp": "video/3gpp",
    ".avi": "video/x-msvideo",
    ".flv": "video/x-flv",
    ".m4v": "video/mp4",
    ".mkv": "video/x-matroska",
    ".mov": "video/quicktime",
    ".mp4": "video/mp4",
    ".mpeg": "video/mpeg",
    ".mpg": "video/mpeg",
    ".mts": "video/mp2t",
    ".ogv": "video/ogg",
    ".ts": "video/mp2t",
    ".webm": "video/webm",
    ".wmv": "video/x-ms-wmv",
}

SERVER_THREADS = 8  # none waits for a slow reader, see send_video: enough for pages in the making

NOT_FOUND = "Only the page itself and the videos that the results name are served here."


# Files


class CurrentRun:
    """The results folder as it is now, read again only when a file in it has changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._seen: object = None
        self._held: tuple[results.Run, PageView] | None = None

    def read(self) -> tuple[results.Run, PageView]:
        """Raises ResultsMissing or ResultsBroken."""
        with self._lock:
            # Taken before reading: a file replaced meanwhile is noticed at the next request.
            seen = results.fingerprint(self.folder)
            if self._held is None or seen != self._seen:
                run = results.load_run(self.folder)
                self._held, self._seen = (run, page_view(run)), seen
            return self._held


def video_file(folder: Path, name: str) -> Path | None:
    """The file of a named video, or None where it is not there or outside the folder."""
    try:
        name.encode()  # a name that is not valid Unicode has no address
        path = (folder / name).resolve(strict=True)
        inside = path.is_relative_to(folder.resolve(strict=True))
    except (OSError, ValueError, RuntimeError):  # not there; a zero byte; a circle of links
        return None
    return path if inside and path.is_file() else None


def video_type(name: str) -> str:
    """The media type to serve a video as; never one that a browser would run."""
    guess = mimetypes.guess_type(name)[0] or ""
    fallback = guess if guess.startswith("video/") else "application/octet-stream"
    return VIDEO_TYPES.get(Path(name).suffix.lower(), fallback)


def send_video(path: Path, media_type: str) -> Response:
    """The file, or the one range of it that is asked for."""
    response = send_file(path, mimetype=media_type, conditional=False)
    body: Any = response.response
    is_sent_by_waitress = isinstance(body, ReadOnlyFileBasedBuffer)
    # Other units, several ranges and nonsense are ignored, as RFC 9110 (14.2) has it.
    asked = request.range
    is_one_range = asked is not None and asked.units == "bytes" and len(asked.ranges) == 1
    try:
        response.make_conditional(
            request, accept_ranges=is_one_range, complete_length=response.content_length
        )
    except RequestedRangeNotSatisfiable:
        response.close()
        raise
    response.accept_ranges = "bytes"
    # Werkzeug feeds a range to the server piece by piece, and so each paused player would hold a
    # thread. Waitress sends a file on its own, from where it stands, as long as Content-Length.
    if response.status_code == 206 and is_sent_by_waitress:
        body.seek(response.content_range.start)
        response.response = body
    return response


# The application


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the application; `config` wins over the settings.

    RESULTS_DIR is the folder to show. VIDEOS_DIR, where given, is where the videos are; else they
    are where the run found them, or where the settings say. HOST is the address it listens on: on
    a loopback address only loopback names are answered, so that no web page can reach the videos
    through a name of its own (DNS rebinding).
    """
    settings = load_settings()
    app = Flask(__name__)
    app.config.from_mapping(RESULTS_DIR=settings.results_dir, VIDEOS_DIR=None, HOST=settings.host)
    app.config.from_mapping(config)
    current = CurrentRun(Path(app.config["RESULTS_DIR"]))

    def videos_folder(run: results.Run) -> Path:
        if app.config["VIDEOS_DIR"] is not None:
            return Path(app.config["VIDEOS_DIR"])
        return run.videos_dir if run.videos_dir.is_dir() else settings.videos_dir

    @app.get("/")
    def show_page() -> Response:
        run, view = current.read()
        folder = videos_folder(run)
        addresses = {
            card.name: url_for("serve_video", name=card.name)
            for card in view.cards
            if video_file(folder, card.name)
        }
        return html("page.html", page=view, addresses=addresses, folder=folder)

    @app.get("/videos/<path:name>")
    def serve_video(name: str) -> Response:
        run, _ = current.read()
        named = any(video.name == name for video in run.videos)
        path = video_file(videos_folder(run), name) if named else None
        if path is None:
            abort(404)
        return send_video(path, video_type(name))

    if is_loopback(app.config["HOST"]):
        app.before_request(refuse_other_names)
    app.register_error_handler(results.ResultsMissing, show_missing)
    app.register_error_handler(results.ResultsBroken, show_broken)
    app.register_error_handler(HTTPException, show_http_error)
    app.after_request(add_security_headers)
    return app


def html(template: str, status: int = 200, **values: Any) -> Response:
    """Render a page; characters that have no UTF-8 form become question marks."""
    response = Response(render_template(template, **values).encode(errors="replace"), status)
    response.cache_control.no_cache = True
    return response


def refuse_other_names() -> None:
    """Answer to this machine's own names only; Flask's TRUSTED_HOSTS cannot say so of IPv6."""
    if not is_loopback(urlsplit(f"//{request.host}").hostname or ""):
        abort(Response("Only localhost is answered: start the page with --host for more.\n", 421))


def show_missing(error: results.ResultsMissing) -> Response:
    """No results yet is a state of the page and no fault, hence 200."""
    return html("missing.html", path=error.path)


def show_broken(error: results.ResultsBroken) -> Response:
    """Say which file breaks which rule."""
    return html("broken.html", 500, error=error)


def show_http_error(error: HTTPException) -> Response:
    """A page for a wrong address; the error's own headers (Allow, Content-Range) stay."""
    explanation = NOT_FOUND if error.code == 404 else error.description
    page = html("error.html", error.code or 500, title=error.name, explanation=explanation)
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

OPTIONS = {"results_dir": "--results", "videos_dir": "--videos", "host": "--host", "port": "--port"}


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
        port = listener.getsockname()[1]
        print(f"Results at http://{name_in_address(host)}:{port}/ (Ctrl-C stops)", flush=True)
        if not is_loopback(host):
            print("Whoever reaches this machine can watch the videos.", file=sys.stderr)
        waitress.serve(app, sockets=[listener], threads=SERVER_THREADS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
