"""Finds or creates the index that the settings name, and checks that this run can use it."""

from __future__ import annotations

from core.errors import UserError
from core.settings import Settings
from core.types import Index
from steps.console import Console
from twelvelabs_client import Conflict, TwelveLabsClient


def open_index(client: TwelveLabsClient, settings: Settings, console: Console) -> Index:
    """The index that the settings name, emptied first if it is outdated and `reindex` says so.

    Raises UserError if it cannot be used.
    """
    index = create_index(client, settings)
    if settings.reindex and index.outdated:
        console.say(
            f"Reindexing: the evidence in the index {settings.index_name!r} was made by other"
            " models or in another format version. The index is emptied first (videos:"
            f" {index.video_count}, including those of other folders)"
        )
        client.delete_index(index.index_id)
        index = create_index(client, settings)
    require_usable(index, settings)
    return index


def create_index(client: TwelveLabsClient, settings: Settings) -> Index:
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


def require_usable(index: Index, settings: Settings) -> None:
    """Raises UserError for an index that lacks an option or was made by other models."""
    held = index.options
    lacking = [option for option in settings.options if held and option not in held]
    if lacking:
        raise UserError(
            f"the index {settings.index_name!r} was made without {', '.join(lacking)}: name"
            f" another one with --index, or only {','.join(sorted(held))} with --options"
        )
    if index.outdated:
        raise UserError(
            f"the evidence in the index {settings.index_name!r} ({', '.join(index.outdated)}) was"
            " made by other models or in another format version: index its videos again with"
            " --reindex yes, name another index with --index, or set VISUAL_MODEL and SPEECH_MODEL"
            " back"
        )
