"""Runs the platform as an HTTP server on one data folder."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cheroot.server import HTTPConnection, HTTPRequest
from cheroot.wsgi import Server
from filelock import FileLock, Timeout

from core.classification import Thresholds
from core.errors import UserError
from core.settings import Settings
from engine.api import ApiOptions, create_app
from engine.indexing.tasks import API_MAX_VIDEO_BYTES
from engine.models.choice import ModelChoice, chosen_models
from engine.service import Service

# Enough for every upload worker that a client may have, its polling and a few other clients.
HTTP_THREADS = 32
# The rest of a refused request's body is read up to this size, so that the client gets the
# response; beyond it, the connection is closed.
MAX_UNREAD_BYTES = 64 * 1024**2
CHUNK_BYTES = 256 * 1024


class EngineError(UserError):
    """The engine cannot use its folder or its address; the message says what to do."""

    title = "The engine cannot start"
    page_status = 503


@dataclass(frozen=True)
class EngineOptions:
    """Options of a server; port 0 stands for any free one, workers 0 for one per processor."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 0
    api_key: str = field(default="", repr=False)
    workers: int = 0
    database_url: str = ""
    models: ModelChoice = field(default_factory=ModelChoice)
    thresholds: Thresholds = field(default_factory=Thresholds)
    rate_limit: int = 0
    fetch_private: bool = False
    max_video_bytes: int = API_MAX_VIDEO_BYTES

    @classmethod
    def of(cls, settings: Settings) -> EngineOptions:
        """The options in the settings, for an engine that serves other programs."""
        return cls(
            data_dir=settings.engine_data_dir,
            host=settings.engine_host,
            port=settings.engine_port,
            api_key=settings.engine_api_key,
            workers=settings.engine_workers,
            database_url=settings.database_url,
            models=ModelChoice.of(settings),
            thresholds=settings.thresholds,
            rate_limit=settings.engine_rate_limit,
            fetch_private=settings.engine_fetch_private,
            max_video_bytes=round(settings.engine_max_video_gb * 1024**3),
        )

    def embedded(self) -> EngineOptions:
        """The same options for this program alone: on any free local port, without limits."""
        return EngineOptions(
            data_dir=self.data_dir,
            workers=self.workers,
            database_url=self.database_url,
            models=self.models,
            max_video_bytes=sys.maxsize,
        )


@contextmanager
def running_engine(options: EngineOptions) -> Iterator[str]:
    """Serve for as long as the body runs; yields the URL, without a version.

    Raises EngineError if another engine uses the folder or the address is taken, CatalogError for a
    damaged catalogue, and ModelError for a damaged or missing model.
    """
    models = chosen_models(options.models, threads=1, check=True)
    with _sole_use(options.data_dir):
        workers = options.workers or os.cpu_count() or 1
        service = Service(
            options.data_dir,
            models,
            workers=workers,
            database_url=options.database_url,
            fetch_private=options.fetch_private,
            max_video_bytes=options.max_video_bytes,
        )
        api_options = ApiOptions(options.api_key, options.thresholds, options.rate_limit)
        with service, served(service, api_options, options.host, options.port) as url:
            yield url


@contextmanager
def served(
    service: Service, options: ApiOptions, host: str = "127.0.0.1", port: int = 0
) -> Iterator[str]:
    """Serve HTTP for a service for as long as the body runs; yields the URL."""
    app = create_app(service, options)
    server = Server((host, port), app, numthreads=HTTP_THREADS, server_name="engine")
    server.ConnectionClass = _Connection
    with _serving(server):
        bound_host, bound_port = server.bind_addr
        yield f"http://{bound_host}:{bound_port}"


class _Request(HTTPRequest):
    """A request that can be refused before its body is read, in constant memory."""

    def send_headers(self) -> None:
        """Read the body to its end, or close the connection."""
        if self.chunked_read:
            self.close_connection |= not self.rfile.closed
        elif not 0 <= getattr(self.rfile, "remaining", 0) <= MAX_UNREAD_BYTES:
            self.close_connection = True
        else:
            while getattr(self.rfile, "remaining", 0) and self.rfile.read(CHUNK_BYTES):
                pass
        super().send_headers()


class _Connection(HTTPConnection):
    RequestHandlerClass = _Request


@contextmanager
def _sole_use(data_dir: Path) -> Iterator[None]:
    """Lock the folder: two engines would index everything twice and delete each other's files."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(data_dir / "engine.lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise EngineError(
            f"Another engine is using {data_dir}; it may belong to a pipeline or a prompt lab that "
            "is still running. Wait until it ends, stop it, or choose another folder with "
            "ENGINE_DATA_DIR."
        ) from None
    except OSError as error:
        raise EngineError(f"Cannot write to {data_dir}: {error.strerror or error}.") from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _serving(server: Server) -> Iterator[None]:
    try:
        server.prepare()
    except OSError as error:
        host, port = server.bind_addr
        raise EngineError(f"Cannot listen on {host}:{port}: {error.strerror or error}.") from error
    thread = threading.Thread(target=server.serve, name="engine-http", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.stop()
        thread.join()
