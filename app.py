"""The page: what the pipeline found, with a player beside the clips that prove it.

`create_app` makes the Flask application, `python app.py` serves it. It reads the results folder
and the videos folder; only the prompt lab (`page.lab`) writes, and only into the results folder.
"""

from __future__ import annotations

import argparse
import logging
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import waitress
from flask import Flask

from core.errors import UserError
from core.settings import Settings, load_settings, parse_setting
from page import downloads, routes
from page.errors import add_error_pages
from page.formatting import FILTERS
from page.lab import routes as lab
from page.results_cache import ResultsCache, attach_cache
from page.security import is_loopback, protect

SERVER_THREADS = 8  # a slow reader holds none of them, see `page.video_files.send_video`

# The application


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the application; `config` overrides the settings.

    RESULTS_DIR is the folder to show. VIDEOS_DIR, if given, is where the videos are; otherwise they
    are where the run found them, or where the settings say. HOST is the address it listens on, see
    `page.security.protect`. SETTINGS are those with which the prompt lab opens its platform.
    """
    settings = load_settings()
    app = Flask(__name__)
    app.config.from_mapping(
        RESULTS_DIR=settings.results_dir, VIDEOS_DIR=None, HOST=settings.host, SETTINGS=settings
    )
    app.config.from_mapping(config)
    videos_dir = app.config["VIDEOS_DIR"]
    attach_cache(
        app,
        ResultsCache(
            Path(app.config["RESULTS_DIR"]),
            Path(videos_dir) if videos_dir is not None else None,
            app.config["SETTINGS"],
        ),
    )
    app.jinja_env.filters.update(FILTERS)
    for blueprint in (routes.blueprint, downloads.blueprint, lab.blueprint):
        app.register_blueprint(blueprint)
    add_error_pages(app)
    protect(app)
    return app


def host_in_url(host: str) -> str:
    """A host as it is written in a URL: IPv6 in brackets."""
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
    """The settings given on the command line, by field; raises SettingError."""
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
    """Serve until interrupted; returns 2 if it cannot start."""
    try:
        given = given_settings(arguments)
        settings = replace(load_settings(), **given)
    except UserError as error:
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
    # Waitress warns of every request that waits a moment; the user cannot act on that.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    with listener, suppress(KeyboardInterrupt):  # also while it is starting
        # Read, judge and render once before the first visit; the page itself reports any error.
        app.test_client().get("/")
        port = listener.getsockname()[1]
        print(f"Results at http://{host_in_url(host)}:{port}/ (Ctrl-C stops)", flush=True)
        if not is_loopback(host):
            print("Anyone who can reach this machine can watch the videos.", file=sys.stderr)
        waitress.serve(app, sockets=[listener], threads=SERVER_THREADS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
