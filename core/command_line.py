"""The command line of every command: which settings it takes, and under which options.

OPTIONS = {"--videos": "videos_dir"}
parser = make_parser(__doc__, OPTIONS)
settings = read_settings(parser.parse_args(arguments), OPTIONS)
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace

from core.errors import UserError
from core.settings import Settings, load_settings, table

NOTHING_DONE = 2  # the exit code of a command that could not start; argparse has the same


def make_parser(
    doc: str | None, options: Mapping[str, str], prog: str | None = None
) -> argparse.ArgumentParser:
    """A parser for options that set settings; `options` gives the setting's name by option.

    In --help, the first paragraph of `doc` is above the options and the others are below them.
    """
    purpose, _, notes = (doc or "").strip().partition("\n\n")
    parser = argparse.ArgumentParser(
        prog=prog,
        description=purpose,
        epilog=notes,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_options(parser, options)
    return parser


def add_options(parser: argparse.ArgumentParser, options: Mapping[str, str]) -> None:
    """Add such options to a parser; --help shows their defaults and environment variables."""
    for option, name in options.items():
        row = table()[name]
        default = row.shown_default or "empty"
        parser.add_argument(
            option,
            dest=name,
            metavar=row.kind.placeholder,
            help=f"{row.help} (default: {default}; or set {row.variable})",
        )


def read_settings(given: argparse.Namespace, options: Mapping[str, str]) -> Settings:
    """The settings, with those given as options in place of others; raises SettingError."""
    laid_over = {
        name: table()[name].parse(text, option)
        for option, name in options.items()
        if (text := getattr(given, name, None)) is not None
    }
    return replace(load_settings(), **laid_over)


def tell(error: UserError) -> int:
    """Print why a command ends without having done anything; returns its exit code."""
    print(f"error: {error}", file=sys.stderr)
    return NOTHING_DONE
