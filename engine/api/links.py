"""Presigned URLs of thumbnails, which work for an hour without an API key.

A URL contains the video and the time, signed with a key that is new at every start of the engine.
"""

from __future__ import annotations

import secrets

from flask import request
from itsdangerous import BadData, URLSafeTimedSerializer

from engine.api.responses import Links
from engine.errors import PlatformError

LIFETIME_S = 3600
PATH = "/thumbnails"


class ThumbnailLinks:
    """Signs and reads the URLs of thumbnails."""

    def __init__(self) -> None:
        self._signer = URLSafeTimedSerializer(secrets.token_bytes(32), salt="thumbnail")

    def here(self) -> Links:
        """Makes URLs on the host that the current request was sent to."""
        root = request.host_url.rstrip("/")
        links: dict[tuple[str, float], str] = {}

        def link(video_id: str, time_s: float) -> str:
            target = (video_id, round(time_s, 1))
            if target not in links:
                links[target] = f"{root}{PATH}/{self._signer.dumps(target)}"
            return links[target]

        return link

    def read(self, token: str) -> tuple[str, float]:
        """The video and the time of a URL."""
        try:
            video_id, time_s = self._signer.loads(token, max_age=LIFETIME_S)
        except BadData:
            raise PlatformError(
                "resource_not_exist", "The link is wrong or older than an hour: request a new one."
            ) from None
        return str(video_id), float(time_s)
