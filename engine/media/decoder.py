"""Reads videos in a process of their own, so that none can take the engine with it.

    with Decoders() as decoders:
        info = decoders.probe(path)
        for item in decoders.decode(path, info.duration_s, report=DecodeReport()):
            ...

The process, `child.py`, is started with the first video and anew after a crash. It has limits of
memory and of processor time, and is ended when it hangs.
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
from types import TracebackType
from typing import Any, cast

import numpy as np

from engine.media.files import DecodeReport, MediaError, MediaInfo
from engine.media.pictures import Frame
from engine.media.sound import AudioBlock

# What FFmpeg and numpy may ask for in all; pictures of 8K take half of it.
MOST_MEMORY = 2 * 1024**3
PROBE_CPU_S = 120.0
# Processor seconds for a second of video: four times what 8K takes on one slow core.
CPU_S_PER_S = 40.0
# No picture or sound for so long: whoever reads the file hangs. A large file from a slow disk has
# to be read once before the first picture.
SILENT_S = 120.0
SLOWEST_BYTES_PER_S = 2_000_000
WATCH_EVERY_S = 1.0
PIPE_BYTES = 1024**2  # a picture goes through in one or two pieces
ROOT = Path(__file__).parents[2]
SIGXCPU = int(getattr(signal, "SIGXCPU", 0))  # not there on Windows

Message = tuple[dict[str, Any], bytearray]


class DecoderCrashed(MediaError):
    """The process that read the video was ended by the system, or had to be."""


class DecoderClosed(MediaError):
    """The video was not read to its end, because the decoder was closed."""

    def __init__(self) -> None:
        super().__init__("was not read to its end, because the program stops")


class Refusal(Exception):
    """The process answered that a video cannot be read: it goes on with the next one."""

    def __init__(self, reason: MediaError) -> None:
        super().__init__(reason.message)
        self.reason = reason


class Decoders:
    """Decoders for several threads: as many as work at the same time, kept from video to video."""

    def __init__(self) -> None:
        self._idle: SimpleQueue[Decoder] = SimpleQueue()
        self._all: list[Decoder] = []
        self._closed = False

    def __enter__(self) -> Decoders:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End all processes; calls in work raise DecoderClosed, and so do later ones."""
        self._closed = True
        for decoder in list(self._all):
            decoder.close()

    def probe(self, path: Path) -> MediaInfo:
        """As `engine.media.probe`, in a process of its own."""
        with self._borrowed() as decoder:
            return decoder.probe(path)

    def decode(
        self, path: Path, duration_s: float, *, report: DecodeReport, **options: Any
    ) -> Iterator[Frame | AudioBlock]:
        """As `engine.media.decode`, in a process of its own."""
        with self._borrowed() as decoder:
            yield from decoder.decode(path, duration_s, report=report, **options)

    @contextmanager
    def _borrowed(self) -> Iterator[Decoder]:
        try:
            decoder = self._idle.get_nowait()
        except Empty:
            decoder = Decoder()
            self._all.append(decoder)
        if self._closed:  # also one that was made while the others were closed
            decoder.close()
        try:
            yield decoder
        finally:
            self._idle.put(decoder)


class Decoder:
    """One process that reads videos, one at a time; `Decoders` shares several among threads."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._due: float | None = None  # when the process has to have said something
        self._hung = False
        self._closed = threading.Event()

    def close(self) -> None:
        """End the process; a call that another thread has in work raises DecoderClosed."""
        self._closed.set()
        self._end()

    def probe(self, path: Path) -> MediaInfo:
        """Read what a file is and decode its first picture; raises MediaError."""
        with self._answers(path, {"call": "probe", "cpu_s": PROBE_CPU_S}) as messages:
            header, _ = next(messages)
        del header["kind"]
        return MediaInfo(**header)

    def decode(
        self, path: Path, duration_s: float, *, report: DecodeReport, **options: Any
    ) -> Iterator[Frame | AudioBlock]:
        """What `engine.media.decode` gives of a video that lasts `duration_s`, and takes."""
        cpu_s = PROBE_CPU_S + CPU_S_PER_S * duration_s
        with self._answers(path, {"call": "decode", "cpu_s": cpu_s, **options}) as messages:
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
    def _answers(self, path: Path, request: dict[str, Any]) -> Iterator[Iterator[Message]]:
        """Send a request; yields what answers it. Leaving before its end ends the process."""
        name = os.fsencode(path.absolute()).hex()  # names of files need not be text
        process = self._started()
        is_whole = False
        try:
            with suppress(OSError):  # that it has ended shows when it is to answer
                stdin = cast(BufferedWriter, process.stdin)
                stdin.write(json.dumps({**request, "path": name}).encode() + b"\n")
                stdin.flush()
            yield self._messages(process, _longest_silence_s(path))
            is_whole = True
        except Refusal as refusal:
            is_whole = True
            raise refusal.reason from None
        finally:
            if not is_whole:
                self._end()

    def _messages(
        self, process: subprocess.Popen[bytes], longest_silence_s: float
    ) -> Iterator[Message]:
        while True:
            self._due = time.monotonic() + longest_silence_s
            message = _read(cast(BufferedReader, process.stdout))
            self._due = None
            if message is None:
                raise self._why_ended(process)
            header, _ = message
            if header["kind"] == "error":
                raise Refusal(MediaError(header["message"], header["code"]))
            yield message

    def _why_ended(self, process: subprocess.Popen[bytes]) -> MediaError:
        """What ended the process, in words that follow the name of the file."""
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
            [sys.executable, "-m", "engine.media.child", str(MOST_MEMORY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=ROOT,
            # Threads of FFmpeg would else each have a heap of their own, which is never given back.
            env={**os.environ, "MALLOC_ARENA_MAX": "2"},
            pipesize=PIPE_BYTES,
        )
        self._hung = False
        watch = threading.Thread(target=self._watch, args=(process,), daemon=True)
        watch.start()
        return process

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """End a process that is due to say something and does not."""
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
    """The next message; None where the process has ended."""
    try:
        line = stdout.readline()
        if not line.endswith(b"\n"):
            return None
        header = json.loads(line)
        content = bytearray(header.pop("bytes"))
        return (header, content) if stdout.readinto(content) == len(content) else None
    except ValueError:  # closed meanwhile
        return None


def _longest_silence_s(path: Path) -> float:
    with suppress(OSError):
        return SILENT_S + path.stat().st_size / SLOWEST_BYTES_PER_S
    return SILENT_S
