"""Serves the page: what the pipeline found, with a player beside the clips that prove it.

Without --videos, videos are played from where the pipeline found them. Only the prompt lab writes
anything, and only into the results folder.
"""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.command_line import make_parser, read_settings, tell
from core.errors import UserError
from core.settings import load_settings

if TYPE_CHECKING:
    from flask import Flask

SERVER_THREADS = 8  # a slow reader holds none of them, see `page.video_files.send_video`

# The application


def create_app(config: Mapping[str, Any] | None = None) -> Flask:
    """Make the application; `config` overrides the settings.

    RESULTS_DIR is the folder to show. VIDEOS_DIR, if given, is where the videos are; otherwise they
    are where the run found them, or where the settings say. HOST is the address it listens on, see
    `page.security.protect`. SETTINGS are those with which the prompt lab opens its platform.
    """
    # Flask and what stands on it are imported here, because --help need not wait for them.
    from flask import Flask

    from page import downloads, routes
    from page.errors import add_error_pages
    from page.formatting import FILTERS
    from page.lab import routes as lab
    from page.results_cache import ResultsCache, attach_cache
    from page.security import protect

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
    "--results": "results_dir",
    "--videos": "videos_dir",
    "--engine-data-dir": "engine_data_dir",
    "--host": "host",
    "--port": "port",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until interrupted; returns 2 if it cannot start."""
    given = make_parser(__doc__, OPTIONS).parse_args(arguments)
    try:
        settings = read_settings(given, OPTIONS)
        listener = listen(settings.host, settings.port)
    except UserError as error:
        return tell(error)
    with listener, suppress(KeyboardInterrupt):  # also while it is starting
        app = create_app(
            {
                "RESULTS_DIR": settings.results_dir,
                "VIDEOS_DIR": settings.videos_dir if given.videos_dir is not None else None,
                "HOST": settings.host,
                "SETTINGS": settings,
            }
        )
        serve(app, listener, settings.host)
    return 0


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; raises UserError if the address cannot be used."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UserError(
            f"Cannot listen on {host}, port {port}: {error.strerror or error}. Choose another"
            " with --port, or any free one with --port 0."
        ) from error


def serve(app: Flask, listener: socket.socket, host: str) -> None:
    """Answer requests until interrupted."""
    import waitress

    from core.addresses import is_loopback

    # Waitress warns of every request that waits a moment; the user cannot act on that.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    # Read, judge and render once before the first visit; the page itself reports any error.
    app.test_client().get("/")
    port = listener.getsockname()[1]
    print(f"Results at http://{host_in_url(host)}:{port}/ (Ctrl-C stops)", flush=True)
    if not is_loopback(host):
        print("Anyone who can reach this machine can watch the videos.", file=sys.stderr)
    waitress.serve(app, sockets=[listener], threads=SERVER_THREADS)


if __name__ == "__main__":
    sys.exit(main())
