"""Decodes videos in separate processes, so that none can crash the engine.

    with Decoders() as decoders:
        info = decoders.probe(path)
        for item in decoders.decode(path, info.duration_s, report=DecodeReport()):
            ...

A process (`child.py`) is started with the first video, and again after a crash. Its memory and
processor time are limited, and it is ended if it hangs.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedIOBase, BufferedReader, BufferedWriter
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, cast

import numpy as np

from engine.media.audio import AudioBlock
from engine.media.files import DecodeReport, MediaError, MediaInfo
from engine.media.frames import Frame

# What FFmpeg and NumPy may allocate together; 8K frames take half of it.
MAX_MEMORY = 2 * 1024**3
PROBE_CPU_S = 120.0
# Processor seconds for a second of video: four times what 8K needs on one slow core.
CPU_S_PER_S = 40.0
# A process hangs if it gives no frame or audio for this long. A large file on a slow disk has to be
# read once before the first frame.
SILENT_S = 120.0
SLOWEST_BYTES_PER_S = 2_000_000
WATCH_EVERY_S = 1.0
PIPE_BYTES = 1024**2  # a frame passes in one or two parts
ROOT = Path(__file__).parents[2]
SIGXCPU = int(getattr(signal, "SIGXCPU", 0))  # does not exist on Windows

Message = tuple[dict[str, Any], bytearray]


class DecoderCrashed(MediaError):
    """The process that decoded the video crashed, or had to be ended."""


class DecoderClosed(MediaError):
    """The video was not completely decoded, because the decoder was closed."""

    def __init__(self) -> None:
        super().__init__("was not completely decoded, because the program is stopping")


class Refusal(Exception):
    """The process reported that a video cannot be decoded, and is ready for the next one."""

    def __init__(self, reason: MediaError) -> None:
        super().__init__(reason.message)
        self.reason = reason


class Decoders:
    """Decoders for several threads: one for each at a time, reused from video to video."""

    def __init__(self) -> None:
        self._idle: SimpleQueue[Decoder] = SimpleQueue()
        self._all: list[Decoder] = []
        self._closed = False

    def __enter__(self) -> Decoders:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all processes; current and later calls raise DecoderClosed."""
        self._closed = True
        for decoder in list(self._all):
            decoder.close()

    def probe(self, path: Path) -> MediaInfo:
        """Like `engine.media.probe`, in a separate process."""
        with self._borrowed() as decoder:
            return decoder.probe(path)

    def decode(
        self, path: Path, duration_s: float, *, report: DecodeReport, **options: Any
    ) -> Iterator[Frame | AudioBlock]:
        """Like `engine.media.decode`, in a separate process."""
        with self._borrowed() as decoder:
            yield from decoder.decode(path, duration_s, report=report, **options)

    @contextmanager
    def _borrowed(self) -> Iterator[Decoder]:
        try:
            decoder = self._idle.get_nowait()
        except Empty:
            decoder = Decoder()
            self._all.append(decoder)
        if self._closed:  # also one that was created while the others were closed
            decoder.close()
        try:
            yield decoder
        finally:
            self._idle.put(decoder)


class Decoder:
    """A process that decodes one video at a time; `Decoders` shares several among threads."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._due: float | None = None  # when its next message is due at the latest
        self._hung = False
        self._closed = threading.Event()

    def close(self) -> None:
        """End the process; a call in another thread raises DecoderClosed."""
        self._closed.set()
        self._end()

    def probe(self, path: Path) -> MediaInfo:
        """Read the properties of a file and decode its first frame; raises MediaError."""
        with self._responses(path, {"call": "probe", "cpu_s": PROBE_CPU_S}) as messages:
            header, _ = next(messages)
        del header["kind"]
        return MediaInfo(**header)

    def decode(
        self, path: Path, duration_s: float, *, report: DecodeReport, **options: Any
    ) -> Iterator[Frame | AudioBlock]:
        """Like `engine.media.decode`, for a video of `duration_s`."""
        cpu_s = PROBE_CPU_S + CPU_S_PER_S * duration_s
        with self._responses(path, {"call": "decode", "cpu_s": cpu_s, **options}) as messages:
            for header, content in messages:
                kind = header.pop("kind")
                if kind == "end":
                    vars(report).update(header)
                    return
                if kind == "frame":
                    image = np.frombuffer(content, np.uint8).reshape(header["shape"])
                    yield Frame(header["time_s"], image)
                else:
                    yield AudioBlock(header["time_s"], np.frombuffer(content, np.float32))

    @contextmanager
    def _responses(self, path: Path, request: dict[str, Any]) -> Iterator[Iterator[Message]]:
        """Send a request and yield the messages; leaving before the last one ends the process."""
        name = os.fsencode(path.absolute()).hex()  # file names need not be text
        process = self._started()
        is_complete = False
        try:
            with suppress(OSError):  # a process that has ended is noticed when it should respond
                stdin = cast(BufferedWriter, process.stdin)
                stdin.write(json.dumps({**request, "path": name}).encode() + b"\n")
                stdin.flush()
            yield self._messages(process, _max_silence_s(path))
            is_complete = True
        except Refusal as refusal:
            is_complete = True
            raise refusal.reason from None
        finally:
            if not is_complete:
                self._end()

    def _messages(
        self, process: subprocess.Popen[bytes], max_silence_s: float
    ) -> Iterator[Message]:
        while True:
            self._due = time.monotonic() + max_silence_s
            message = _read(cast(BufferedReader, process.stdout))
            self._due = None
            if message is None:
                raise self._why_ended(process)
            header, _ = message
            if header["kind"] == "error":
                raise Refusal(MediaError(header["message"], header["code"]))
            yield message

    def _why_ended(self, process: subprocess.Popen[bytes]) -> MediaError:
        """Why the process has ended, in words that follow the name of the file."""
        if self._closed.is_set():
            return DecoderClosed()
        status = process.wait()
        if self._hung:
            return DecoderCrashed("takes too long to decode")
        if status == -SIGXCPU:
            return DecoderCrashed("takes far longer to decode than a video of its length")
        try:
            return DecoderCrashed(f"makes the decoder crash ({signal.Signals(-status).name})")
        except ValueError:
            return DecoderCrashed(f"makes the decoder end (exit status {status})")

    def _started(self) -> subprocess.Popen[bytes]:
        if self._closed.is_set():
            raise DecoderClosed
        if self._process is None or self._process.poll() is not None:
            self._end()
            self._process = self._start()
        return self._process

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(  # noqa: S603 - a program of this project
            [sys.executable, "-m", "engine.media.child", str(MAX_MEMORY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            # Otherwise each FFmpeg thread has a heap of its own, which is never released.
            env={**os.environ, "MALLOC_ARENA_MAX": "2"},
            pipesize=PIPE_BYTES,
        )
        self._hung = False
        watch = threading.Thread(target=self._watch, args=(process,), daemon=True)
        watch.start()
        return process

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """End a process whose next message is overdue."""
        while process.poll() is None and not self._closed.wait(WATCH_EVERY_S):
            due = self._due
            if due is not None and time.monotonic() > due and process is self._process:
                self._hung = True
                process.kill()

    def _end(self) -> None:
        process, self._process, self._due = self._process, None, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError, ValueError):
                    cast(BufferedIOBase, pipe).close()


def _read(stdout: BufferedReader) -> Message | None:
    """The next message; None if the process has ended."""
    try:
        line = stdout.readline()
        if not line.endswith(b"\n"):
            return None
        header = json.loads(line)
        content = bytearray(header.pop("bytes"))
        return (header, content) if stdout.readinto(content) == len(content) else None
    except ValueError:  # the pipe was closed meanwhile
        return None


def _max_silence_s(path: Path) -> float:
    with suppress(OSError):
        return SILENT_S + path.stat().st_size / SLOWEST_BYTES_PER_S
    return SILENT_S
