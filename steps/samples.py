"""Makes sample videos, so that there is something to classify before you bring your own.

Nothing is downloaded, and no file is ever overwritten.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from core.command_line import make_parser, read_settings, tell
from core.errors import UserError
from steps.folder import find_videos

OPTIONS = {"--videos": "videos_dir"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the samples that are missing; returns 2 if that cannot be done."""
    parser = make_parser(__doc__, OPTIONS, "python -m steps.samples")
    parser.add_argument(
        "--force", action="store_true", help="Make them even if the folder has other videos"
    )
    given = parser.parse_args(arguments)
    # --help need not wait for PyAV and NumPy.
    from steps.sample_videos import SAMPLES, compose_missing

    try:
        folder = read_settings(given, OPTIONS).videos_dir
        if any(find_videos(folder)) and not given.force:
            print(f"{folder} already has videos; --force adds the samples to them")
            return 0
        for path in compose_missing(folder, SAMPLES):
            print(f"made {path} ({path.stat().st_size / 1000:.0f} kB)")
    except UserError as error:
        return tell(error)
    except OSError as error:
        return tell(UserError(f"{folder} cannot be used: {error.strerror or error}"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
