"""One run of the pipeline: what its steps share."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.settings import Settings
from core.types import ClassifyRequest, Index
from platforms.connect import Platform
from steps.console import Console
from steps.folder import VideoFile
from store.records import LeftOut
from twelvelabs_client import TwelveLabsClient


@dataclass
class Job:
    """One run: what its steps work with, and what became of the folder's files.

    `uploaded` are the files of this run by name, with the video id once the video is ready, or "".
    """

    settings: Settings
    console: Console
    request: ClassifyRequest
    platform: Platform
    index: Index
    videos: list[VideoFile]
    refused: list[LeftOut]
    failed: list[LeftOut] = field(default_factory=list)
    uploaded: dict[str, str] = field(default_factory=dict)

    @property
    def client(self) -> TwelveLabsClient:
        return self.platform.client

    @property
    def index_id(self) -> str:
        return self.index.index_id

    def left_out(self) -> set[str]:
        """Names of the files that this run does not classify."""
        return {entry.video_name for entry in (*self.refused, *self.failed)}
