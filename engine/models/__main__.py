"""Fetch a better model, or show which models are in use: `python -m engine.models`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from core.settings import SettingError, Settings, load_settings
from engine.models.choice import ModelChoice, chosen_models
from engine.models.fetch import check_licence, fetch, look_up
from engine.models.store import (
    AUTO,
    CLIP_REPOSITORY,
    MAIN,
    REPOSITORY,
    ModelError,
    fetched,
    visual_folder,
)

# An optional fetch stands before a newcomer's first look at the page.
OPTIONAL_WAIT_S = 3.0
OPTIONAL_LIMIT_S = 120.0
KINDS = {
    "visual": "Picture",
    "conversation": "Speech",
    "text_in_video": "Screen text",
    "text": "Meaning of texts",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0: done (an optional fetch always is); 1: not fetched; 2: wrong settings."""
    options = _parser().parse_args(arguments)
    try:
        settings = load_settings()
    except SettingError as error:
        print(error, file=sys.stderr)
        return 2
    if options.command == "show":
        return show(settings)
    return fetch_command(options, settings)


def show(settings: Settings) -> int:
    """Print the models that the settings stand for, and the licences of fetched ones."""
    choice = ModelChoice(
        visual=settings.visual_model,
        visual_revision=settings.visual_model_revision,
        speech=settings.speech_model,
        models_dir=settings.models_dir,
    )
    try:
        names = chosen_models(choice, threads=1).names()
        models = fetched(settings.models_dir)
    except ModelError as error:
        print(error, file=sys.stderr)
        return 2
    for kind, title in KINDS.items():
        print(f"{title + ':':<18}{names[kind]}")
    for folder, record in models:
        print(f"Fetched: {folder}, {record.repository} at {record.commit}, {record.licence}")
    if not models and settings.visual_model == AUTO:
        print("A better picture encoder can be had: python -m engine.models fetch")
    return 0


def fetch_command(options: argparse.Namespace, settings: Settings) -> int:
    """Fetch one model; with `--optional`, every failure is only told."""
    repository, revision = _wanted(options, settings)
    models_dir = options.to or settings.models_dir
    try:
        if options.optional and _is_settled(settings, models_dir):
            return 0
        print(f"Looking for {repository} ({revision}) on the hub")
        source = look_up(
            repository,
            revision,
            full=options.full,
            timeout_s=OPTIONAL_WAIT_S if options.optional else settings.connect_timeout_s,
        )
        print(f"Commit {source.commit}, licence {source.licence}, {source.size / 1e6:.0f} MB")
        if not options.accept_licence:
            check_licence(source)
        limit_s = OPTIONAL_LIMIT_S if options.optional else float("inf")
        folder = fetch(source, models_dir, timeout_s=settings.read_timeout_s, limit_s=limit_s)
    except ModelError as error:
        if options.optional:
            print(f"Going on without it: {error}")
            return 0
        print(error, file=sys.stderr)
        return 1
    print(f"Fetched into {folder}")
    return 0


def _wanted(options: argparse.Namespace, settings: Settings) -> tuple[str, str]:
    """Repository and revision: as given, else as the settings say, else the usual encoder."""
    set_to = settings.visual_model
    usual = (
        set_to if REPOSITORY.fullmatch(set_to) and not Path(set_to).is_dir() else CLIP_REPOSITORY
    )
    repository = options.repository or usual
    revision = settings.visual_model_revision if repository == usual else MAIN
    return repository, options.revision or revision


def _is_settled(settings: Settings, models_dir: Path) -> bool:
    """Whether there is nothing to fetch for the picture encoder that the settings ask for."""
    if settings.api_url:
        return True
    try:
        folder = visual_folder(settings.visual_model, settings.visual_model_revision, models_dir)
    except ModelError:
        return False
    return folder is not None or settings.visual_model != AUTO


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.models", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("show", help="print the models in use and where fetched ones are from")
    fetching = commands.add_parser("fetch", help="fetch a model from the Hugging Face hub")
    fetching.add_argument(
        "--repository",
        metavar="R",
        help=f"repository of the hub: a CLIP or SigLIP encoder in ONNX ({CLIP_REPOSITORY}, or what "
        "VISUAL_MODEL names) or a Whisper model for faster-whisper",
    )
    fetching.add_argument("--revision", metavar="REV", help="branch, tag or commit; or main")
    fetching.add_argument(
        "--to", type=Path, metavar="DIR", help="models folder, instead of MODELS_DIR"
    )
    fetching.add_argument(
        "--full", action="store_true", help="full precision: larger and slower than int8"
    )
    fetching.add_argument(
        "--accept-licence",
        action="store_true",
        help="fetch even if the licence does not plainly allow use in products",
    )
    fetching.add_argument(
        "--optional",
        action="store_true",
        help="try once, briefly, and only if there is no fetched encoder; never fail",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
