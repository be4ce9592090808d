"""The sync plan: which videos of an index belong to a file of the folder, and what is missing."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pytest

from core.types import Video
from steps.folder import VideoFile
from steps.sync import SyncPlan, compare, is_made_of
from store.records import LeftOut

DAY_NS = 24 * 3600 * 10**9
TODAY = datetime(2026, 1, 2, tzinfo=timezone.utc)
TODAY_NS = int(TODAY.timestamp()) * 10**9


def file(name: str, size: int = 1, touched_ns: int = 0) -> VideoFile:
    return VideoFile(name, Path("videos", name), size, touched_ns, touched_ns)


def video(video_id: str, filename: str, size: int = 1) -> Video:
    return Video(video_id, filename, size=size)


def test_files_and_videos_are_matched_by_name_and_size() -> None:
    same, changed, new = file("same.mp4"), file("changed.mp4", size=2), file("new.mp4")
    listed = [video("1", "same.mp4"), video("2", "changed.mp4"), video("3", "deleted.mp4")]
    plan = compare(listed, [same, changed, new], uploaded={}, left_out=set())
    assert plan == SyncPlan({"same.mp4": listed[0]}, [], [changed, new], unrelated=2)


def test_the_newest_of_several_versions_counts_and_the_others_are_outdated() -> None:
    listed = [video("newest", "a.mp4"), video("older", "a.mp4"), video("oldest", "a.mp4", size=9)]
    plan = compare(listed, [file("a.mp4")], uploaded={}, left_out=set())
    assert plan == SyncPlan({"a.mp4": listed[0]}, ["older", "oldest"], [], unrelated=0)


def test_a_video_of_this_run_counts_whatever_size_the_platform_tells() -> None:
    listed = [video("other", "a.mp4", size=7), video("own", "a.mp4", size=8)]
    plan = compare(listed, [file("a.mp4")], uploaded={"a.mp4": "own"}, left_out=set())
    assert plan == SyncPlan({"a.mp4": listed[1]}, ["other"], [], unrelated=0)


def test_what_was_left_out_or_uploaded_is_not_missing() -> None:
    files = [file("refused.mp4"), file("uploaded.mp4")]
    listed = [video("1", "refused.mp4")]
    plan = compare(listed, files, uploaded={"uploaded.mp4": ""}, left_out={"refused.mp4"})
    assert plan == SyncPlan({}, [], [], unrelated=1)


@pytest.mark.parametrize(
    ("fingerprint", "touched_ns", "is_same"),
    [
        ("", TODAY_NS + DAY_NS, True),
        ("other", TODAY_NS - DAY_NS, True),
        ("other", TODAY_NS + DAY_NS, False),
        ("this", TODAY_NS + DAY_NS, True),
    ],
    ids=["no fingerprint", "untouched since", "another file", "the same file"],
)
def test_the_fingerprint_decides_for_a_file_that_was_touched_since(
    monkeypatch: pytest.MonkeyPatch, fingerprint: str, touched_ns: int, is_same: bool
) -> None:
    monkeypatch.setattr(VideoFile, "has_fingerprint", lambda _, expected: expected == "this")
    known = Video("1", "a.mp4", size=1, fingerprint=fingerprint, created_at=TODAY)
    assert is_made_of(known, file("a.mp4", touched_ns=touched_ns)) is is_same


def test_a_plan_without_some_videos_says_which_and_why() -> None:
    plan = SyncPlan({"a.mp4": video("1", "a.mp4"), "b.mp4": video("2", "b.mp4")}, [], [], 0)
    rest, left_out = plan.without({"2": "is too dark", "3": "is unknown"})
    assert rest.names() == [{"video_id": "1", "video_name": "a.mp4"}]
    assert left_out == [LeftOut("b.mp4", "is too dark")]
