"""What the views of an app share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask import Flask, current_app

from core.classification import Thresholds
from engine.api.limits import RateLimiter
from engine.api.links import ThumbnailLinks
from engine.api.page_tokens import ResultPages
from engine.retrieval.classify import VideoClasses
from engine.service import Service


@dataclass(frozen=True)
class ApiOptions:
    """Options of the API.

    If there is a key, clients must send it as `x-api-key`. `thresholds` apply where a request gives
    none; `rate_limit` is in calls a minute for each group of routes, 0 for no limit.
    """

    api_key: str = field(default="", repr=False)
    thresholds: Thresholds = field(default_factory=Thresholds)
    rate_limit: int = 0


@dataclass(frozen=True)
class State:
    """The service, and what the HTTP layer stores between requests."""

    service: Service
    options: ApiOptions
    limiter: RateLimiter
    links: ThumbnailLinks = field(default_factory=ThumbnailLinks)
    classified: ResultPages[VideoClasses, Any] = field(default_factory=ResultPages)
    found: ResultPages[Any, Any] = field(default_factory=ResultPages)


def attach(app: Flask, state: State) -> None:
    """Set the state of an app."""
    app.extensions["engine"] = state


def state() -> State:
    """The state of the app that handles the current request."""
    found: State = current_app.extensions["engine"]
    return found


def service() -> Service:
    """The service of the app that handles the current request."""
    return state().service
