"""Makes small videos for tests, in any shape a test asks for."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np


def make_clip(
    path: Path,
    seconds: float = 1.0,
    *,
    width: int = 320,
    height: int = 240,
    fps: int = 8,
    faststart: bool = False,
    seed: int = 0,
) -> Path:
    """Write a silent H.264 video of slowly changing stripes; the container is by the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"movflags": "+faststart"} if faststart else {}
    formats = {".mp4": "mp4", ".m4v": "mp4", ".mkv": "matroska"}
    with av.open(
        str(path), "w", format=formats.get(path.suffix.lower()), options=options
    ) as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast"}
        stripes = np.arange(height, dtype=np.uint8)[:, None, None]
        for number in range(round(seconds * fps)):
            picture = np.broadcast_to(stripes * (seed + 3) + number * 5, (height, width, 3))
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def make_sound(path: Path, seconds: float = 1.0) -> Path:
    """Write a file with a sound track and no picture."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        for start in range(0, round(seconds * 48_000), 1024):
            tone = np.sin(np.arange(start, start + 1024, dtype=np.float32) / 20)[None] / 4
            frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            frame.sample_rate, frame.pts = 48_000, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
