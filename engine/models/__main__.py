"""Fetches a better model, or shows which models are in use."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from core.command_line import add_options, make_parser, read_settings, tell
from core.errors import UserError
from core.settings import Settings
from engine.models.store import (
    AUTO,
    CLIP_REPOSITORY,
    MAIN,
    REPOSITORY,
    ModelError,
    fetched,
    visual_folder,
)

OPTIONS = {"--to": "models_dir"}

# A newcomer waits for an optional fetch before the first look at the page.
OPTIONAL_WAIT_S = 3.0
OPTIONAL_LIMIT_S = 120.0
KINDS = {
    "visual": "Picture",
    "conversation": "Speech",
    "text_in_video": "Screen text",
    "text": "Meaning of texts",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0: done (always so for an optional fetch); 1: not fetched; 2: wrong settings."""
    options = _parser().parse_args(arguments)
    try:
        settings = read_settings(options, OPTIONS)
        if options.command == "show":
            show(settings)
            return 0
    except UserError as error:
        return tell(error)
    return fetch_command(options, settings)


def show(settings: Settings) -> None:
    """Print the models that the settings name, and the licences of fetched ones."""
    # --help need not wait for the models.
    from engine.models.choice import ModelChoice, chosen_models

    names = chosen_models(ModelChoice.of(settings), threads=1).names()
    models = fetched(settings.models_dir)
    for kind, title in KINDS.items():
        print(f"{title + ':':<18}{names[kind]}")
    for folder, record in models:
        print(f"Fetched: {folder}, {record.repository} at {record.commit}, {record.licence}")
    if not models and settings.visual_model == AUTO:
        print("To fetch a better picture encoder: python -m engine.models fetch")


def fetch_command(options: argparse.Namespace, settings: Settings) -> int:
    """Fetch one model; with `--optional`, a failure is printed but is no error."""
    # --help need not wait for the hub's library.
    from engine.models.fetch import check_licence, fetch, look_up

    repository, revision = _wanted(options, settings)
    try:
        if options.optional and _is_settled(settings):
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
        folder = fetch(
            source,
            settings.models_dir,
            timeout_s=settings.read_timeout_s,
            limit_s=OPTIONAL_LIMIT_S if options.optional else float("inf"),
        )
    except ModelError as error:
        if options.optional:
            print(f"Going on without it: {error}")
            return 0
        tell(error)
        return 1
    print(f"Fetched into {folder}")
    return 0


def _wanted(options: argparse.Namespace, settings: Settings) -> tuple[str, str]:
    """Repository and revision: from the options, else from the settings, else the default."""
    set_to = settings.visual_model
    usual = (
        set_to if REPOSITORY.fullmatch(set_to) and not Path(set_to).is_dir() else CLIP_REPOSITORY
    )
    repository = options.repository or usual
    revision = settings.visual_model_revision if repository == usual else MAIN
    return repository, options.revision or revision


def _is_settled(settings: Settings) -> bool:
    """Whether the picture encoder of the settings needs no fetch."""
    if settings.api_url:
        return True
    try:
        folder = visual_folder(
            settings.visual_model, settings.visual_model_revision, settings.models_dir
        )
    except ModelError:
        return False
    return folder is not None or settings.visual_model != AUTO


def _parser() -> argparse.ArgumentParser:
    parser = make_parser(__doc__, {}, "python -m engine.models")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("show", help="Print the models in use and the sources of fetched ones")
    fetching = commands.add_parser(
        "fetch", help="Fetch a model from the Hugging Face hub", allow_abbrev=False
    )
    fetching.add_argument(
        "--repository",
        metavar="R",
        help=f"Repository of the hub: a CLIP or SigLIP encoder in ONNX ({CLIP_REPOSITORY}, or what "
        "VISUAL_MODEL names) or a Whisper model for faster-whisper",
    )
    fetching.add_argument(
        "--revision",
        metavar="REV",
        help="Branch, tag or commit (default: VISUAL_MODEL_REVISION, or main)",
    )
    add_options(fetching, OPTIONS)
    fetching.add_argument(
        "--full", action="store_true", help="Full precision: larger and slower than int8"
    )
    fetching.add_argument(
        "--accept-licence",
        action="store_true",
        help="Fetch even if the licence does not clearly allow use in products",
    )
    fetching.add_argument(
        "--optional",
        action="store_true",
        help="Try once, briefly, and only if no encoder has been fetched; never fail",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
