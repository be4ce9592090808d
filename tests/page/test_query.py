"""What query parameters ask for, and which results they show."""

from __future__ import annotations

import pytest
from werkzeug.datastructures import MultiDict

from core.classification import ClassScore, Clip, Thresholds
from page.query import (
    ClipQuery,
    QueryError,
    ViewQuery,
    class_filter,
    matching_videos,
    query_clips,
    read_clip_query,
    read_view_query,
)
from store.records import VideoResult

RUN = Thresholds()
SEEN = Clip(0, 4, 90, "visual", "a dog")
HEARD = Clip(2, 3, 80, "conversation", "a cat")
PETS = ClassScore("Pets", 90, 0.5, (SEEN, HEARD), 90, 85)
HOME = ClassScore("any", 95, 0.2, (SEEN,), 95, 95)
VIDEOS = (
    VideoResult("1", "b dog.mp4", (PETS,)),
    VideoResult("2", "A home.mp4", (HOME,)),
    VideoResult("3", "sub/none.mp4", ()),
)


def names(**asked: str) -> list[str]:
    query = read_view_query(MultiDict({key.rstrip("_"): text for key, text in asked.items()}), RUN)
    return [video.video_id for video in matching_videos(VIDEOS, query)]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({}, ["2", "1", "3"]),
        ({"sort": "ratio"}, ["1", "2", "3"]),
        ({"sort": "name"}, ["2", "1", "3"]),
        ({"q": " DOG  mp4 "}, ["1"]),
        ({"q": "sub/"}, ["3"]),
        ({"class_": "any"}, ["2", "1"]),
        ({"class_": "none"}, ["3"]),
        ({"class_": "is:Pets"}, ["1"]),
        ({"class_": "is:any"}, ["2"]),
        ({"class_": "Pets"}, ["1"]),
        ({"class_": "Cats"}, []),
        ({"evidence": "conversation"}, ["1"]),
        ({"evidence": "conversation", "class_": "is:any"}, []),
        ({"evidence": "text_in_video"}, []),
    ],
)
def test_filters_and_order(asked: dict[str, str], shown: list[str]) -> None:
    assert names(**asked) == shown


def test_parameters_give_the_view_back() -> None:
    query = ViewQuery(
        Thresholds(10, 20.5, 0.25), "söme & words", "A/B", "visual", "name", "heat", "id1", 3
    )
    assert read_view_query(query.parameters(RUN), RUN) == query
    assert ViewQuery(RUN).parameters(RUN) == {}


@pytest.mark.parametrize("name", ["Pets", "any", "none", "is:", "is:any", "söme & words"])
def test_filter_by_class_is_told_from_other_filters(name: str) -> None:
    video = VideoResult("4", "c.mp4", (ClassScore(name, 90, 0.5, (), 0, 0),))
    query = read_view_query({"class": class_filter(name)}, RUN)
    assert query.class_name == read_clip_query({"class": class_filter(name)}, 0).class_name == name
    assert video in matching_videos([*VIDEOS, video], query)
    assert VIDEOS[2] not in matching_videos(VIDEOS, query)


@pytest.mark.parametrize(
    ("asked", "rule"),
    [
        ({"min_clip_score": "101"}, "min_clip_score must be a number from 0 to 100"),
        ({"min_video_score": "many"}, "min_video_score must be a number"),
        ({"min_duration_ratio": "nan"}, "min_duration_ratio must be a number from 0 to 1"),
        ({"page": "-1"}, "page must be"),
        ({"page": "1e99"}, "page must be"),
        ({"sort": "size"}, "sort must be one of score, ratio, name"),
        ({"group": "x" * 1000}, "group must be one of"),
    ],
)
def test_wrong_parameters_are_named(asked: dict[str, str], rule: str) -> None:
    with pytest.raises(QueryError, match=rule):
        read_view_query(asked, RUN)


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({}, [SEEN, HEARD]),
        ({"sort": "prompt"}, [HEARD, SEEN]),
        ({"sort": "score"}, [SEEN, HEARD]),
        ({"class": "any"}, [SEEN]),
        ({"class": "is:any"}, [SEEN]),
        ({"prompt": "a cat"}, [HEARD]),
        ({"evidence": "visual"}, [SEEN]),
        ({"min_score": "85"}, [SEEN]),
        ({"min_score": "0", "class": "nothing"}, []),
    ],
)
def test_clips_asked_for(asked: dict[str, str], shown: list[Clip]) -> None:
    found = query_clips([PETS, HOME], read_clip_query(asked, 65))
    assert [clip for clip, _ in found] == shown


def test_clip_of_two_classes_is_there_once() -> None:
    assert query_clips([PETS, HOME], ClipQuery())[0] == (SEEN, ["Pets", "any"])
