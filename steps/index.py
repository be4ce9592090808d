"""Finds or makes the index of the settings, and tells whether this run can use it."""

from __future__ import annotations

from typing import Any

from core.settings import Settings
from steps.console import Console
from steps.errors import PipelineError
from twelvelabs_client import Conflict, TwelveLabsClient

Json = dict[str, Any]


def open_index(client: TwelveLabsClient, settings: Settings, console: Console) -> Json:
    """The index of the settings, made anew where it is outdated and that is asked for.

    Raises PipelineError where it cannot be used.
    """
    index = create_index(client, settings)
    if settings.reindex == "yes" and index.get("outdated"):
        console.say(
            "Indexing again: other models, or another edition of the engine, made the evidence of"
            f" the index {settings.index_name!r}, which is emptied (videos:"
            f" {index.get('video_count', 0)}, of other folders too)"
        )
        client.delete_index(index["_id"])
        index = create_index(client, settings)
    require_usable(index, settings)
    return index


def create_index(client: TwelveLabsClient, settings: Settings) -> Json:
    """The index of the name in the settings, made if there is none."""
    index = client.find_index(settings.index_name)
    if index is None:
        try:
            index = client.index(client.create_index(settings.index_name, settings.options))
        except Conflict:  # another run was faster
            index = client.find_index(settings.index_name)
            if index is None:
                raise
    return index


def require_usable(index: Json, settings: Settings) -> None:
    """Raises PipelineError for an index that lacks an option, or that other models made."""
    held = set(index.get("index_options") or ()).union(
        *(engine.get("engine_options") or () for engine in index.get("engines") or ())
    )
    lacking = [option for option in settings.options if held and option not in held]
    if lacking:
        raise PipelineError(
            f"the index {settings.index_name!r} was made without {', '.join(lacking)}: take another"
            f" one with --index, or only {','.join(sorted(held))} with --options"
        )
    if outdated := index.get("outdated"):
        raise PipelineError(
            "other models than those in use now, or another edition of the engine, made the"
            f" evidence ({', '.join(outdated)}) of the index {settings.index_name!r}: index its"
            " videos again with --reindex yes, take another index with --index, or set"
            " VISUAL_MODEL and SPEECH_MODEL as they were"
        )
