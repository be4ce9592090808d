"""Runs the platform as an HTTP server on one data folder."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cheroot.wsgi import Server
from filelock import FileLock, Timeout

from engine.api import create_app
from engine.models import ModelChoice, chosen_models
from engine.models.store import ModelError
from engine.service import Service

# Enough for every upload worker a client may have, its polls and a few callers more.
HTTP_THREADS = 32


class EngineError(Exception):
    """The engine cannot start; the message says why and what to do."""


@dataclass(frozen=True)
class EngineOptions:
    """What a server needs to know; port 0 takes any free one, workers 0 one per processor."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 0
    api_key: str = ""
    workers: int = 0
    database_url: str = ""
    models: ModelChoice = field(default_factory=ModelChoice)


@contextmanager
def running_engine(options: EngineOptions) -> Iterator[str]:
    """Serve for as long as the body runs; yields the URL, without a version.

    Raises EngineError where another engine uses the folder, the address is taken, or a model that
    was asked for is not there.
    """
    try:
        models = chosen_models(options.models, threads=1)
    except ModelError as error:
        raise EngineError(str(error)) from error
    with _sole_use(options.data_dir):
        workers = options.workers or os.cpu_count() or 1
        service = Service(
            options.data_dir,
            models,
            workers=workers,
            database_url=options.database_url,
        )
        with service:
            server = Server(
                (options.host, options.port),
                create_app(service, options.api_key),
                numthreads=HTTP_THREADS,
                server_name="engine",
            )
            with _serving(server):
                host, port = server.bind_addr
                yield f"http://{host}:{port}"


@contextmanager
def _sole_use(data_dir: Path) -> Iterator[None]:
    """Two engines on one folder would index everything twice and lose each other's files."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = FileLock(data_dir / "engine.lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise EngineError(
            f"Another engine is using {data_dir}: stop it, or choose another folder "
            "(ENGINE_DATA_DIR or --data-dir)."
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
