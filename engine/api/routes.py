"""The table of all routes under a version."""

from __future__ import annotations

from engine.api import classify, engines, indexes, search, tasks, videos
from engine.api.routing import Route

ROUTES: tuple[Route, ...] = (
    *indexes.ROUTES,
    *tasks.ROUTES,
    *videos.ROUTES,
    *classify.ROUTES,
    *search.ROUTES,
    *engines.ROUTES,
)


def documentation() -> str:
    """The table of docs/api.md."""
    rows = "".join(
        f"| `{route.method}` | `{route.rule.replace('<', '{').replace('>', '}')}` "
        f"| {route.state} | {route.summary} |\n"
        for route in ROUTES
    )
    return "| method | route | state | what it does |\n| --- | --- | --- | --- |\n" + rows
