"""`python -m engine.media.child`: decodes videos for the process that started it.

Files may come from anyone, and decoders are large C programs: one that crashes or uses up all
memory ends this process and nothing else. `decoder.py` starts and controls it. A request is a line
of JSON on standard input; the responses are messages on standard output, each a line of JSON that
is followed by as many bytes as its "bytes" says. The process ends with its standard input.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import av.error

from engine.media import AudioBlock, DecodeReport, Frame, MediaError, decode, probe
from engine.media.files import NO_MEMORY

Message = tuple[dict[str, Any], bytes | memoryview]


def main() -> None:
    """Handle requests until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the parent process
    responses = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output of a library must not mix with the messages
    _limit_memory(int(sys.argv[1]))
    for line in sys.stdin.buffer:
        for header, content in _respond(json.loads(line)):
            _send(responses, header, content)


def _respond(request: dict[str, Any]) -> Iterator[Message]:
    _limit_processor_time(request.pop("cpu_s"))
    path = Path(os.fsdecode(bytes.fromhex(request.pop("path"))))
    try:
        if request.pop("call") == "probe":
            yield {"kind": "info", **asdict(probe(path))}, b""
        else:
            yield from _decoded(path, request)
    except MediaError as error:
        yield {"kind": "error", "message": error.message, "code": error.code}, b""
    except (MemoryError, av.error.MemoryError):
        yield {"kind": "error", "message": NO_MEMORY, "code": "video_file_broken"}, b""


def _decoded(path: Path, options: dict[str, Any]) -> Iterator[Message]:
    report = DecodeReport()
    for item in decode(path, report=report, **options):
        if isinstance(item, Frame):
            header = {"kind": "frame", "time_s": item.time_s, "shape": item.image.shape}
            yield header, item.image.data.cast("B")
        elif isinstance(item, AudioBlock):
            yield {"kind": "audio", "time_s": item.start_s}, item.samples.data.cast("B")
    yield {"kind": "end", **asdict(report)}, b""


def _send(responses: BinaryIO, header: dict[str, Any], content: bytes | memoryview) -> None:
    responses.write(json.dumps({**header, "bytes": len(content)}).encode() + b"\n")
    responses.write(content)
    responses.flush()


def _limit_memory(most: int) -> None:
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _limit_processor_time(seconds: float) -> None:
    """Let the system end this process after this many more seconds of work."""
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time() + seconds) + 1, most))


if __name__ == "__main__":
    main()
