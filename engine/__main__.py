"""Serves the embedded video platform (API v1.1 and v1.2) until it is stopped."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence

from core.command_line import make_parser, read_settings, tell
from core.errors import UserError

STOP_WITHIN_S = 10.0

OPTIONS = {
    "--host": "engine_host",
    "--port": "engine_port",
    "--data-dir": "engine_data_dir",
    "--api-key": "engine_api_key",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or a termination signal; 2 when the engine cannot start."""
    given = make_parser(__doc__, OPTIONS, "python -m engine").parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):  # a second one changes nothing
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = read_settings(given, OPTIONS)
        # --help and a wrong option need not wait for the models and the server.
        from engine.server import EngineOptions, running_engine

        with running_engine(EngineOptions.of(settings)) as url:
            print(f"Engine ready: API_URL={url}/v1.2 (also /v1.1)", flush=True)
            stop.wait()
            threading.Thread(target=_end_in_time, daemon=True).start()
        print("Stopped; unfinished tasks go on at the next start.", file=sys.stderr)
    except UserError as error:
        return tell(error)
    return 0


def _end_in_time() -> None:
    """End where a step takes too long to stop: what a kill interrupts is resumed as well."""
    time.sleep(STOP_WITHIN_S)
    print("Stopped in the middle of a task, which is resumed at the next start.", file=sys.stderr)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
