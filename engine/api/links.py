"""Addresses of thumbnails that work for an hour without a key, as those of the platform did.

The address holds what it leads to, signed with a key that lives as long as the engine does.
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
    """Signs and reads addresses."""

    def __init__(self) -> None:
        self._signer = URLSafeTimedSerializer(secrets.token_bytes(32), salt="thumbnail")

    def here(self) -> Links:
        """Makes addresses under the one that the present request was sent to."""
        root = request.host_url.rstrip("/")
        made: dict[tuple[str, float], str] = {}

        def link(video_id: str, time_s: float) -> str:
            what = (video_id, round(time_s, 1))
            if what not in made:
                made[what] = f"{root}{PATH}/{self._signer.dumps(what)}"
            return made[what]

        return link

    def read(self, token: str) -> tuple[str, float]:
        """The video and the time that an address stands for."""
        try:
            video_id, time_s = self._signer.loads(token, max_age=LIFETIME_S)
        except BadData:
            raise PlatformError(
                "resource_not_exist", "The link is wrong or older than an hour: ask for another."
            ) from None
        return str(video_id), float(time_s)
