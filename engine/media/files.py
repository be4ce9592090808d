"""Opening files of any origin, and what is known about them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import av
import av.container
import av.error
from av.container import InputContainer

MAX_PIXELS = 8192 * 8192  # pixels; 8K (7680 x 4320) is half of it
MAX_SIDE = 16_384

# FFmpeg's demuxers that read a single file. Playlists and the like (hls, dash, concat, image2, sdp,
# ...) are left out, because they would read other files on behalf of the uploader. Audio formats
# are included so that a song is refused with the right reason.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h263,h264,hevc,vc1,av1,obu"
    ",ivf,flv,live_flv,asf,ogg,mxf,gxf,nut,wtv,dv,rm,mjpeg,gif,apng,yuv4mpegpipe"
    ",aac,ac3,aiff,amr,caf,flac,mp3,wav"
)
NO_MEMORY = "needs more memory to decode than a video may take"
TOLERANCE_S = 2.0  # a greater difference of durations means that the file is cut off
MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide")


class MediaError(Exception):
    """A file that cannot be used as a video.

    `message` says why, in words that follow the name of the file; `code` is the platform's error
    code (`video_...`).
    """

    def __init__(self, message: str, code: str = "video_file_broken") -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@dataclass(frozen=True)
class MediaInfo:
    """What a player would show: width and height are upright and in square pixels.

    `duration_s` is the actual duration, which may be less than the header's `header_s` (0 if the
    header has none); `fps` is the average. `undecodable_audio` says that the file has audio, but
    none that can be decoded.
    """

    duration_s: float
    fps: float
    width: int
    height: int
    has_audio: bool
    header_s: float = 0.0
    undecodable_audio: bool = False


@dataclass
class DecodeReport:
    """What `decode` encountered, filled while it runs.

    `frames` counts those decoded (fewer than the file has), `sampled` those that were given.
    `broken_frames` and `broken_audio` count frames and audio packets that could not be decoded or
    are damaged. `audio_language` is what the audio track that was used is marked with (ISO 639),
    and `is_speech_foreign` that the speech recogniser does not know it. `end_s` is the end of the
    last frame or audio.
    """

    frames: int = 0
    sampled: int = 0
    broken_frames: int = 0
    broken_audio: int = 0
    end_s: float = 0.0
    audio_language: str = ""
    is_speech_foreign: bool = False

    def damage(self, info: MediaInfo) -> str:
        """What is wrong with the file, in words that follow its name; "" if nothing is."""
        counts = {"frames": self.broken_frames, "audio packets": self.broken_audio}
        found = [f"damaged {what}: {count}" for what, count in counts.items() if count]
        if info.header_s - info.duration_s > TOLERANCE_S:
            found.append(
                f"ends after {info.duration_s:.1f} of the {info.header_s:.1f} s that its header "
                "promises"
            )
        if info.undecodable_audio:
            found.append("its audio is in a format that cannot be decoded here")
        if self.is_speech_foreign:
            found.append(
                f"its audio is marked as language {self.audio_language!r}, which the speech"
                " recogniser does not know"
            )
        return "; ".join(found)


def open_container(path: Path) -> InputContainer:
    """Open a file of any origin, and no other; raises MediaError."""
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise MediaError("is empty")
    except OSError as error:
        raise MediaError(f"cannot be read: {error.strerror}") from error
    try:
        return av.open(
            f"file:{path}",  # so that no name is read as a URL
            "r",
            options={
                "protocol_whitelist": "file",
                "format_whitelist": FORMATS,
                "max_pixels": str(MAX_PIXELS),
            },
            metadata_errors="replace",
        )
    except av.error.ArgumentError as error:
        raise MediaError("is not a video, but a playlist, an image or something else") from error
    except av.error.MemoryError:
        raise MediaError(NO_MEMORY) from None
    except av.error.FFmpegError as error:
        if _lacks_moov(path):
            raise MediaError(
                "is incomplete, its moov atom is missing: copy or export it again"
            ) from error
        raise MediaError(f"cannot be read as a video: {_reason(error)}") from error


def _reason(error: av.error.FFmpegError) -> str:
    if isinstance(error, av.error.InvalidDataError):
        return "its format is unknown, or its beginning is damaged"
    if isinstance(error, av.error.EOFError):
        return "the file is cut off"
    return error.strerror or type(error).__name__


def _lacks_moov(path: Path) -> bool:
    """Whether it is an MP4 without its index (moov), which is often written last."""
    with path.open("rb") as file:
        end, position = file.seek(0, os.SEEK_END), 0
        for _ in range(1000):
            file.seek(position)
            header = file.read(16)
            if position == 0 and header[4:8] not in MP4_BOXES:
                return False
            length = int.from_bytes(header[:4], "big")
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            if length < 8 or position + length > end:
                return True
            if header[4:8] == b"moov":
                return False
            position += length
    return False
