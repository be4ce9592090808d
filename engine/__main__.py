"""`python -m engine`: serve the platform until it is stopped."""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from core.classification import Thresholds
from core.errors import UserError
from core.settings import Settings, load_settings
from engine.models.choice import ModelChoice
from engine.server import EngineOptions, running_engine


def main(arguments: list[str] | None = None) -> int:
    """Serve until Ctrl-C or a termination signal; 2 when the engine cannot start."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        options = _options(arguments, load_settings())
        with running_engine(options) as url:
            print(f"Engine ready: API_URL={url}/v1.2 (also /v1.1)", flush=True)
            stop.wait()
    except KeyboardInterrupt:
        print("Stopped; unfinished tasks go on at the next start.", file=sys.stderr)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _options(arguments: list[str] | None, settings: Settings) -> EngineOptions:
    parser = argparse.ArgumentParser(
        prog="python -m engine",
        description="Serve the embedded video platform (API v1.1 and v1.2).",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--host", default=settings.engine_host, help="address to listen on")
    parser.add_argument(
        "--port", type=int, default=settings.engine_port, help="port to listen on; 0: any free one"
    )
    parser.add_argument(
        "--data-dir",
        type=Path,
        default=settings.engine_data_dir,
        help="folder of the catalogue and the evidence",
    )
    parser.add_argument(
        "--api-key", metavar="KEY", help="ask callers for this key (default: ENGINE_API_KEY)"
    )
    given = parser.parse_args(arguments)
    return EngineOptions(
        data_dir=given.data_dir,
        host=given.host,
        port=given.port,
        api_key=settings.engine_api_key if given.api_key is None else given.api_key,
        workers=settings.engine_workers,
        database_url=settings.database_url,
        models=ModelChoice(
            visual=settings.visual_model,
            visual_revision=settings.visual_model_revision,
            speech=settings.speech_model,
            models_dir=settings.models_dir,
        ),
        thresholds=Thresholds(
            settings.min_video_score, settings.min_clip_score, settings.min_duration_ratio
        ),
        rate_limit=settings.engine_rate_limit,
        fetch_private=settings.engine_fetch_private == "yes",
        max_video_bytes=round(settings.engine_max_video_gb * 1024**3),
    )


if __name__ == "__main__":
    sys.exit(main())
