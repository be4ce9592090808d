"""The printed summary of a run: a table in line, what was left out and why, the counts."""

from __future__ import annotations

import io

from steps.console import Console
from steps.report import print_counts, print_left_out, print_summary
from store.records import LeftOut


def test_the_summary_says_in_words_when_no_class_applies() -> None:
    out = io.StringIO()
    names = [
        {"video_id": "1", "video_name": "映画.mp4"},
        {"video_id": "2", "video_name": "evil\x1b[2J.mp4"},
        {"video_id": "3", "video_name": "n" * 200 + ".mp4"},
    ]
    low = {"name": "Space", "score": 80.0, "duration_ratio": 0.5, "clips": []}
    high = {"name": "Pets", "score": 91.257, "duration_ratio": 1.0, "clips": [{}, {}]}
    classified = [{"video_id": "1", "classes": [low, high]}, {"video_id": "3", "classes": [low]}]
    print_summary(Console(out=out), names, classified)
    lines = out.getvalue().splitlines()
    assert lines[0].split() == ["Video", "Best", "class", "Score", "Ratio", "Clips"]
    assert lines[1].split() == ["映画.mp4", "Pets", "91.26", "1.00", "2"]
    assert lines[2].split("  ")[0] == "evil\\x1b[2J.mp4"
    assert "no class applies" in lines[2]
    assert "nnn...nnn" in lines[3]
    assert lines[3].split()[0].endswith(".mp4")
    # The wide letters of the first name take two columns each.
    assert lines[1].index("Pets") == lines[2].index("no class") - 2 == lines[3].index("Space") - 2


def test_the_summary_lists_reasons_counts_and_the_rest_of_the_index() -> None:
    out = io.StringIO()
    console = Console(out=out)
    print_left_out(console.output, [LeftOut("a.mp4", "is empty")], [LeftOut("b.mp4", "stalled")])
    counts = {
        "videos": 5,
        "uploaded": 1,
        "already_indexed": 2,
        "refused": 1,
        "failed": 1,
        "classified": 3,
        "other_videos_in_index": 7,
    }
    print_counts(console, {"counts": counts, "index": {"name": "demo"}, "elapsed_s": 61.25})
    assert out.getvalue().splitlines() == [
        "Refused a.mp4: is empty",
        "Failed b.mp4: stalled",
        "Left out 7 other videos of the index 'demo': their files are not in this folder, or have"
        " changed",
        "3 of 5 videos classified (1 uploaded, 2 already indexed, 1 refused, 1 failed) in 61.2 s",
    ]
