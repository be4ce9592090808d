"""Finds or creates the index that the settings name, and checks that this run can use it."""

from __future__ import annotations

from typing import Any

from core.settings import Settings
from steps.console import Console
from steps.errors import PipelineError
from twelvelabs_client import Conflict, TwelveLabsClient

Json = dict[str, Any]


def open_index(client: TwelveLabsClient, settings: Settings, console: Console) -> Json:
    """The index that the settings name, emptied first if it is outdated and `reindex` says so.

    Raises PipelineError if it cannot be used.
    """
    index = create_index(client, settings)
    if settings.reindex == "yes" and index.get("outdated"):
        console.say(
            f"Reindexing: the evidence in the index {settings.index_name!r} was made by other"
            " models or in another format version. The index is emptied first (videos:"
            f" {index.get('video_count', 0)}, including those of other folders)"
        )
        client.delete_index(index["_id"])
        index = create_index(client, settings)
    require_usable(index, settings)
    return index


def create_index(client: TwelveLabsClient, settings: Settings) -> Json:
    """The index that the settings name, created if there is none."""
    index = client.find_index(settings.index_name)
    if index is None:
        try:
            index = client.index(client.create_index(settings.index_name, settings.options))
        except Conflict:  # another run has just created it
            index = client.find_index(settings.index_name)
            if index is None:
                raise
    return index


def require_usable(index: Json, settings: Settings) -> None:
    """Raises PipelineError for an index that lacks an option or was made by other models."""
    held = set(index.get("index_options") or ()).union(
        *(engine.get("engine_options") or () for engine in index.get("engines") or ())
    )
    lacking = [option for option in settings.options if held and option not in held]
    if lacking:
        raise PipelineError(
            f"the index {settings.index_name!r} was made without {', '.join(lacking)}: name"
            f" another one with --index, or only {','.join(sorted(held))} with --options"
        )
    if outdated := index.get("outdated"):
        raise PipelineError(
            f"the evidence in the index {settings.index_name!r} ({', '.join(outdated)}) was made by"
            " other models or in another format version: index its videos again with --reindex yes,"
            " name another index with --index, or set VISUAL_MODEL and SPEECH_MODEL back"
        )
